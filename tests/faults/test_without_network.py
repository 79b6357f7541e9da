"""Events on a stick: the same events through the same deduplication, whichever way comes first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dermedge
from edge.clock import SystemClock
from edge.exporting import acknowledge, export
from hub import importing, schema
from tests.edge.tell.test_voids import PARTICIPANT, picture
from tests.faults.pair import Pair
from tests.golden import messages
from tests.hub.sender import now

FINDING = messages.EVENTS[3]
LINE = messages.EVENTS[-1]


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return tmp_path / "stick.events"


def export_all(pair: Pair, file: Path, *, with_acknowledged: bool = False) -> int:
    return export(pair.folder / "device" / "outbox.db", "cam-1", file, now(), with_acknowledged=with_acknowledged)


def import_all(pair: Pair, *files: Path, receipts: list[bytes] | None = None) -> importing.Imported:
    return importing.take(pair.hub, files, SystemClock(), receipts)


def stored(pair: Pair) -> list[int]:
    return sorted(row["seq"] for row in pair.rows(schema.events))


def test_by_stick_and_then_by_the_network_they_are_stored_once(pair: Pair, stick: Path) -> None:
    pair.start_device()
    pair.outbox.append_many([FINDING, *[LINE] * 200])
    assert export_all(pair, stick) == 201
    result = import_all(pair, stick)
    assert (result.messages, result.new, result.repeated, result.refused, result.problem) == (201, 201, 0, 0, "")
    pair.start_hub()
    pair.drained()
    assert stored(pair) == list(range(1, 202))
    # Twice at least: what a slow hub has not acknowledged in time goes again.
    assert all(row["received_count"] >= 2 for row in pair.rows(schema.events))
    assert len(pair.rows(schema.findings)) == 1


def test_by_the_network_and_then_by_stick(pair: Pair, stick: Path) -> None:
    pair.start_hub()
    pair.start_device()
    pair.outbox.append_many([LINE] * 5)
    pair.drained()
    assert export_all(pair, stick) == 0
    stick.unlink()
    assert export_all(pair, stick, with_acknowledged=True) == 5
    result = import_all(pair, stick)  # beside the ingest that runs
    assert (result.new, result.repeated) == (0, 5)
    pair.outbox.append(LINE)
    pair.drained()
    assert stored(pair) == [1, 2, 3, 4, 5, 6]


def test_without_any_network_the_receipts_come_back_on_the_stick(pair: Pair, stick: Path, tmp_path: Path) -> None:
    outbox = pair.open_outbox()
    outbox.append_many([LINE] * 150)
    export_all(pair, stick)
    receipts: list[bytes] = []
    import_all(pair, stick, receipts=receipts)
    back = tmp_path / "stick.receipts"
    back.write_bytes(b"\n".join(receipts) + b"\n")
    assert acknowledge(outbox, pair.identity, back) == 150
    assert outbox.status().backlog == 0
    assert acknowledge(outbox, pair.identity, back) == 0
    outbox.close()


def test_the_commands_do_the_same(pair: Pair, stick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outbox = pair.open_outbox()
    outbox.append_many([LINE] * 3)
    outbox.close()
    device, receipts = ["--identity", str(pair.folder / "device")], tmp_path / "receipts"
    assert dermedge.main(["outbox", "export", str(stick), *device]) == 0
    assert capsys.readouterr().out == "3\n"
    assert dermedge.main(["outbox", "export", str(stick), *device]) == 74, "a file is never written over"
    capsys.readouterr()
    arguments = ["hub", "import", str(stick), "--receipts", str(receipts), "--dir", str(pair.hub)]
    assert dermedge.main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 3
    assert dermedge.main(["outbox", "acknowledge", str(receipts), *device]) == 0
    assert capsys.readouterr().out == "3\n"
    assert dermedge.main(["hub", "reconcile", "--dir", str(pair.hub)]) == 0
    assert "3 committed, 3 here, 0 void" in capsys.readouterr().out


@pytest.mark.parametrize("cut", [1, 40, 700])
def test_a_file_that_was_torn_is_taken_as_far_as_it_goes(
    pair: Pair, stick: Path, cut: int, capsys: pytest.CaptureFixture[str]
) -> None:
    outbox = pair.open_outbox()
    outbox.append_many([LINE] * 5)
    outbox.close()
    export_all(pair, stick)
    stick.write_bytes(stick.read_bytes()[:-cut])
    result = import_all(pair, stick)
    assert "torn" in result.problem or "altered" in result.problem
    assert stored(pair) == list(range(1, 6 if cut == 1 else 5))
    assert dermedge.main(["hub", "import", str(stick), "--dir", str(pair.hub)]) == 65
    assert "not all of it" in capsys.readouterr().err


def test_a_file_that_was_altered_or_is_another_s_is_told_and_stores_nothing_false(pair: Pair, stick: Path) -> None:
    outbox = pair.open_outbox()
    outbox.append_many([LINE] * 5)
    outbox.close()
    export_all(pair, stick)
    data = bytearray(stick.read_bytes())
    data[len(data) // 2] ^= 1
    stick.write_bytes(data)
    result = import_all(pair, stick)
    assert result.problem
    assert result.new == 4
    assert result.quarantined + result.refused == 1
    stick.write_bytes(b"holiday pictures")
    assert "got another" in import_all(pair, stick).problem


def test_a_stick_from_before_a_withdrawal_brings_nothing_back(pair: Pair, stick: Path) -> None:
    outbox = pair.open_outbox()
    outbox.append_many([FINDING, LINE])
    export_all(pair, stick)
    assert dermedge.main(["hub", "withdraw", PARTICIPANT, "--dir", str(pair.hub)]) == 0
    assert import_all(pair, stick).new == 2
    assert pair.rows(schema.findings) == []
    assert {(row["seq"], row["type"]) for row in pair.rows(schema.events)} == {(1, "void"), (2, "security_log")}
    outbox.close()


def test_a_picture_that_was_given_up_after_the_export_is_had_from_the_stick(pair: Pair, stick: Path) -> None:
    outbox = pair.open_outbox()
    outbox.append_rendition(picture("crop", 50_000))
    export_all(pair, stick)
    with outbox.opened() as database:
        outbox._appender.voids.of_rendition(database, 1)
    outbox.close()
    pair.start_hub()
    pair.start_device()
    pair.drained()
    assert [row["type"] for row in pair.rows(schema.events)] == ["void"]
    assert import_all(pair, stick).repeated == 1
    (row,) = pair.rows(schema.events)
    assert (row["type"], row["void_reason"]) == ("picture_part", None)
