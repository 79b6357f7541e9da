"""A hub that was set back: it asks for what it lost, an old receipt counts no more, what nobody has is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import dermedge
from edge.wire import device_topic
from hub import backup, schema
from hub.reconcile import reconcile
from tests.faults.pair import Pair
from tests.faults.test_commands_to_devices import all_answered, referred
from tests.golden import messages
from tests.hub.sender import now
from tests.patience import wait_until

LINE = messages.EVENTS[-1]


def held(pair: Pair) -> list[int]:
    return sorted(row["seq"] for row in pair.rows(schema.events))


def kinds(pair: Pair) -> set[str]:
    return {row["kind"] for row in pair.rows(schema.alarms)}


@pytest.fixture
def restored(pair: Pair) -> Pair:
    """Ten events, a backup, ten more and an answered command; then the backup was put back."""
    pair.start_hub()
    pair.start_device()
    pair.outbox.append_many([LINE] * 10)
    pair.drained()
    assert backup.backup(pair.hub, pair.folder / "backup.db") == 10
    pair.outbox.append_many([LINE] * 10)
    pair.drained()
    wait_until(lambda: pair.outbox.status().beyond_backup == 10, "the device to know how far the backup goes")
    pair.queue(referred())
    wait_until(lambda: all_answered(pair), "the answer")
    pair.stop_hub()
    done = backup.restore(pair.hub, pair.folder / "backup.db", now())
    assert (done.asked, done.erased) == (1, 0)
    assert held(pair) == list(range(1, 11))
    return pair


def test_what_came_after_the_backup_is_asked_for_and_comes_again(restored: Pair) -> None:
    restored.start_hub()
    wait_until(lambda: held(restored) == list(range(1, 21)), "all of them again")
    restored.drained()
    assert kinds(restored) == set()
    with restored.engine() as engine:
        (report,) = reconcile(engine)
    assert report.whole
    wait_until(lambda: all_answered(restored), "the device's answer")
    ids = [restored.queue(referred()) for _ in range(2)]
    wait_until(lambda: all_answered(restored), "answers under numbers that were not given out before")
    assert restored.done_commands()[-2:] == ids


def test_a_receipt_from_before_marks_nothing_after_it(restored: Pair) -> None:
    acks = [payload for topic, payload in restored.weather.recorded if topic.endswith("/ack")]
    real = restored.weather.send

    def only_acks_held(publish: object, topic: str, payload: bytes) -> bool:
        return True if topic.endswith("/ack") else real(publish, topic, payload)  # type: ignore[arg-type]

    restored.weather.send = only_acks_held  # type: ignore[method-assign]
    restored.start_hub()
    wait_until(lambda: restored.outbox.status().backlog == 10, "the events after the backup to be unacknowledged")
    forger = restored.broker
    for payload in acks:
        forger.route(device_topic("village-3", "cam-1", "ack"), payload, retain=False)
    wait_until(lambda: held(restored) == list(range(1, 21)), "them to come")
    assert restored.outbox.status().backlog == 10, "receipts of what the hub had before it was set back"
    restored.weather.send = real  # type: ignore[method-assign]
    restored.drained()


def test_a_backup_of_before_the_device_was_new_is_made_good_too(pair: Pair) -> None:
    pair.start_hub()
    backup.backup(pair.hub, pair.folder / "backup.db")
    pair.start_device()
    pair.outbox.append_many([LINE] * 5)
    pair.drained()
    pair.stop_device()
    pair.stop_hub()
    backup.restore(pair.hub, pair.folder / "backup.db", now())
    pair.start_hub()
    pair.start_device()
    wait_until(lambda: held(pair) == [1, 2, 3, 4, 5], "events of an outbox that this backup does not know")
    assert kinds(pair) == {"events_missing"}
    pair.drained()


def test_a_hub_that_was_set_back_by_hand_is_noticed(pair: Pair) -> None:
    pair.start_hub()
    pair.start_device()
    pair.outbox.append_many([LINE] * 5)
    pair.drained()
    pair.queue(referred())
    wait_until(lambda: all_answered(pair), "the answer")
    pair.stop_hub()
    copy = pair.folder / "copy"
    copy.mkdir()
    for path in pair.hub.glob("hub.db*"):
        shutil.copy(path, copy / path.name)
    pair.start_hub()
    pair.outbox.append_many([LINE] * 5)
    pair.drained()
    pair.queue(referred())
    wait_until(lambda: all_answered(pair), "the second answer")
    pair.stop_hub()
    for path in pair.hub.glob("hub.db*"):
        path.unlink()
    for path in copy.iterdir():
        shutil.copy(path, pair.hub / path.name)
    pair.start_hub()
    wait_until(lambda: held(pair) == list(range(1, 11)), "the lost events again")
    anew = pair.queue(referred())
    wait_until(lambda: all_answered(pair), "a command under a number that was given out before")
    assert pair.done_commands()[-1] == anew
    assert kinds(pair) == {"events_missing"}


def test_commands_sealed_after_a_hub_was_set_back_get_numbers_that_no_device_has_done(pair: Pair) -> None:
    """Otherwise the device takes them for others that it has done, and never answers."""
    pair.start_hub()
    pair.start_device()
    pair.queue(referred())
    wait_until(lambda: all_answered(pair), "the first answer")
    pair.stop_hub()
    before = (pair.hub / "hub.db").read_bytes()
    pair.start_hub()
    pair.queue(referred())
    wait_until(lambda: all_answered(pair), "the second answer")
    pair.stop_device()
    pair.stop_hub()
    (pair.hub / "hub.db").write_bytes(before)
    pair.start_hub()
    anew = pair.queue(referred())
    wait_until(lambda: pair.command(anew)["seq"] == 2, "the number of the second to be given out again")
    pair.start_device()
    wait_until(lambda: all_answered(pair), "the answer to the new one")
    assert pair.done_commands()[-1] == anew
    assert pair.command(anew)["outcome"] == "applied"


def test_a_backup_from_between_asking_and_having_again_asks_again_when_put_back_by_hand(restored: Pair) -> None:
    restored.stop_device()
    backup.backup(restored.hub, restored.folder / "between.db")
    restored.start_hub()
    restored.start_device()
    wait_until(lambda: held(restored) == list(range(1, 21)), "all of them again")
    restored.drained()
    restored.stop_hub()
    for path in restored.hub.glob("hub.db*"):
        path.unlink()
    shutil.copy(restored.folder / "between.db", restored.hub / "hub.db")
    restored.start_hub()
    wait_until(lambda: held(restored) == list(range(1, 21)), "all of them once more")
    restored.drained()


def test_what_no_device_holds_any_more_is_named(
    restored: Pair, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with restored.outbox.opened() as database:
        database.execute("DELETE FROM events WHERE seq BETWEEN 13 AND 15 OR seq = 20")
    restored.start_hub()
    wait_until(lambda: len(held(restored)) == 16, "what is left")
    wait_until(lambda: "events_lost" in kinds(restored), "the alarm")
    restored.drained()
    restored.stop_hub()
    with restored.engine() as engine:
        (report,) = reconcile(engine)
    assert (report.whole, report.lost, report.missing) == (False, [(13, 15), (20, 20)], [])
    capsys.readouterr()
    assert dermedge.main(["hub", "reconcile", "--dir", str(restored.hub)]) == 65
    out = capsys.readouterr().out
    assert "NOT WHOLE" in out
    assert "lost: 13-15, 20" in out
    restored.start_hub()
    restored.outbox.append(LINE)
    restored.drained()
    (chain,) = restored.rows(schema.chains)
    assert chain["whole_to"] == 21, "the chain goes on behind what is lost"


def test_a_day_that_is_closed_is_checked_against_what_came(pair: Pair) -> None:
    pair.start_hub()
    pair.start_device()
    pair.outbox.append_many([LINE] * 3)
    with pair.outbox.opened() as database:
        database.execute("UPDATE facts SET value = '2000-01-01' WHERE name = 'reconciled_on'")
    assert pair.outbox.reconcile()
    pair.drained()
    with pair.engine() as engine:
        (report,) = reconcile(engine)
    assert report.whole
    assert report.closed_at is not None
    assert report.told_to == 4
