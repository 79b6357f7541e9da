"""The witness must fail where it should: a check that cannot fail proves nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import witness


class Scene:
    """Three events, all committed; two stored at the hub, one still waiting in the outbox."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.outbox, self.hub = folder / "ledger.jsonl", folder / "outbox.db", folder / "hub.db"
        self.rows = [
            {"what": what, "event_id": f"e{number}", "sha256": f"h{number}"}
            for number in range(3)
            for what in ("intend", "committed")
        ]
        self.fill(
            self.outbox,
            "CREATE TABLE events (event_id, message_sha256, acknowledged_at)",
            [("e1", "h1", "2026-01-01"), ("e2", "h2", None)],
        )
        self.fill(
            self.hub,
            "CREATE TABLE events (event_id, message_sha256, received_count)",
            [("e0", "h0", 1), ("e1", "h1", 2)],
        )
        self.fill(self.hub, "CREATE TABLE findings (finding_id, event_id)", [("f0", "e0")])

    @staticmethod
    def fill(database: Path, table: str, rows: list[tuple[object, ...]]) -> None:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(table)
            name = table.split()[2]
            connection.executemany(f"INSERT INTO {name} VALUES ({','.join('?' * len(rows[0]))})", rows)

    def hub_runs(self, statement: str) -> None:
        with closing(sqlite3.connect(self.hub)) as connection, connection:
            connection.execute(statement)

    def judge(self) -> witness.Verdict:
        self.ledger.write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        return witness.judge(self.ledger, self.outbox, self.hub)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_sound_run_is_clean(scene: Scene) -> None:
    verdict = scene.judge()
    assert verdict.clean
    assert (verdict.committed, verdict.stored, verdict.waiting, verdict.redelivered) == (3, 2, 1, 1)


@pytest.mark.parametrize("event", ["e0", "e1"])
def test_an_event_freed_or_acknowledged_that_the_hub_does_not_hold_is_lost(scene: Scene, event: str) -> None:
    scene.hub_runs(f"DELETE FROM events WHERE event_id = '{event}'")
    assert scene.judge().lost == 1


@pytest.mark.parametrize("index", range(6))
def test_a_ledger_row_removed_is_seen(scene: Scene, index: int) -> None:
    del scene.rows[index]
    assert not scene.judge().clean


@pytest.mark.parametrize("index", range(6))
def test_a_ledger_row_repeated_is_seen(scene: Scene, index: int) -> None:
    scene.rows.append(scene.rows[index])
    assert scene.judge().unknown == 1


@pytest.mark.parametrize(("index", "key"), [(0, "sha256"), (0, "event_id"), (1, "event_id"), (4, "sha256")])
def test_a_ledger_row_altered_is_seen(scene: Scene, index: int, key: str) -> None:
    scene.rows[index] |= {key: "other"}
    assert not scene.judge().clean


def test_an_event_stored_twice_is_doubled(scene: Scene) -> None:
    scene.hub_runs("INSERT INTO events VALUES ('e0', 'h0', 1)")
    assert scene.judge().doubled >= 1


def test_a_finding_counted_twice_is_doubled(scene: Scene) -> None:
    scene.hub_runs("INSERT INTO findings VALUES ('f9', 'e0')")
    assert scene.judge().doubled == 1


def test_a_kill_in_the_middle_of_the_last_line_is_no_damage(scene: Scene) -> None:
    scene.judge()
    with scene.ledger.open("a") as ledger:
        ledger.write('{"what": "inte')
    assert witness.judge(scene.ledger, scene.outbox, scene.hub).clean


def test_damage_in_the_middle_is_named(scene: Scene) -> None:
    scene.judge()
    scene.ledger.write_text("nonsense\n" + scene.ledger.read_text())
    with pytest.raises(ValueError, match=r"ledger\.jsonl:1"):
        witness.judge(scene.ledger, scene.outbox, scene.hub)
