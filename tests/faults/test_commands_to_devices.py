"""From the hub to the device: a command stays until its answer is here, and is done once and in order."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from edge import events
from hub import commanding, schema
from tests.faults.pair import Pair
from tests.golden import messages
from tests.hub.sender import now
from tests.patience import wait_until


@pytest.fixture
def asking(pair: Pair) -> Pair:
    """Its device has asked for the referral that is replied to."""
    pair.open_outbox().append(messages.EVENTS[6])
    pair.outbox.close()
    return pair


def reply(number: int = 1) -> events.ReferralReply:
    return events.ReferralReply(at=now(), referral_id=messages.an_id(5), step="accepted", place=f"clinic {number}")


def referred() -> events.ReferralOpened:
    """What a device takes that has asked for nothing; another referral each time."""
    return events.ReferralOpened(
        at=now(),
        encounter_id=messages.an_id(1),
        participant=messages.TOMBSTONE.participant,
        referral_id=str(uuid.uuid4()),
        tier="routine",
    )


def all_answered(pair: Pair) -> bool:
    return all(row["answered_at"] is not None for row in pair.rows(schema.commands))


def test_a_command_that_waits_for_its_device_is_done_and_answered_once(asking: Pair) -> None:
    pair = asking
    pair.start_hub()
    command_id = pair.queue(reply())
    wait_until(lambda: pair.command(command_id)["message"] is not None, "it to be sealed")
    pair.start_device()
    wait_until(lambda: pair.command(command_id)["answered_at"] is not None, "the answer")
    row = pair.command(command_id)
    assert (row["outcome"], row["seq"]) == ("applied", 1)
    assert pair.done_commands() == [command_id]
    assert [each["command_id"] for each in pair.rows(schema.responses)] == [command_id]


def test_lost_doubled_and_reordered_each_is_done_once_and_in_order(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commanding, "RESEND_AFTER", timedelta(milliseconds=300))
    pair.weather.lost, pair.weather.doubled, pair.weather.held = 0.2, 0.3, 0.3
    pair.start_hub()
    pair.start_device()
    ids = [pair.queue(reply(number)) for number in range(12)]
    wait_until(lambda: all_answered(pair), "an answer to each", 40)
    assert pair.done_commands() == ids
    assert sorted(row["seq"] for row in pair.rows(schema.commands)) == list(range(1, 13))
    assert sorted(row["command_id"] for row in pair.rows(schema.responses)) == sorted(ids)


def test_a_broker_that_forgets_and_both_ends_that_restart_lose_and_double_none(pair: Pair) -> None:
    pair.start_hub()
    pair.start_device()
    ids = [pair.queue(reply()) for _ in range(3)]
    wait_until(lambda: all_answered(pair), "the first answers")
    pair.broker.stop()
    ids += [pair.queue(reply()) for _ in range(3)]
    pair.broker.start()
    wait_until(lambda: all_answered(pair), "the answers after the broker came back")
    pair.stop_device()
    ids += [pair.queue(reply()) for _ in range(3)]
    # One whose answer came just after its device had said that it goes on from there is answered, and not sent again.
    done = "answered_at"
    wait_until(lambda: all(row["sent_at"] or row[done] for row in pair.rows(schema.commands)), "them to be sent")
    pair.stop_hub()
    pair.start_hub()
    pair.start_device()
    wait_until(lambda: all_answered(pair), "the answers after both came back")
    assert pair.done_commands() == ids


def test_an_answer_that_was_lost_is_had_again_and_nothing_is_done_twice(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commanding, "RESEND_AFTER", timedelta(milliseconds=300))
    pair.start_hub()
    pair.start_device()
    wait_until(lambda: any(topic.endswith("/rsp") for topic, _ in pair.weather.recorded), "the device")
    pair.weather.lost = 1.0
    real = pair.weather.send
    monkeypatch.setattr(
        pair.weather, "send", lambda publish, topic, payload: topic.endswith("/rsp") or publish(payload)
    )
    command_id = pair.queue(reply())
    wait_until(lambda: pair.done_commands() == [command_id], "the device to do it")
    assert pair.command(command_id)["answered_at"] is None
    pair.weather.lost = 0.0
    monkeypatch.setattr(pair.weather, "send", real)
    wait_until(lambda: pair.command(command_id)["answered_at"] is not None, "its answer")
    assert pair.done_commands() == [command_id]
    assert len(pair.rows(schema.responses)) == 1


def test_what_a_device_refuses_is_kept_as_such_and_shown(asking: Pair) -> None:
    pair = asking
    pair.start_hub()
    pair.start_device()
    refused = pair.queue(events.ResendFrom(at=now(), epoch="f" * 32, seq=1, generation=1))
    after = pair.queue(reply())
    wait_until(lambda: all_answered(pair), "both answers")
    assert (pair.command(refused)["outcome"], pair.command(after)["outcome"]) == ("refused", "applied")
    assert [row["kind"] for row in pair.rows(schema.alarms)] == ["command_refused"]
