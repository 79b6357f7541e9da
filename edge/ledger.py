"""What the outbox promised, written beside it, for whoever counts again. Off unless `outbox.ledger` names a file.

One JSON object a line, each on the disk before the outbox goes on:

    {"what": "intend", "event_id": ..., "sha256": ..., "type": ...}   before the commit; sha256 of the sealed message
    {"what": "committed", "event_id": ..., "seq": ...}                after it
    {"what": "voided", "event_id": ..., "sha256": ..., "reason": ...} before the commit; sha256 of the void

An `intend` without `committed` was rolled back, or the process died between commit and line: the outbox adds the
missing lines when it is opened. A `voided` may have been rolled back too: then the event may travel as it was, or,
given up again, as another void. No patient data.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.durable import make_folder, sync_folder
from edge.errors import StoreError


class Intent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="what", tag="intend"):
    """This sealed message is about to be committed. type: the tag of the body."""

    event_id: str
    sha256: str
    type: str


class Committed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="what", tag="committed"):
    """This event is in the outbox, under this seq."""

    event_id: str
    seq: int


class Voided(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="what", tag="voided"):
    """This void is about to take the place of this event."""

    event_id: str
    sha256: str
    reason: str


class Unsettled(NamedTuple):
    """An intent without its `committed` line."""

    event_id: str
    sha256: str


class Ledger:
    """The open file; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; a last line that was cut off by a kill is removed. Raises StoreError."""
        self.path = path
        self._lock = threading.Lock()
        try:
            make_folder(path.parent)
            is_new = not path.exists()
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._drop_unfinished_line()
            if is_new:
                sync_folder(path.parent)
        except OSError as error:
            raise StoreError(f"expected a ledger that can be written at {path}; {error}") from error

    def unsettled(self) -> list[Unsettled]:
        """Intents without their `committed` line, in the order written. Raises StoreError for a damaged ledger."""
        open_intents: dict[str, Unsettled] = {}
        try:
            for line in self.path.read_bytes().splitlines():
                entry = msgspec.json.decode(line, type=Intent | Committed | Voided)
                if isinstance(entry, Intent):
                    open_intents[entry.event_id] = Unsettled(entry.event_id, entry.sha256)
                elif isinstance(entry, Committed):
                    open_intents.pop(entry.event_id, None)
        except OSError as error:
            raise StoreError(f"expected a readable ledger at {self.path}; {error}") from error
        except msgspec.DecodeError as error:
            raise StoreError(
                f"expected `intend`, `committed` and `voided` lines in {self.path}; {error}; move the file aside"
            ) from error
        return list(open_intents.values())

    def intend(self, intents: Sequence[Intent]) -> None:
        """Write these lines and wait for the disk. Raises StoreError."""
        self._write(intents)

    def committed(self, entries: Sequence[Committed]) -> None:
        """Write these lines and wait for the disk. Raises StoreError."""
        self._write(entries)

    def voided(self, entries: Sequence[Voided]) -> None:
        """Write these lines and wait for the disk. Raises StoreError."""
        self._write(entries)

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _write(self, entries: Sequence[Intent | Committed | Voided]) -> None:
        if not entries:
            return
        lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        with self._lock:
            try:
                whole = os.fstat(self._descriptor).st_size
                try:
                    while lines:
                        lines = lines[os.write(self._descriptor, lines) :]
                    os.fsync(self._descriptor)
                except OSError:
                    os.ftruncate(self._descriptor, whole)  # a full disk takes half a line: none may follow it
                    raise
            except OSError as error:
                raise StoreError(f"expected to write the ledger at {self.path}; {error}") from error

    def _drop_unfinished_line(self) -> None:
        size = os.fstat(self._descriptor).st_size
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < size:
            os.ftruncate(self._descriptor, whole)
            os.fsync(self._descriptor)
