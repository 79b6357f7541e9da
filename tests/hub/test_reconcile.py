"""Whatever is missing, altered, reordered or repeated in a chain of events is seen and named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

import dermedge
from edge.clock import SystemClock
from edge.events import Reconcile
from hub import chains, database, keys, schema
from hub.opening import Arrival, open_message
from hub.reconcile import Report, reconcile
from hub.registry import Registry
from hub.store import Store
from tests.hub.conftest import SQLITE_ONLY, Reader
from tests.hub.sender import EPOCH, Sealed, Sender, finding, now, refusal


class Bench:
    """A registered device, and a hub's store without a broker."""

    def __init__(self, hub: Path, folder: Path) -> None:
        self.hub, self.sender = hub, Sender(folder / "cam-1", hub).register()
        self.engine = database.open_database(hub)
        self._identity, self._registry = keys.load(hub), Registry(self.engine, SystemClock())

    def take(self, *messages: Sealed | bytes) -> None:
        payloads = [each if isinstance(each, bytes) else each.message for each in messages]
        opened = [open_message(Arrival(each, now()), self._registry, self._identity) for each in payloads]
        Store(self.engine).write(opened)

    def write(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def report(self) -> Report:
        (report,) = reconcile(self.engine)
        return report


@pytest.fixture
def bench(hub: Path, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(hub, tmp_path)
    yield made
    made.engine.dispose()


def whole_to(reader: Reader) -> int:
    return sum(row["whole_to"] for row in reader.rows(schema.chains))


def kinds(reader: Reader) -> dict[str, int]:
    return {row["kind"]: row["count"] for row in reader.rows(schema.alarms)}


def test_a_chain_that_came_in_any_order_is_whole(bench: Bench, reader: Reader) -> None:
    sealed = [bench.sender.seal(refusal()) for _ in range(8)]
    bench.take(*sealed[4:])
    assert whole_to(reader) == 0
    assert bench.report().missing == [(1, 4)]
    bench.take(sealed[1], sealed[0])
    assert whole_to(reader) == 2
    bench.take(sealed[2], bench.sender.void(sealed[3]), sealed[0])
    assert whole_to(reader) == 8
    report = bench.report()
    assert (report.whole, report.told_to, report.stored, report.voids) == (True, 8, 7, {"consent_withdrawn": 1})
    assert kinds(reader) == {}


def test_more_than_a_step_at_once_and_one_by_one_come_to_the_same(
    bench: Bench, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.chains.STEP_ROWS", 3)
    sealed = [bench.sender.seal(refusal()) for _ in range(11)]
    bench.take(*sealed[1:])
    bench.take(sealed[0])
    assert whole_to(reader) == 11


def test_the_end_of_a_day_names_what_never_came(bench: Bench) -> None:
    sealed = [bench.sender.seal(refusal()) for _ in range(6)]
    last_hash = bench.sender._hashes[6]
    closing = bench.sender.seal(Reconcile(at=now(), first_seq=1, last_seq=6, last_hash=last_hash))
    bench.take(*sealed[:3], closing)
    report = bench.report()
    assert (report.whole, report.missing, report.told_to) == (False, [(4, 6)], 7)
    assert report.closed_at is not None
    bench.take(*sealed)
    assert bench.report().whole


def test_numbers_beyond_all_reason_are_ranges_like_any_other(bench: Bench, reader: Reader) -> None:
    """Told one by one they would take more memory than there is."""
    most = 2**53
    sealed = [bench.sender.seal(refusal()) for _ in range(4)]
    closing = bench.sender.seal(Reconcile(at=now(), first_seq=1, last_seq=most, last_hash="a" * 64))
    bench.take(sealed[0], sealed[3], closing)
    report = bench.report()
    assert (report.told_to, report.missing, report.lost) == (most, [(2, 3), (6, most)], [])
    with bench.engine.begin() as connection:
        chains.note_unheld(connection, "cam-1", EPOCH, [(3, most - 1)], now())
    report = bench.report()
    assert (report.missing, report.lost) == ([(2, 2), (most, most)], [(3, 3), (6, most - 1)])
    bench.take(sealed[1])
    assert whole_to(reader) == most - 1, "the chain goes on behind what is lost"


def test_an_end_of_a_day_that_says_otherwise_is_seen(bench: Bench) -> None:
    sealed = [bench.sender.seal(refusal()) for _ in range(3)]
    closing = bench.sender.seal(Reconcile(at=now(), first_seq=1, last_seq=3, last_hash="a" * 64))
    bench.take(*sealed, closing)
    assert bench.report().altered == [3]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (f"UPDATE events SET ciphertext_sha256 = '{7:064}' WHERE seq = 3", {"altered": [4]}),
        (f"UPDATE events SET prev_hash = '{7:064}' WHERE seq = 3", {"altered": [3]}),
        ("DELETE FROM events WHERE seq IN (2, 3, 5)", {"missing": [(2, 3), (5, 5)]}),
        ("UPDATE events SET seq = 5 WHERE seq = 4", {"missing": [(4, 4)], "repeated": [5]}),
        ("UPDATE events SET seq = CASE seq WHEN 3 THEN 4 ELSE 3 END WHERE seq IN (3, 4)", {"reordered": [3, 4, 5]}),
    ],
)
def test_what_somebody_did_to_the_table_is_seen(bench: Bench, fault: str, told: dict[str, object]) -> None:
    bench.take(*[bench.sender.seal(refusal()) for _ in range(6)])
    assert bench.report().whole
    bench.write(fault)
    report = bench.report()
    assert not report.whole
    for name, value in told.items():
        assert getattr(report, name) == value, name


def test_an_event_that_does_not_follow_raises_one_alarm(bench: Bench, reader: Reader) -> None:
    first = [bench.sender.seal(refusal()) for _ in range(3)]
    bench.sender._hashes[3] = "b" * 64
    rest = [bench.sender.seal(refusal()) for _ in range(3)]
    bench.take(*first, *rest)
    bench.take(*rest)
    assert kinds(reader) == {"chain_broken": 1}
    assert whole_to(reader) == 6
    assert bench.report().altered == [4]


def test_quarantined_bytes_of_the_device_fill_their_place_and_are_named(bench: Bench, reader: Reader) -> None:
    first = bench.sender.seal(refusal())
    poem = bench.sender.seal(refusal())
    last = bench.sender.seal(refusal())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hub.opening.decode", refuse_bodies(poem))
        bench.take(first, poem)
    bench.take(last)
    assert whole_to(reader) == 3
    report = bench.report()
    assert (report.whole, report.quarantined, report.missing) == (False, [2], [])


def refuse_bodies(poem: Sealed) -> object:
    """A double of wire.decode: an older version's, which does not know what is in this one message."""
    from edge import wire
    from edge.errors import WireError

    real, seen = wire.decode, []

    def decode(data: bytes, kind: object) -> object:
        seen.append(data)
        if len(seen) == 2:
            raise WireError("expected an event of this version")
        return real(data, kind)

    assert poem.header.seq == 2
    return decode


def test_a_new_version_takes_what_an_old_one_had_to_hold(bench: Bench, reader: Reader) -> None:
    from hub.retry import retry_held

    first, poem = bench.sender.seal(refusal()), bench.sender.seal(finding())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hub.opening.decode", refuse_bodies(poem))
        bench.take(first, poem)
    assert [row["reason"] for row in reader.rows(schema.quarantine)] == ["body_not_understood"]
    store, registry = Store(bench.engine), Registry(bench.engine, SystemClock())
    assert retry_held(bench.engine, store, registry, keys.load(bench.hub)) == 1
    assert reader.rows(schema.quarantine) == []
    assert len(reader.rows(schema.findings)) == 1
    assert bench.report().whole
    assert retry_held(bench.engine, store, registry, keys.load(bench.hub)) == 0


def test_a_forgery_stays_where_it_is_when_it_is_tried_again(bench: Bench, reader: Reader) -> None:
    from hub.retry import retry_held

    sealed = bench.sender.seal(refusal())
    bench.take(sealed.message[:-1] + bytes([sealed.message[-1] ^ 1]))
    store, registry = Store(bench.engine), Registry(bench.engine, SystemClock())
    assert retry_held(bench.engine, store, registry, keys.load(bench.hub)) == 0
    assert [row["reason"] for row in reader.rows(schema.quarantine)] == ["bad_signature"]


def test_the_command_prints_a_line_or_an_object_a_chain(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    sealed = [bench.sender.seal(refusal()) for _ in range(4)]
    bench.take(sealed[0], sealed[3])
    command = ["hub", "reconcile", "--dir", str(bench.hub)]
    assert dermedge.main(command) == 65
    assert "missing: 2-3" in capsys.readouterr().out
    assert dermedge.main([*command, "--json", "--device", "cam-1"]) == 65
    assert f'"epoch":"{EPOCH}"' in capsys.readouterr().out
    assert dermedge.main([*command, "--device", "cam-2"]) == 0
    bench.take(*sealed)
    assert dermedge.main(command) == 0
    assert "whole" in capsys.readouterr().out


@SQLITE_ONLY
def test_a_backup_file_is_never_written_over_and_what_is_none_is_refused(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.take(bench.sender.seal(refusal()))
    file = tmp_path / "backup.db"
    command = ["hub", "backup", str(file), "--dir", str(bench.hub)]
    assert dermedge.main(command) == 0
    assert dermedge.main(command) == 74
    assert not file.with_name("backup.db.part").exists()
    (tmp_path / "letter").write_text("no database")
    assert dermedge.main(["hub", "restore", str(tmp_path / "letter"), "--dir", str(bench.hub)]) == 78
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.events)).scalar_one() == 1
    engine.dispose()
