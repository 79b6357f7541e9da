"""A device with a new outbox, with an older one of its own, or in whose name a recorded word is said again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import sqlalchemy as sa

from edge import events
from edge.wire import device_topic
from hub import backup, commanding, schema, withdrawal
from tests.faults.pair import Pair
from tests.faults.test_commands_to_devices import all_answered, referred
from tests.faults.test_withdrawal import someone
from tests.golden import messages
from tests.hub.sender import now
from tests.patience import wait_until

LINE = messages.EVENTS[-1]


def kinds(pair: Pair) -> set[str]:
    return {row["kind"] for row in pair.rows(schema.alarms)}


def epochs(pair: Pair) -> set[str]:
    return {row["epoch"] for row in pair.rows(schema.commands)}


def answered(pair: Pair, *bodies: events.CommandBody) -> list[str]:
    ids = [pair.queue(body) for body in bodies]
    wait_until(lambda: all_answered(pair), "an answer to each command", 30)
    return ids


def outbox_files(pair: Pair) -> list[Path]:
    return sorted((pair.folder / "device").glob("outbox.db*"))


def keep_copy(pair: Pair) -> Path:
    """Of the stopped device's outbox."""
    copy = pair.folder / "copy"
    copy.mkdir()
    for path in outbox_files(pair):
        shutil.copy(path, copy / path.name)
    return copy


def put_back(pair: Pair, copy: Path) -> None:
    for path in outbox_files(pair):
        path.unlink()
    for path in copy.iterdir():
        shutil.copy(path, pair.folder / "device" / path.name)
    with pair.open_outbox().opened() as database:
        # What a device does whenever it opens its outbox: it begins a new chain of responses.
        database.execute("UPDATE facts SET value = ? WHERE name = 'response_epoch'", (os.urandom(16).hex(),))
    pair.outbox.close()


def test_a_new_outbox_gets_commands_again_and_all_that_the_old_one_had(pair: Pair) -> None:
    leaving, theirs = someone()
    pair.start_hub()
    pair.start_device()
    first = answered(pair, referred(), referred())
    with pair.engine() as engine:
        withdrawal.withdraw(pair.hub, engine, leaving, now())
    wait_until(lambda: len(pair.rows(schema.commands)) == 3 and all_answered(pair), "the device to hear of it")
    pair.stop_device()
    for path in outbox_files(pair):
        path.unlink()
    pair.start_device()
    wait_until(lambda: "outbox_set_back" in kinds(pair), "the hub to notice")
    another = answered(pair, referred())
    done = pair.done_commands()
    assert sorted(done[:2]) == sorted(first)
    assert (len(done), done[3:]) == (4, another)
    pair.outbox.append_many(theirs)
    assert pair.outbox.status().withdrawn == len(theirs), "the new outbox knows who has withdrawn"


def test_an_older_outbox_gets_commands_again_and_hears_of_what_it_has_forgotten(pair: Pair) -> None:
    leaving, theirs = someone()
    pair.start_hub()
    pair.start_device()
    before = answered(pair, referred())
    known_at = pair.command(before[0])["answered_at"]
    pair.outbox.append_many(theirs)
    pair.stop_device()
    copy = keep_copy(pair)
    pair.start_device()
    pair.drained()
    with pair.engine() as engine:
        withdrawal.withdraw(pair.hub, engine, leaving, now())
    after = answered(pair, referred())
    pair.stop_device()
    put_back(pair, copy)
    pair.start_device()
    wait_until(lambda: "outbox_set_back" in kinds(pair), "the hub to notice")
    wait_until(lambda: pair.outbox.status().withdrawn == len(theirs), "the person who withdrew to be erased again")
    another = answered(pair, referred())
    done = pair.done_commands()
    assert (done[0], set(done[1:3]) >= set(after), done[3:]) == (before[0], True, another)
    assert pair.command(before[0])["answered_at"] == known_at, "what it has not forgotten is not sent again"
    assert len(epochs(pair)) == 2


def test_a_device_that_only_connects_again_begins_nothing_anew(pair: Pair) -> None:
    pair.start_hub()
    for _ in range(3):
        pair.start_device()
        answered(pair, referred())
        pair.stop_device()
    assert len(epochs(pair)) == 1
    assert kinds(pair) == set()


def test_a_recorded_resume_changes_nothing(pair: Pair) -> None:
    pair.start_hub()
    pair.start_device()
    answered(pair, referred())
    resumes = [payload for topic, payload in pair.weather.recorded if topic.endswith("/rsp")]
    pair.stop_device()
    pair.start_device()
    answered(pair, referred())
    link = pair.rows(schema.links)
    for payload in resumes:
        pair.broker.route(device_topic("village-3", "cam-1", "rsp"), payload, retain=False)
    answered(pair, referred())
    assert kinds(pair) == set()
    assert {row["epoch"] for row in pair.rows(schema.commands)} == {link[0]["command_epoch"]}
    assert sorted(row["seq"] for row in pair.rows(schema.commands)) == [1, 2, 3]
    assert pair.rows(schema.links)[0]["generation"] == link[0]["generation"]


def test_a_database_that_was_restored_and_then_put_back_by_hand_is_believed_again(pair: Pair) -> None:
    """The device has seen a generation that the hub does not know of."""
    pair.start_hub()
    pair.start_device()
    pair.outbox.append_many([LINE] * 3)
    pair.drained()
    pair.stop_hub()
    before = (pair.hub / "hub.db").read_bytes()
    backup.backup(pair.hub, pair.folder / "backup.db")
    backup.restore(pair.hub, pair.folder / "backup.db", now())
    pair.start_hub()
    wait_until(lambda: all_answered(pair), "the device to be of the new generation")
    pair.drained()
    pair.stop_hub()
    for path in pair.hub.glob("hub.db*"):
        path.unlink()
    (pair.hub / "hub.db").write_bytes(before)
    pair.start_hub()
    pair.outbox.append_many([LINE] * 2)
    pair.drained()
    answered(pair, referred())
    assert sorted(row["seq"] for row in pair.rows(schema.events)) == [1, 2, 3, 4, 5]


def test_a_device_that_nothing_can_be_sealed_to_holds_up_nobody_else(pair: Pair) -> None:
    row = {"device": "cam-0", "site": "village-3", "seal_key": bytes(32), "sign_key": bytes(32), "added_at": now()}
    with pair.engine() as engine, engine.begin() as connection:
        connection.execute(sa.insert(schema.devices).values(row))
        for _ in range(2):
            commanding.queue(connection, "cam-0", referred(), now())
    pair.start_hub()
    pair.start_device()
    for _ in range(2):
        command_id = pair.queue(referred())
        wait_until(lambda: pair.command(command_id)["outcome"] == "applied", "the other device's command")  # noqa: B023
    (alarm,) = pair.rows(schema.alarms)
    assert (alarm["kind"], alarm["device"], alarm["count"]) == ("command_not_sealed", "cam-0", 1)
    waiting = [each["message"] for each in pair.rows(schema.commands) if each["device"] == "cam-0"]
    assert waiting == [None, None]
