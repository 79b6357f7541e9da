"""One command as a child of its own: how long it took and how much memory it held at its peak."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """code: exit status. peak_memory_bytes: of the child, or of its largest own child."""

    code: int
    seconds: float
    peak_memory_bytes: int
    stdout: str
    stderr: str

    @property
    def last_line(self) -> str:
        lines = self.stderr.strip().splitlines()
        return lines[-1] if lines else ""


def run(command: Sequence[str], environment: dict[str, str]) -> Measured:
    """Linux: ru_maxrss counts in KiB."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began_s = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return Measured(process.returncode, seconds, usage.ru_maxrss * 1024, *texts)


def module(name: str, *words: str) -> list[str]:
    """A module of ours, run by this interpreter."""
    return [sys.executable, "-P", "-m", name, *words]
