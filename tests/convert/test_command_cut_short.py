"""`dermedge convert` when the disk is full, at Ctrl-C, and on a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.convert.command import COMMAND, environment, judged, last_line, words

LIMITED = (
    "import resource, sys, dermedge;"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); sys.exit(dermedge.main(sys.argv[2:]))"
)


@pytest.mark.parametrize("limit_bytes", [100, 3000])
def test_a_full_disk_is_74_and_nothing_is_left(room: Path, tmp_path: Path, limit_bytes: int) -> None:
    """A limit on the size of a file stands in for it."""
    out = tmp_path / "deep" / "out"
    done = subprocess.run(
        [sys.executable, "-P", "-c", LIMITED, str(limit_bytes), *words(room, out)],
        env=environment(TMPDIR=str(tmp_path), PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 74, done.stderr
    assert last_line(done).startswith("dermedge: expected")
    assert "make space" in last_line(done)
    assert list(tmp_path.iterdir()) == []
    assert ("write …" in done.stderr) == (limit_bytes > 1000), "no room for the model itself is known at once"


def test_ctrl_c_leaves_nothing(room: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    # What was started in the background ignores the interrupt, and so would its children.
    command = ["env", "--default-signal=INT", *COMMAND, *words(room, out, *judged(room))]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("quantise"):
                process.send_signal(signal.SIGINT)
                break
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_gets_a_bar(room: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    command = [*COMMAND, *words(room, tmp_path / "out", "--json")]
    shown = b""
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # Linux: the other end is closed
            pass
        os.close(ours)
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["ok"]
    assert process.returncode == 0
    text = shown.decode()
    assert re.search(r"\rquantise: +\d+%\|.*pictures", text), text
    assert text.count("\r") > 12
