"""The engine's C++ code greets on stderr ("INFO: Created TensorFlow Lite XNNPACK delegate for CPU."), and no setting
stops it. A script that reads our stderr expects one line a problem, so notes are held back; warnings pass.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_STDERR = 2
_NOTES = (b"INFO:", b"I0000 ", b"WARNING: All log messages before absl::InitializeLog()")
"""LiteRT's, and TensorFlow's in the converter."""
SHOW_ALL: ContextVar[bool] = ContextVar("SHOW_ALL", default=False)
"""Hold nothing back: for somebody who looks for a fault in what others print (`--debug`)."""


@contextmanager
def notes_held_back(*, all_lines: bool = False) -> Iterator[None]:
    """What is written to file descriptor 2 meanwhile comes afterwards, less the lines that are mere notes.

    all_lines: none comes: of frameworks that speak of their own insides, and whose errors are exceptions.
    """
    if SHOW_ALL.get():
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as written:
        before = os.dup(_STDERR)
        os.dup2(written.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, _STDERR)
            os.close(before)
            written.seek(0)
            for line in written:
                if not (all_lines or line.startswith(_NOTES)):
                    os.write(_STDERR, line)
