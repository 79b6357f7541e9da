from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.ledger import Committed, Intent, Ledger
from edge.outbox import Outbox
from tests.edge.tell.conftest import MakeOutbox
from tests.golden import messages


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_append_is_two_lines(make_outbox: MakeOutbox, path: Path) -> None:
    ledger = Ledger(path)
    outbox = make_outbox(ledger=ledger)
    event_id = outbox.append(messages.EVENTS[3])
    (row,) = outbox.pending(0, 10)
    assert lines(path) == [
        {"what": "intend", "event_id": event_id, "sha256": row.message_sha256, "type": "finding"},
        {"what": "committed", "event_id": event_id, "seq": 1},
    ]
    ledger.close()
    ledger.close()


def test_what_was_rolled_back_stays_an_intent(
    make_outbox: MakeOutbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = make_outbox(ledger=Ledger(path))
    monkeypatch.setenv("DERMEDGE_FAILPOINTS", "outbox.before_commit=raise")
    monkeypatch.setattr("edge.failpoints._hits", {})
    with pytest.raises(StoreError, match="expected the disk to take an event"):
        outbox.append(messages.EVENTS[0])
    assert outbox.status().backlog == 0
    assert outbox.append(messages.EVENTS[0])
    assert [line["what"] for line in lines(path)] == ["intend", "intend", "committed"]
    make_outbox(ledger=Ledger(path))
    assert [line["what"] for line in lines(path)] == ["intend", "intend", "committed"]


def test_a_commit_without_its_line_is_completed_at_the_next_opening(make_outbox: MakeOutbox, path: Path) -> None:
    first: Outbox = make_outbox(ledger=Ledger(path))
    ids = [first.append(messages.EVENTS[0]), first.append(messages.EVENTS[1])]
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rstrip().rfind(b"\n") + 1])
    make_outbox(ledger=Ledger(path))
    assert path.read_bytes() == whole
    assert [line["event_id"] for line in lines(path) if line["what"] == "committed"] == ids


def test_a_line_that_was_cut_off_is_removed(path: Path) -> None:
    ledger = Ledger(path)
    ledger.intend([Intent("a", "b", "finding")])
    path.write_bytes(path.read_bytes() + b'{"what":"comm')
    again = Ledger(path)
    assert [entry.event_id for entry in again.unsettled()] == ["a"]
    again.committed([Committed("a", 1)])
    assert again.unsettled() == []
    assert len(lines(path)) == 2


def test_a_ledger_that_cannot_be_written_is_told(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="expected a ledger that can be written"):
        Ledger(tmp_path)
    path.write_text("this is no ledger\n")
    with pytest.raises(StoreError, match="move the file aside"):
        Ledger(path).unsettled()


def test_nothing_is_committed_without_its_intent(make_outbox: MakeOutbox, path: Path) -> None:
    ledger = Ledger(path)
    outbox = make_outbox(ledger=ledger)
    ledger.close()
    with pytest.raises(StoreError, match="expected to write the ledger"):
        outbox.append(messages.EVENTS[0])
    assert outbox.status().backlog == 0
