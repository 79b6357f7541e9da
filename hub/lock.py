"""Who may work in a hub's folder at the same time.

One `hub ingest` a folder: two would sign for one hub, and each would take the other's presence away. `hub restore` puts
another database in place: alone, without an ingest, an import, a withdrawal or a backup. Those may run side by side.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import EX_UNAVAILABLE, DermedgeError, StoreError

LOCK_FILE = "ingest.lock"
PLACE_FILE = "place.lock"
"""Whoever works on the database shares it; who replaces the database has it alone."""


class AlreadyRunningError(DermedgeError, RuntimeError):
    """Another process does this already."""

    exit_code = EX_UNAVAILABLE


@contextmanager
def sole(directory: Path) -> Iterator[None]:
    """Holds the folder; the system lets go of it however the process ends.

    Raises AlreadyRunningError where another process holds it, StoreError where the folder cannot be written.
    """
    told = f"expected no other `dermedge hub ingest` on {directory}, one is already running: stop it first"
    with _held(directory / LOCK_FILE, fcntl.LOCK_EX, told):
        yield


@contextmanager
def beside(directory: Path) -> Iterator[None]:
    """The database stays in its place so long. Raises as `sole`."""
    with _held(
        directory / PLACE_FILE, fcntl.LOCK_SH, f"expected no `dermedge hub restore` on {directory}: wait for it"
    ):
        yield


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Nobody else works on the database so long. Raises as `sole`."""
    told = (
        f"expected no `dermedge hub import`, `withdraw` or `backup` on {directory} while another database is put in "
        "place, one is running: wait for it"
    )
    with sole(directory), _held(directory / PLACE_FILE, fcntl.LOCK_EX, told):
        yield


@contextmanager
def _held(path: Path, kind: int, told: str) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"expected a folder that can be written at {path.parent}; {error}") from error
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(told) from error
        yield
    finally:
        os.close(descriptor)
