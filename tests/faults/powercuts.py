"""Power cuts on a disk in memory: what was not synced may be there, not there, or half there, in any order.

An apsw VFS keeps for each file what is durable and the writes since its last sync. At a cut each of these writes is
kept, dropped or torn at a sector, independently of the others; then the outbox is opened again on what is left. WAL
without shared memory (locking_mode EXCLUSIVE), since a VFS in Python has none.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import apsw

from edge import config, wire
from edge.errors import StoreError
from edge.outbox import Outbox
from edge.sealing import ciphertext_hash
from tests.edge.tell.conftest import HandClock
from tests.golden import messages
from tests.golden.keys import read_keys

SECTOR_BYTES = 512
VFS_NAME = "power-cuts"


class PowerCut(apsw.IOError):
    """The machine is off; whoever asks the disk for something hears this."""


class _File:
    """durable: what a cut leaves for sure. unsynced: (offset, data), or (size, None) for a truncation, in order."""

    def __init__(self) -> None:
        self.durable = bytearray()
        self.now = bytearray()
        self.unsynced: list[tuple[int, bytes | None]] = []

    def write(self, offset: int, data: bytes | None) -> None:
        _apply(self.now, offset, data)
        self.unsynced.append((offset, data))

    def sync(self) -> None:
        self.durable = bytearray(self.now)
        self.unsynced.clear()

    def cut(self, chance: random.Random) -> None:
        for offset, data in self.unsynced:
            fate = chance.choice(("kept", "dropped", "torn"))
            if fate == "kept" or (fate == "torn" and data is None):
                _apply(self.durable, offset, data)
            elif fate == "torn" and data is not None:
                _apply(self.durable, offset, data[: SECTOR_BYTES * chance.randrange(len(data) // SECTOR_BYTES + 1)])
        self.now = bytearray(self.durable)
        self.unsynced.clear()


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


class Disk(apsw.VFS):
    """The files by name; `cut_after` more writes and syncs it goes off. fail_sync_after: this many syncs, one fails."""

    def __init__(self) -> None:
        super().__init__(VFS_NAME, "")
        self.files: dict[str, _File] = {}
        self.cut_after: int | None = None
        self.fail_sync_after: int | None = None
        self.is_off = self.is_abandoned = False

    def takes(self) -> bool:
        """Whether a write or sync has an effect; none after whoever wrote was abandoned. Raises PowerCut."""
        if self.is_abandoned:
            return False
        if self.cut_after is not None:
            self.cut_after -= 1
            self.is_off = self.is_off or self.cut_after < 0
        if self.is_off:
            raise PowerCut("the power was cut")
        return True

    def sync(self, file: _File) -> None:
        if not self.takes():
            return
        if self.fail_sync_after is not None:
            self.fail_sync_after -= 1
            if self.fail_sync_after < 0:
                self.fail_sync_after = None
                raise PowerCut("the disk could not sync")
        file.sync()

    def reboot(self, chance: random.Random) -> None:
        for file in self.files.values():
            file.cut(chance)
        self.is_off, self.is_abandoned, self.cut_after = False, False, None

    def xOpen(self, name: object, flags: list[int]) -> _Handle:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        flags[1] = flags[0]
        return _Handle(self, self.files.setdefault(path, _File()))

    def xDelete(self, name: str, sync_directory: bool) -> None:  # noqa: N802
        del sync_directory
        if self.takes():
            self.files.pop(name, None)

    def xAccess(self, name: str, flags: int) -> bool:  # noqa: N802
        del flags
        return name in self.files

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name


class _Handle:
    """An open file; SQLite's names."""

    def __init__(self, disk: Disk, file: _File) -> None:
        self._disk, self._file = disk, file

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return bytes(self._file.now[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.takes():
            self._file.write(offset, bytes(data))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        if self._disk.takes():
            self._file.write(size, None)

    def xSync(self, flags: int) -> None:  # noqa: N802
        del flags
        self._disk.sync(self._file)

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._file.now)

    def xLock(self, level: int) -> None:  # noqa: N802
        del level

    def xUnlock(self, level: int) -> None:  # noqa: N802
        del level

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, operation: int, pointer: int) -> bool:  # noqa: N802
        del operation, pointer
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return SECTOR_BYTES

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return 0

    def xClose(self) -> None:  # noqa: N802
        return


class Tally(NamedTuple):
    """committed: events whose append had returned. lost: of those, not there after the reboot.

    unmarked: acknowledged before the cut, and not marked after it; they go again, and nothing is lost. damaged: files
    that could not be opened, or whose chain was not whole.
    """

    cuts: int
    committed: int
    lost: int
    unmarked: int
    damaged: int


def cut_power(folder: Path, cuts: int, synchronous: str, seed: int) -> Tally:
    """This many power cuts, each on an outbox that has been through those before. folder: any; nothing is written."""
    chance, disk, tally = random.Random(seed), Disk(), Tally(0, 0, 0, 0, 0)
    clock, name = HandClock(), str(folder / f"power-{synchronous}.db")
    known: dict[int, str] = {}
    marked: set[int] = set()
    try:
        for _ in range(cuts):
            disk.cut_after = chance.randrange(4, 120)
            committed = _work(disk, name, synchronous, clock, chance, known, marked)
            disk.reboot(chance)
            lost, unmarked, damaged = _look(name, synchronous, clock, known, marked)
            tally = Tally(
                tally.cuts + 1,
                tally.committed + committed,
                tally.lost + lost,
                tally.unmarked + unmarked,
                tally.damaged + damaged,
            )
            if damaged or len(known) > 200:
                disk.files.clear()
                known.clear()
                marked.clear()
    finally:
        disk.unregister()
    return tally


def connect(name: str, synchronous: str, checkpoint_pages: int = 20) -> apsw.Connection:
    """As edge.outbox_database.open_database does, but for what a VFS in Python needs."""
    connection = apsw.Connection(name, vfs=VFS_NAME)
    connection.pragma("locking_mode", "EXCLUSIVE")
    connection.pragma("synchronous", synchronous)
    connection.pragma("wal_autocheckpoint", checkpoint_pages)
    return connection


def adopt(connection: apsw.Connection, clock: HandClock) -> Outbox:
    assert connection.pragma("journal_mode", "WAL") == "wal"
    settings = config.Outbox(max_bytes=2**22, ballast_bytes=0)
    return Outbox(connection, read_keys().identity(), clock, settings)


def _work(
    disk: Disk,
    name: str,
    synchronous: str,
    clock: HandClock,
    chance: random.Random,
    known: dict[int, str],
    marked: set[int],
) -> int:
    """Append and acknowledge until the power is cut; how many events were committed by then."""
    committed = 0
    connection = connect(name, synchronous)
    try:
        outbox = adopt(connection, clock)
        while not disk.is_off:
            ids = outbox.append_many([messages.EVENTS[-1]] * chance.randint(1, 3))
            last = outbox.status().last_seq
            known.update(zip(range(last - len(ids) + 1, last + 1), ids, strict=True))
            committed += len(ids)
            if chance.random() < 0.3:
                rows = outbox.pending(0, 3)
                _acknowledge(outbox, rows)
                marked.update(row.seq for row in rows)
    except (StoreError, apsw.Error):
        assert disk.is_off, "nothing but the cut may fail"
    finally:
        disk.is_abandoned = True  # what this connection still wants to write is never written
        connection.close()
    return committed


def _acknowledge(outbox: Outbox, rows: Sequence[object]) -> None:
    from tests.edge.tell.test_outbox import acknowledge

    acknowledge(outbox, list(rows))  # type: ignore[arg-type]


def _look(
    name: str, synchronous: str, clock: HandClock, known: dict[int, str], marked: set[int]
) -> tuple[int, int, int]:
    """After the reboot: how many are lost, how many marks, and whether the file is damaged; then go on from there."""
    connection = connect(name, synchronous)
    try:
        outbox = adopt(connection, clock)
        with outbox.opened() as database:
            rows = database.execute(
                "SELECT seq, event_id, message, acknowledged_at FROM events ORDER BY seq"
            ).fetchall()
    except (StoreError, apsw.Error):
        return 0, 0, 1
    finally:
        connection.close()
    held = {row[0]: row[1] for row in rows}
    lost = [seq for seq, event_id in known.items() if held.get(seq) != event_id]
    unmarked = [row[0] for row in rows if row[0] in marked and row[3] is None]
    previous, is_whole = wire.FIRST_PREVIOUS, True
    for number, row in enumerate(rows, 1):
        message, header = wire.decode_sealed(row[2])
        is_whole = is_whole and (header.seq, header.prev_hash) == (number, previous)
        previous = ciphertext_hash(message)
    known.clear()
    known.update(held)
    marked.difference_update(unmarked)
    marked.intersection_update(held)
    return len(lost), len(unmarked), 0 if is_whole else 1
