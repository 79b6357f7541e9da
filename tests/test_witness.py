"""The witness must fail where it should: a check that cannot fail proves nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

import witness
from hub import schema


class Scene:
    """Three events, all committed; two stored at the hub, one of them a finding, and one waiting in the outbox.

    The hub's tables stand here without their keys, so that a broken hub can be played; one test uses the real ones.
    """

    def __init__(self, folder: Path) -> None:
        self.ledger, self.outbox, self.hub = folder / "ledger.jsonl", folder / "outbox.db", folder / "hub.db"
        self.rows: list[dict[str, object]] = []
        for number in range(3):
            self.rows.append({"what": "intend", "event_id": f"e{number}", "sha256": f"h{number}"})
            self.rows.append({"what": "committed", "event_id": f"e{number}", "seq": number + 1})
        self.fill(
            self.outbox,
            "CREATE TABLE events (event_id, message_sha256, seq, acknowledged_at)",
            [("e1", "h1", 2, "2026-01-01"), ("e2", "h2", 3, None)],
        )
        self.fill(
            self.hub,
            "CREATE TABLE events (event_id, message_sha256, seq, device, epoch, type, body, received_count)",
            [
                ("e0", "h0", 1, "d", "p", "finding", '{"finding_id": "f0"}', 1),
                ("e1", "h1", 2, "d", "p", "refusal", "{}", 2),
            ],
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


@pytest.mark.parametrize(
    ("index", "key"), [(0, "sha256"), (0, "event_id"), (1, "event_id"), (1, "seq"), (4, "sha256"), (5, "seq")]
)
def test_a_ledger_row_altered_is_seen(scene: Scene, index: int, key: str) -> None:
    scene.rows[index] |= {key: 9 if key == "seq" else "other"}
    assert not scene.judge().clean


@pytest.mark.parametrize(
    "fault",
    [
        "INSERT INTO events SELECT * FROM events WHERE event_id = 'e0'",
        "INSERT INTO events SELECT 'e9', message_sha256, 9, device, epoch, type, body, 1 FROM events LIMIT 1",
        "INSERT INTO events SELECT 'e9', 'h9', 1, device, epoch, 'refusal', '{}', 1 FROM events LIMIT 1",
        "INSERT INTO events SELECT 'e9', 'h9', 9, device, epoch, type, body, 1 FROM events LIMIT 1",
        "INSERT INTO findings VALUES ('f9', 'e0')",
        "INSERT INTO findings VALUES ('f0', 'e9')",
    ],
)
def test_what_the_hub_stored_or_counted_twice_is_doubled(scene: Scene, fault: str) -> None:
    scene.hub_runs(fault)
    assert scene.judge().doubled >= 1


@pytest.mark.parametrize("fault", ["DELETE FROM findings", "INSERT INTO findings VALUES ('f9', 'e9')"])
def test_a_finding_that_is_not_counted_or_counted_from_nothing_is_seen(scene: Scene, fault: str) -> None:
    scene.hub_runs(fault)
    assert scene.judge().uncounted == 1


def test_an_event_at_another_place_is_altered(scene: Scene) -> None:
    scene.hub_runs("UPDATE events SET seq = 7 WHERE event_id = 'e1'")
    assert scene.judge().altered == 1


def test_a_void_in_the_place_of_its_event_is_no_other_event(scene: Scene) -> None:
    scene.hub_runs("UPDATE events SET message_sha256 = 'v1' WHERE event_id = 'e1'")
    assert scene.judge().altered == 1
    scene.rows.append({"what": "voided", "event_id": "e1", "sha256": "v1", "reason": "consent_withdrawn"})
    assert scene.judge().clean
    scene.rows[-1] |= {"event_id": "e9"}
    assert not scene.judge().clean


def test_a_commit_gone_from_everywhere_leaves_a_gap(scene: Scene) -> None:
    del scene.rows[2:4]
    scene.hub_runs("DELETE FROM events WHERE event_id = 'e1'")
    with closing(sqlite3.connect(scene.outbox)) as connection, connection:
        connection.execute("DELETE FROM events WHERE event_id = 'e1'")
    assert scene.judge().gaps == 1


class Orders:
    """Three commands, all noted; two answered and done, one waiting."""

    def __init__(self, folder: Path) -> None:
        self.outbox, self.hub, self.ledger = folder / "o.db", folder / "h.db", folder / "commands.jsonl"
        hub = [("c1", "p", 1, "2026-01-01"), ("c2", "p", 2, "2026-01-01"), ("c3", None, None, None)]
        Scene.fill(self.hub, "CREATE TABLE commands (command_id, epoch, seq, answered_at)", hub)  # type: ignore[arg-type]
        Scene.fill(self.hub, "CREATE TABLE responses (command_id)", [("c1",), ("c2",)])
        done = [(1, "c1", "p", 1), (2, "c2", "p", 2)]
        Scene.fill(self.outbox, "CREATE TABLE commands (number, command_id, epoch, seq)", done)  # type: ignore[arg-type]
        rows = [{"what": "committed", "command_id": each} for each in ("c1", "c2", "c3")]
        self.ledger.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(self, database: Path, statement: str) -> None:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(statement)

    def judge(self) -> witness.CommandsVerdict:
        return witness.judge_commands(self.outbox, self.hub, self.ledger)


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    return Orders(tmp_path)


def test_commands_that_were_answered_or_wait_are_clean(orders: Orders) -> None:
    assert orders.judge() == witness.CommandsVerdict(queued=3, answered=2, waiting=1, lost=0, doubled=0, altered=0)
    assert orders.judge().clean
    with orders.ledger.open("a") as ledger:
        ledger.write('{"what": "committed", "comm')
    assert orders.judge().queued == 3, "a line that a kill has torn"


@pytest.mark.parametrize(
    ("where", "fault", "count"),
    [
        ("hub", "DELETE FROM commands WHERE command_id = 'c3'", "lost"),
        ("outbox", "DELETE FROM commands WHERE command_id = 'c2'", "lost"),
        ("outbox", "INSERT INTO commands VALUES (3, 'c1', 'p', 3)", "doubled"),
        ("hub", "INSERT INTO responses VALUES ('c1')", "doubled"),
        ("outbox", "UPDATE commands SET seq = 3 - seq", "altered"),
        ("outbox", "UPDATE commands SET number = 3 - number", "altered"),
        ("outbox", "INSERT INTO commands VALUES (3, 'c9', 'p', 3)", "altered"),
    ],
)
def test_a_command_lost_doubled_or_out_of_its_order_is_seen(orders: Orders, where: str, fault: str, count: str) -> None:
    orders.run(getattr(orders, where), fault)
    verdict = orders.judge()
    assert getattr(verdict, count) >= 1
    assert not verdict.clean


def test_a_run_in_which_nothing_happened_is_not_clean(scene: Scene) -> None:
    scene.rows.clear()
    for database in (scene.outbox, scene.hub):
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("DELETE FROM events")
    scene.hub_runs("DELETE FROM findings")
    assert not scene.judge().clean


def test_the_hubs_real_tables_have_the_columns_that_it_reads(scene: Scene, orders: Orders) -> None:
    scene.hub.unlink()
    schema.metadata.create_all(sa.create_engine(f"sqlite:///{scene.hub}"))
    assert scene.judge().lost == 2
    assert witness.judge_commands(orders.outbox, scene.hub, orders.ledger).lost == 3


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


def second_device(scene: Scene, folder: Path) -> list[tuple[Path, Path]]:
    """Beside the scene's own: two events, both stored at the same hub."""
    scene.judge()
    folder.mkdir()
    ledger, outbox = folder / "ledger.jsonl", folder / "outbox.db"
    rows = [{"what": "intend", "event_id": f"o{number}", "sha256": f"g{number}"} for number in range(2)]
    rows += [{"what": "committed", "event_id": f"o{number}", "seq": number + 1} for number in range(2)]
    ledger.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = "CREATE TABLE events (event_id, message_sha256, seq, acknowledged_at)"
    scene.fill(outbox, columns, [("o0", "g0", 1, "2026-01-01"), ("o1", "g1", 2, "2026-01-01")])
    for number in range(2):
        values = f"'o{number}', 'g{number}', {number + 1}, 'other', 'q', 'refusal', '{{}}', 1"
        scene.hub_runs(f"INSERT INTO events VALUES ({values})")
    return [(scene.ledger, scene.outbox), (ledger, outbox)]


def test_several_devices_are_recounted_together(scene: Scene, tmp_path: Path) -> None:
    devices = second_device(scene, tmp_path / "second")
    both = witness.judge_all(devices, scene.hub)
    assert both.clean
    assert (both.committed, both.stored, both.waiting) == (5, 4, 1)
    assert witness.judge(scene.ledger, scene.outbox, scene.hub).unknown == 2, "without the second's ledger"


def test_what_the_second_device_lacks_is_seen(scene: Scene, tmp_path: Path) -> None:
    devices = second_device(scene, tmp_path / "second")
    scene.hub_runs("DELETE FROM events WHERE event_id = 'o1'")
    assert witness.judge_all(devices, scene.hub).lost == 1
    ledger = devices[1][0]
    ledger.write_text(ledger.read_text().replace('"seq": 2', '"seq": 3'))
    assert witness.judge_all(devices, scene.hub).gaps == 1


def test_every_device_in_the_folder_is_found_with_its_outbox(scene: Scene, tmp_path: Path) -> None:
    devices = second_device(scene, tmp_path / "second")
    assert witness.find_devices(tmp_path) == devices
    with pytest.raises(FileNotFoundError, match=r"expected a ledger\.jsonl"):
        witness.find_devices(tmp_path / "nowhere")
