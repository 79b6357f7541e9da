"""One `hub ingest` a folder: two would sign for one hub, and each would take the other's presence away."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import EX_UNAVAILABLE, DermedgeError, StoreError

LOCK_FILE = "ingest.lock"


class AlreadyRunningError(DermedgeError, RuntimeError):
    """Another process does this already."""

    exit_code = EX_UNAVAILABLE


@contextmanager
def sole(directory: Path) -> Iterator[None]:
    """Holds the folder; the system lets go of it however the process ends.

    Raises AlreadyRunningError where another process holds it, StoreError where the folder cannot be written.
    """
    path = directory / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"expected a folder that can be written at {directory}; {error}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(
                f"expected no other `dermedge hub ingest` on {directory}, one is already running: stop it first"
            ) from error
        yield
    finally:
        os.close(descriptor)
