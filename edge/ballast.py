"""A file of no use beside the outbox. On a full disk SQLite cannot even free a row; this makes the room for it.

Whoever needs it removes it, does what needs the room, and puts it back, as much of it as fits: somebody else may be
filling the disk. While it is away an append takes only what fits into pages that were freed: the space is for freeing
and for what the hub says, not for more events.
"""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

from edge.durable import sync_folder
from edge.wire import MESSAGE_BYTES_MAX

SUFFIX = "-ballast"
FULL_BELOW_BYTES = 4 * MESSAGE_BYTES_MAX

_log = logging.getLogger(__name__)


class Ballast:
    """Used by one thread at a time. size_bytes: 0 for none. Failing to have it is told and stops nothing."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._held_bytes = path.stat().st_size if path.is_file() else 0
        self._is_told = False
        self.renew()
        self.put_back()

    @property
    def is_missing(self) -> bool:
        """Whether it was given away, or the disk never had room for it."""
        return self._held_bytes == 0 and self._size_bytes > 0

    def disk_is_full(self) -> bool:
        """Whether the disk has hardly room for a few messages, or none for the ballast."""
        return self.is_missing or _free_bytes(self._path) < FULL_BELOW_BYTES

    def release(self) -> None:
        """Give the space to whoever writes next; nothing happens where there is none to give."""
        if self._held_bytes:
            self._held_bytes = 0
            self._path.unlink(missing_ok=True)
            if not self._is_told:
                self._is_told = True
                text = "the disk is full: %s makes room, so that the outbox can free what the hub has"
                _log.warning(text, self._path)

    def renew(self) -> None:
        """Have all of it, once the disk has twice its size."""
        lacking_bytes = self._size_bytes - self._held_bytes
        if lacking_bytes > 0 and _free_bytes(self._path) >= max(lacking_bytes + self._size_bytes, FULL_BELOW_BYTES):
            self._is_told = False
            self._take(self._size_bytes)

    def put_back(self) -> None:
        """After it was given: have what still fits of it, if that is the better part."""
        if self.is_missing:
            size_bytes = min(self._size_bytes, _free_bytes(self._path))
            if 2 * size_bytes >= self._size_bytes:
                self._take(size_bytes)

    def _take(self, size_bytes: int) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size_bytes)
                os.ftruncate(descriptor, size_bytes)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_folder(self._path.parent)
            self._held_bytes = size_bytes
        except OSError as error:
            self._held_bytes = 0
            if error.errno == errno.ENOSPC:
                self._path.unlink(missing_ok=True)  # what it got of it would help nobody
            else:
                self._size_bytes = 0
            _log.warning("no ballast at %s: %s; on a full disk nothing can be freed then", self._path, error)


def give_for(database: Path) -> bool:
    """The ballast beside a file that cannot be opened for a full disk; whether there was one to give.

    Whoever opens the outbox then puts it back.
    """
    path = Path(f"{database}{SUFFIX}")
    if not path.is_file() or _free_bytes(path) >= FULL_BELOW_BYTES:
        return False
    path.unlink(missing_ok=True)
    _log.warning("the disk is full: %s makes room, so that the outbox can be opened", path)
    return True


def _free_bytes(path: Path) -> int:
    numbers = os.statvfs(path.parent)
    return numbers.f_bavail * numbers.f_frsize
