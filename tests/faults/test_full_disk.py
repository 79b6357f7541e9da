"""A disk that somebody else has filled: nothing is lost, what the hub has makes room, and it goes on with space."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import config, events
from edge.commands import Commands
from edge.errors import OutboxFullError
from edge.outbox import Outbox, open_database
from tests.edge.tell.conftest import HandClock
from tests.edge.tell.test_commands import command, opened
from tests.edge.tell.test_outbox import LINE, acknowledge
from tests.edge.tell.test_voids import FINDING, picture
from tests.faults.disks import fill, small_disk
from tests.golden import messages
from tests.golden.keys import read_keys

MEGABYTE = 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 16 * MEGABYTE) as folder:
        yield folder


@pytest.fixture
def outbox(disk: Path) -> Iterator[Outbox]:
    opened = open_outbox(disk)
    yield opened
    opened.close()


def open_outbox(disk: Path) -> Outbox:
    settings = config.Outbox(max_bytes=64 * MEGABYTE, ballast_bytes=MEGABYTE)
    return Outbox(open_database(disk / "outbox.db"), read_keys().identity(), HandClock(), settings)


def ballast_bytes(disk: Path) -> int:
    path = disk / "outbox.db-ballast"
    return path.stat().st_size if path.exists() else 0


def append_until_full(outbox: Outbox) -> int:
    count = 0
    while True:
        try:
            outbox.append(FINDING)
        except OutboxFullError:
            return count
        count += 1


def test_acknowledgements_are_taken_on_a_full_disk_and_make_room(outbox: Outbox, disk: Path) -> None:
    outbox.append_many([LINE] * 200)
    rows = outbox.pending(0, 200)
    fill(disk)
    append_until_full(outbox)
    assert outbox.status().full
    assert ballast_bytes(disk) >= MEGABYTE // 2, "it was put back, as much of it as fits"
    before = outbox.status().backlog
    assert acknowledge(outbox, rows) == 200
    assert outbox.status().backlog == before - 200
    assert append_until_full(outbox) > 20, "there is room where the acknowledged ones were"
    assert [row.seq for row in outbox.pending(0, 10_000)][:3] == [201, 202, 203]


def test_it_goes_on_when_there_is_space_and_has_its_ballast_again(outbox: Outbox, disk: Path) -> None:
    other = fill(disk)
    append_until_full(outbox)
    count = outbox.status().backlog
    other.unlink()
    outbox.append_many([FINDING] * 10)
    assert not outbox.status().full
    assert outbox.status().backlog == count + 10
    assert (disk / "outbox.db-ballast").stat().st_size == MEGABYTE


def test_pictures_make_way_for_findings_on_a_full_disk(outbox: Outbox, disk: Path) -> None:
    assert outbox.append_rendition(picture("full", 600_000))
    fill(disk)
    assert append_until_full(outbox) > 150
    assert outbox.status().degraded == 4


def test_what_was_committed_is_there_after_a_restart_on_a_full_disk(outbox: Outbox, disk: Path) -> None:
    outbox.append_many([FINDING] * 50)
    fill(disk)
    append_until_full(outbox)
    seqs = [row.seq for row in outbox.pending(0, 10_000)]
    outbox.close()
    again = open_outbox(disk)
    assert [row.seq for row in again.pending(0, 10_000)] == seqs
    acknowledge(again, again.pending(0, 40))
    assert append_until_full(again) > 5
    again.close()


def free_bytes(disk: Path) -> int:
    numbers = os.statvfs(disk)
    return numbers.f_bavail * numbers.f_frsize


def test_it_is_opened_on_a_disk_without_a_byte(outbox: Outbox, disk: Path) -> None:
    outbox.append_many([FINDING] * 20)
    outbox.close()
    fill(disk)
    assert free_bytes(disk) == 0
    again = open_outbox(disk)
    assert again.status().backlog == 20
    assert ballast_bytes(disk) >= MEGABYTE // 2
    assert acknowledge(again, again.pending(0, 20)) == 20
    assert again.status().backlog == 0
    assert ballast_bytes(disk) >= MEGABYTE // 2
    again.close()


def test_commands_are_done_on_a_disk_without_a_byte(outbox: Outbox, disk: Path) -> None:
    """Whoever withdraws is erased all the same, and what the hub lacks goes again."""
    keys = read_keys()
    outbox.append_many([messages.EVENTS[6], *[FINDING] * 20])
    acknowledge(outbox, outbox.pending(0, 5))
    commands = Commands(outbox, keys.identity(), HandClock())
    fill(disk)
    append_until_full(outbox)
    bodies = (
        messages.COMMANDS[0],
        events.ResendFrom(at=messages.AT, epoch=outbox.epoch, seq=1, generation=7),
        messages.TOMBSTONE,
    )
    for number, body in enumerate(bodies, 1):
        assert fill_again(disk) == 0
        assert opened(keys, commands.take(command(keys, body, number)))[1].outcome == "applied"
        assert ballast_bytes(disk) >= MEGABYTE // 2
    assert commands.resume()
    status = outbox.status()
    assert status.withdrawn == status.backlog > 0


def fill_again(disk: Path) -> int:
    """Somebody else takes what is left; how many bytes are free then."""
    fill(disk)
    return free_bytes(disk)
