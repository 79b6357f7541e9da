"""What C++ code writes on stderr: notes are held back, warnings come after, and --debug shows all."""

from __future__ import annotations

import os

import pytest

from edge.inference.engine_log import SHOW_ALL, notes_held_back

LINES = b"INFO: created a delegate\nW0000 a warning\nloc(callsite): a framework's own insides\n"


@pytest.mark.parametrize(
    ("all_lines", "show_all", "left"),
    [
        (False, False, LINES.partition(b"\n")[2]),
        (True, False, b""),
        (False, True, LINES),
        (True, True, LINES),
    ],
)
def test_what_is_held_back(capfd: pytest.CaptureFixture[str], all_lines: bool, show_all: bool, left: bytes) -> None:
    before = SHOW_ALL.set(show_all)
    try:
        with notes_held_back(all_lines=all_lines):
            os.write(2, LINES)
        os.write(2, b"after\n")
    finally:
        SHOW_ALL.reset(before)
    assert capfd.readouterr().err == left.decode() + "after\n"
