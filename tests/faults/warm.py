"""A process that has imported everything and forks a child for each life, so that ten thousand lives can be had.

`python -m tests.faults.warm device|hub` reads one JSON object a line and answers with a number:

    {"life": name, "arguments": {…}, "environment": {…}}    the child's pid
    {"wait": pid}                                           how it ended: 0 to 255, or minus the signal

It runs no thread of its own. The one for devices imports the tell wing alone, and ends where anything heavy came along.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

HEAVY = {"numpy", "cv2", "ai_edge_litert", "tflite_runtime", "PIL"}
Life = Callable[..., int]


class Warm:
    """The harness's side of such a process."""

    def __init__(self, kind: str) -> None:
        command = [sys.executable, "-m", "tests.faults.warm", kind]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._ask({"ready": True}) == 1

    def start(self, life: str, environment: dict[str, str] | None = None, **arguments: Any) -> int:
        """Fork a child that lives this life; its pid."""
        return self._ask({"life": life, "arguments": arguments, "environment": environment or {}})

    def wait(self, pid: int) -> int:
        """How it ended: its exit code, or minus the signal that ended it."""
        return self._ask({"wait": pid})

    def live(self, life: str, environment: dict[str, str] | None = None, **arguments: Any) -> int:
        """`start` and `wait`."""
        return self.wait(self.start(life, environment, **arguments))

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _ask(self, question: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the warm process has ended; what it said stands above"
        return int(answer)


def main(kind: str) -> int:
    lives: dict[str, Life]
    if kind == "device":
        from tests.faults import device_lives

        lives = device_lives.LIVES
        came_along = HEAVY & set(sys.modules)
        assert not came_along, f"the tell wing has imported {came_along}"
    else:
        from tests.faults import hub_lives

        lives = hub_lives.LIVES
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            _, status = os.waitpid(question["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        elif "life" in question:
            answer = _fork(lives[question["life"]], question["arguments"], question["environment"])
        else:
            answer = 1
        print(answer, flush=True)
    return 0


def _fork(life: Life, arguments: dict[str, Any], environment: dict[str, str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        os.environ.update(environment)
        code = life(**arguments)
    except BaseException:  # noqa: BLE001  (the child ends here, whatever it was)
        traceback.print_exc()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
