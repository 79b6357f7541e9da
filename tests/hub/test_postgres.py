"""A real PostgreSQL that dies, and the tests of commands, withdrawal and the stick once more on it.

Those are imported, and find the fixtures of this file instead of their own; the rest of tests/hub runs on both anyway.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

import dermedge
from edge.errors import ConfigError
from hub import backup, database, schema
from tests.faults.pair import Pair
from tests.faults.test_commands_to_devices import (
    asking,
    test_a_command_that_waits_for_its_device_is_done_and_answered_once,
    test_lost_doubled_and_reordered_each_is_done_once_and_in_order,
    test_what_a_device_refuses_is_kept_as_such_and_shown,
)
from tests.faults.test_withdrawal import test_it_is_erased_at_the_hub_and_at_the_device_and_never_taken_again
from tests.faults.test_without_network import (
    stick,
    test_a_picture_that_was_given_up_after_the_export_is_had_from_the_stick,
    test_by_stick_and_then_by_the_network_they_are_stored_once,
    test_by_the_network_and_then_by_stick,
)
from tests.hub.sender import Sender, finding, make_hub, now
from tests.postgres import Postgres

__all__ = [
    "asking",
    "stick",
    "test_a_command_that_waits_for_its_device_is_done_and_answered_once",
    "test_a_picture_that_was_given_up_after_the_export_is_had_from_the_stick",
    "test_by_stick_and_then_by_the_network_they_are_stored_once",
    "test_by_the_network_and_then_by_stick",
    "test_it_is_erased_at_the_hub_and_at_the_device_and_never_taken_again",
    "test_lost_doubled_and_reordered_each_is_done_once_and_in_order",
    "test_what_a_device_refuses_is_kept_as_such_and_shown",
]


@pytest.fixture
def hub(postgres: Postgres, tmp_path: Path) -> Iterator[Path]:
    url = postgres.new_database(with_tables=True)
    yield make_hub(tmp_path / "hub", url)
    postgres.drop(url)


@pytest.fixture
def pair(postgres: Postgres, tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path, url=postgres.new_database(with_tables=True))
    yield made
    made.stop()


def test_no_file_of_sqlite_is_made(hub: Path) -> None:
    assert [path.name for path in hub.glob("hub.db*")] == []
    assert stat.S_IMODE((hub / database.URL_FILE).stat().st_mode) == 0o600


def test_a_server_that_dies_has_what_was_acknowledged_and_the_rest_waits(
    sender: Sender, hub: Path, postgres: Postgres
) -> None:
    before = [sender.seal(finding()) for _ in range(3)]
    sender.send(*before)
    assert sender.await_receipts(*before) == ["stored"] * 3
    postgres.restart()
    after = sender.seal(finding())
    sender.send(after)
    assert sender.await_receipts(after) == ["stored"]
    engine = database.open_database(hub, read_only=True)
    with engine.connect() as connection:
        stored = set(connection.execute(sa.select(schema.events.c.event_id)).scalars())
    engine.dispose()
    assert stored == {each.header.event_id for each in (*before, after)}


def test_a_commit_waits_for_the_disk(hub: Path) -> None:
    engine = database.open_database(hub)
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
        assert connection.exec_driver_sql("SHOW fsync").scalar_one() == "on"
    engine.dispose()


def test_a_database_that_has_a_hub_already_is_not_taken_and_nothing_is_left(postgres: Postgres, tmp_path: Path) -> None:
    url = tmp_path / "url"
    url.write_text(postgres.new_database() + "\n")
    arguments = ["hub", "init", "--database-url-file", str(url)]
    assert dermedge.main([*arguments, str(tmp_path / "first")]) == 0
    assert dermedge.main([*arguments, str(tmp_path / "second")]) == 74
    assert list((tmp_path / "second").iterdir()) == []


@pytest.mark.parametrize("url", ["", "sqlite:///hub.db", "postgresql://somebody@/hub", "nonsense"])
def test_another_url_is_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="expected postgresql\\+psycopg"):
        database.create(tmp_path, url)
    assert list(tmp_path.iterdir()) == []


def test_a_backup_is_the_server_s_own_affair(hub: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pg_dump"):
        backup.backup(hub, tmp_path / "backup.db")
    with pytest.raises(ConfigError, match="pg_dump"):
        backup.restore(hub, tmp_path / "backup.db", now())
