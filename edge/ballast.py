"""A file of no use beside the outbox. On a full disk SQLite cannot even free a row; this makes the room for it.

Once it is released the outbox takes only what fits into pages that were freed, until the disk has room again: the space
is for freeing, not for more events.
"""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

from edge.wire import MESSAGE_BYTES_MAX

SUFFIX = "-ballast"
FULL_BELOW_BYTES = 4 * MESSAGE_BYTES_MAX

_log = logging.getLogger(__name__)


class Ballast:
    """Used by one thread at a time. size_bytes: 0 for none. Failing to have it is told and stops nothing."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._is_held = path.is_file() and path.stat().st_size == size_bytes
        self.renew()

    @property
    def is_missing(self) -> bool:
        """Whether it was given away, or the disk never had room for it."""
        return not self._is_held and self._size_bytes > 0

    def disk_is_full(self) -> bool:
        """Whether the disk has hardly room for a few messages, or none for the ballast."""
        return self.is_missing or self._free_bytes() < FULL_BELOW_BYTES

    def release(self) -> None:
        """Give the space to whoever writes next; nothing happens where there is none to give."""
        if self._is_held:
            self._is_held = False
            self._path.unlink(missing_ok=True)
            _log.warning("the disk is full: %s was removed, so that the outbox can free what the hub has", self._path)

    def renew(self) -> None:
        """Have it again, once the disk has twice its size."""
        if not self.is_missing or self._free_bytes() < max(2 * self._size_bytes, FULL_BELOW_BYTES):
            return
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
                os.ftruncate(descriptor, self._size_bytes)
            finally:
                os.close(descriptor)
            self._is_held = True
        except OSError as error:
            if error.errno != errno.ENOSPC:
                self._size_bytes = 0
            _log.warning("no ballast at %s: %s; on a full disk nothing can be freed then", self._path, error)

    def _free_bytes(self) -> int:
        numbers = os.statvfs(self._path.parent)
        return numbers.f_bavail * numbers.f_frsize
