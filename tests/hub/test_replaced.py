"""Another database in the place of the one that a running `hub ingest` writes to: noticed before anything is stored."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub import backup, database, schema, withdrawal
from hub.mark import Mark, ReplacedError
from hub.reconcile import reconcile
from tests.faults.pair import Pair
from tests.faults.test_withdrawal import about, someone
from tests.hub.conftest import SQLITE_ONLY
from tests.hub.sender import now
from tests.patience import wait_until


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.stop()


def moved_in(kept: Path, hub: Path) -> None:
    """`mv`, after the log of the one before was removed."""
    for suffix in ("-wal", "-shm"):
        (hub / f"hub.db{suffix}").unlink(missing_ok=True)
    shutil.copyfile(kept, hub / "new")
    (hub / "new").replace(hub / "hub.db")


def copied_over(kept: Path, hub: Path) -> None:
    """`cp`: the same file, with other bytes in it, and the log of the one before still beside it."""
    shutil.copyfile(kept, hub / "hub.db")


@pytest.mark.parametrize("put_back", [moved_in, copied_over])
def test_people_who_have_withdrawn_do_not_come_back_with_it(pair: Pair, put_back: Callable[[Path, Path], None]) -> None:
    leaving, theirs = someone()
    staying, others = someone()
    pair.start_hub()
    pair.start_device()
    pair.outbox.append_many(theirs)
    pair.drained()
    backup.backup(pair.hub, pair.folder / "kept.db")
    with pair.engine() as engine:
        withdrawal.withdraw(pair.hub, engine, leaving, now())
    assert about(pair) == set()
    pair.outbox.append_many(others)
    pair.drained()
    put_back(pair.folder / "kept.db", pair.hub)
    wait_until(lambda: pair.outbox.append(theirs[0]) and about(pair) == {staying}, "what it lacks, and nobody else", 40)
    pair.drained()
    assert about(pair) == {staying}
    with pair.engine() as engine:
        (report,) = reconcile(engine)
    assert report.whole


@SQLITE_ONLY
def test_nothing_is_written_to_another_database(hub: Path, tmp_path: Path) -> None:
    engine = database.open_database(hub)
    mark = Mark(engine, hub)
    assert mark.adopt()
    with mark.begin() as connection:
        connection.execute(schema.marks.select())
    assert not mark.adopt(), "it is the one from before"
    kept = tmp_path / "kept.db"
    backup.backup(hub, kept)
    with mark.begin():
        pass
    moved_in(kept, hub)
    engine.dispose()
    found = kept_mark(hub)
    with pytest.raises(ReplacedError), mark.begin():
        pass
    assert kept_mark(hub) == found
    assert mark.adopt()
    with mark.begin():
        pass
    engine.dispose()


def test_a_commit_of_which_nobody_knows_is_no_other_database(hub: Path) -> None:
    engine = database.open_database(hub)
    mark = Mark(engine, hub)
    mark.adopt()
    for _ in range(2):
        with pytest.raises(RuntimeError), mark.begin():
            raise RuntimeError("rolled back")
        with mark.begin():
            pass
    engine.dispose()


def kept_mark(hub: Path) -> str:
    engine = database.open_database(hub, read_only=True)
    with engine.connect() as connection:
        mark: str = connection.execute(schema.marks.select()).one().mark
    engine.dispose()
    return mark
