"""FULL loses nothing to a power cut; NORMAL, the control, does."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import StoreError
from tests.edge.tell.conftest import HandClock
from tests.faults.powercuts import Disk, adopt, connect, cut_power
from tests.golden import messages

CUTS = 120
SEED = 5


def test_with_synchronous_full_nothing_that_was_committed_is_lost(tmp_path: Path) -> None:
    tally = cut_power(tmp_path, CUTS, "FULL", SEED)
    assert (tally.cuts, tally.lost, tally.unmarked, tally.damaged) == (CUTS, 0, 0, 0)
    assert tally.committed > 3 * CUTS


def test_with_synchronous_normal_events_are_lost(tmp_path: Path) -> None:
    """The control: a disk on which this did not happen would prove nothing."""
    assert cut_power(tmp_path, CUTS, "NORMAL", SEED).lost > 20


@pytest.mark.parametrize("nth", range(6))
def test_a_sync_that_fails_is_told_and_what_was_told_is_not_there_twice(tmp_path: Path, nth: int) -> None:
    """As on a failing disk: the caller hears of it, tries again, and the event is stored once.

    Without checkpoints: where the sync of one fails, SQLite goes on, and apsw raises all the same for a VFS in Python.
    """
    disk = Disk()
    try:
        outbox = adopt(connect(str(tmp_path / "sync.db"), "FULL", checkpoint_pages=0), HandClock())
        disk.fail_sync_after = nth
        kept, failures = 0, 0
        while kept < 60:
            try:
                outbox.append(messages.EVENTS[-1])
            except StoreError:
                failures += 1
            else:
                kept += 1
        assert failures == 1
        assert [row.seq for row in outbox.pending(0, 100)] == list(range(1, 61))
        outbox.close()
    finally:
        disk.unregister()
