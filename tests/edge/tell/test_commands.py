from __future__ import annotations

import logging
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import events, wire
from edge.commands import Commands
from edge.identity import Identity
from edge.outbox import Outbox
from edge.sealing import seal, unseal, verify
from tests.edge.tell.conftest import HandClock, MakeOutbox
from tests.edge.tell.test_outbox import LINE, acknowledge
from tests.golden import messages
from tests.golden.keys import Keys


@pytest.fixture
def outbox(make_outbox: MakeOutbox) -> Outbox:
    """Of a device that has asked for the referral of messages.COMMANDS[0]; its first event."""
    made = make_outbox()
    made.append(messages.EVENTS[6])
    return made


@pytest.fixture
def commands(outbox: Outbox, identity: Identity, clock: HandClock) -> Commands:
    return Commands(outbox, identity, clock)


def command(
    keys: Keys,
    body: events.CommandBody | bytes,
    number: int = 1,
    device: str = "handheld-7",
    signer: Ed25519PrivateKey | None = None,
    kind: wire.Kind = "command",
    epoch: str = messages.EPOCH,
    event_id: str = "",
) -> bytes:
    """number: the seq, and what the id is made of unless it is given. body: bytes are sealed as they are."""
    header = wire.Header(
        kind=kind,
        device=device,
        epoch=epoch,
        seq=number,
        event_id=event_id or messages.an_id(100 + number),
        priority="live",
        prev_hash=wire.FIRST_PREVIOUS,
    )
    text = body if isinstance(body, bytes) else wire.encode(body)
    envelope = seal(header, text, [keys.identity().public.recipient], signer or keys.hub_sign)
    return wire.encode_sealed(envelope)


def opened(keys: Keys, response: bytes | None) -> tuple[wire.Header, events.CommandApplied]:
    assert response is not None
    envelope, header = wire.decode_sealed(response)
    assert isinstance(envelope, wire.Envelope)
    verify(envelope, keys.device_sign.public_key())
    body: events.CommandApplied = wire.decode(unseal(envelope, header, keys.hub_seal), events.CommandApplied)
    return header, body


def last(keys: Keys, commands: Commands) -> tuple[str | None, int]:
    envelope, header = wire.decode_sealed(commands.resume())
    assert isinstance(envelope, wire.Envelope)
    verify(envelope, keys.device_sign.public_key())
    body: events.Resume = wire.decode(unseal(envelope, header, keys.hub_seal), events.Resume)
    return body.command_epoch, body.command_seq


def test_a_command_is_applied_once_and_answered_by_the_same_bytes(
    commands: Commands, keys: Keys, outbox: Outbox, tmp_path: Path
) -> None:
    message = command(keys, messages.COMMANDS[0])
    response = commands.take(message)
    header, body = opened(keys, response)
    assert (header.kind, header.device, header.seq) == ("response", "handheld-7", 1)
    assert (body.command_id, body.seq, body.outcome) == (messages.an_id(101), 1, "applied")
    assert commands.take(message) == response
    assert b"County hospital" not in (tmp_path / "outbox.db-wal").read_bytes()


def test_responses_are_a_chain_of_their_own(commands: Commands, keys: Keys, outbox: Outbox) -> None:
    headers = [opened(keys, commands.take(command(keys, messages.COMMANDS[0], number)))[0] for number in (1, 2, 3)]
    assert [header.seq for header in headers] == [1, 2, 3]
    assert len({header.prev_hash for header in headers}) == 3
    assert {header.epoch for header in headers} != {outbox.epoch}


def said(keys: Keys, response: bytes) -> tuple[str, int, str, events.Resume]:
    envelope, header = wire.decode_sealed(response)
    assert isinstance(envelope, wire.Envelope)
    body: events.Resume = wire.decode(unseal(envelope, header, keys.hub_seal), events.Resume)
    return header.epoch, header.seq, header.prev_hash, body


def test_each_start_has_an_epoch_of_responses_and_a_resume_writes_nothing(
    outbox: Outbox, identity: Identity, clock: HandClock, keys: Keys
) -> None:
    with outbox.opened() as database:
        before = database.total_changes()
    first, second = (Commands(outbox, identity, clock) for _ in range(2))
    told = [said(keys, each.resume()) for each in (first, first, second)]
    assert [each[1] for each in told] == [1, 2, 1]
    assert told[0][0] == told[1][0] != told[2][0], "a copy of an older outbox does not say again what was said"
    with outbox.opened() as database:
        assert database.total_changes() == before


def test_a_resume_says_the_highest_generation_that_was_heard(commands: Commands, keys: Keys, outbox: Outbox) -> None:
    rows = outbox.pending(0, 1)
    assert said(keys, commands.resume())[3].generation == 0
    acknowledge(outbox, rows, generation=5)
    assert said(keys, commands.resume())[3].generation == 5
    commands.take(command(keys, events.ResendFrom(at=messages.AT, epoch=outbox.epoch, seq=1, generation=9)))
    assert said(keys, commands.resume())[3].generation == 9
    commands.take(command(keys, events.ResendFrom(at=messages.AT, epoch=outbox.epoch, seq=1, generation=7), 2))
    assert said(keys, commands.resume())[3].generation == 9


def test_a_commands_effect_and_its_record_are_one_transaction(
    commands: Commands, keys: Keys, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one fails, none is there: a record without its effect would be an answer that is a lie."""
    before = outbox.pending(0, 10)
    monkeypatch.setenv("DERMEDGE_FAILPOINTS", "commands.before_record=raise")
    monkeypatch.setattr("edge.failpoints._hits", {})
    tombstone = command(keys, messages.TOMBSTONE)
    with pytest.raises(OSError, match="failpoint"):
        commands.take(tombstone)
    assert outbox.pending(0, 10) == before
    with outbox.opened() as database:
        assert database.execute("SELECT count(*) FROM commands").get == 0
        assert database.execute("SELECT count(*) FROM tombstones").get == 0
    assert opened(keys, commands.take(tombstone))[1].detail == "1 events became voids"
    assert outbox.status().withdrawn == 1


def test_resend_from_brings_acknowledged_events_back(commands: Commands, keys: Keys, outbox: Outbox) -> None:
    outbox.append_many([LINE] * 4)
    acknowledge(outbox, outbox.pending(0, 10))
    with outbox.opened() as database:
        database.execute("DELETE FROM events WHERE seq = 4")
    woken: list[bool] = []
    outbox.on_rewind(lambda: woken.append(True))
    resend = events.ResendFrom(at=messages.AT, epoch=outbox.epoch, seq=3, generation=7)
    _, body = opened(keys, commands.take(command(keys, resend)))
    assert (body.outcome, body.detail, body.lacking) == ("applied", "2 events go again", ((4, 4),))
    assert [row.seq for row in outbox.pending(0, 10)] == [3, 5]
    assert woken


def test_an_old_acknowledgement_marks_nothing_after_a_resend_from(
    commands: Commands, keys: Keys, outbox: Outbox
) -> None:
    outbox.append(LINE)
    rows = outbox.pending(0, 10)
    assert acknowledge(outbox, rows) == 2
    resend = events.ResendFrom(at=messages.AT, epoch=outbox.epoch, seq=1, generation=7)
    commands.take(command(keys, resend))
    assert acknowledge(outbox, rows) == 0, "genuine, and of what the hub had before it asked"
    assert acknowledge(outbox, rows, generation=6) == 0
    assert outbox.status().backlog == 2
    assert acknowledge(outbox, rows, generation=7) == 2
    older = events.ResendFrom(at=messages.AT, epoch=outbox.epoch, seq=1, generation=3)
    commands.take(command(keys, older, 2))
    assert acknowledge(outbox, rows, generation=6) == 0, "an older command does not bring an older generation back"


def test_what_is_refused_is_recorded_too_so_that_nothing_waits_behind_it(
    commands: Commands, keys: Keys, outbox: Outbox
) -> None:
    other_epoch = events.ResendFrom(at=messages.AT, epoch="f" * 32, seq=1, generation=1)
    for number, body in enumerate((other_epoch, b'{"type":"dance","at":"2026-03-01T08:30:15Z"}'), 1):
        message = command(keys, body, number)
        response = commands.take(message)
        told = opened(keys, response)[1]
        assert told.outcome == "refused"
        assert told.detail, "why"
        assert commands.take(message) == response
    assert opened(keys, commands.take(command(keys, messages.COMMANDS[0], 3)))[1].outcome == "applied"


def test_commands_are_done_in_their_order_however_they_come(commands: Commands, keys: Keys, outbox: Outbox) -> None:
    replies = {number: command(keys, messages.COMMANDS[0], number) for number in (1, 2, 3)}
    assert last(keys, commands) == (None, 0)
    assert commands.take(replies[2]) is None
    assert commands.take(replies[3]) is None
    first = commands.take(replies[1])
    assert last(keys, commands) == (messages.EPOCH, 1)
    assert commands.take(replies[3]) is None
    second, third = commands.take(replies[2]), commands.take(replies[3])
    assert None not in {first, second, third}
    assert [commands.take(replies[number]) for number in (3, 1, 2)] == [third, first, second]
    assert last(keys, commands) == (messages.EPOCH, 3)
    with outbox.opened() as database:
        assert database.execute("SELECT count(*) FROM commands").get == 3


def test_a_hub_that_was_set_back_begins_a_new_epoch(commands: Commands, keys: Keys) -> None:
    for number in (1, 2):
        commands.take(command(keys, messages.COMMANDS[0], number))
    assert commands.take(command(keys, messages.TOMBSTONE, 2, event_id=messages.an_id(300))) is None, "a second seq 2"
    anew = command(keys, messages.TOMBSTONE, 1, epoch="e" * 32, event_id=messages.an_id(300))
    assert opened(keys, commands.take(anew))[1].outcome == "applied"
    assert last(keys, commands) == ("e" * 32, 1)
    done_before = command(keys, messages.COMMANDS[0], 2, epoch="e" * 32, event_id=messages.an_id(101))
    _, body = opened(keys, commands.take(done_before))
    assert (body.outcome, body.detail) == ("applied", "it was done before, under another number")
    assert commands.take(command(keys, messages.COMMANDS[0], 3)) is not None, "the old epoch goes on where it was"


def test_a_command_that_is_none_of_ours_is_not_answered(
    commands: Commands, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    reply = messages.COMMANDS[0]
    genuine = command(keys, reply)
    forged = {
        "signed by": command(keys, reply, signer=Ed25519PrivateKey.generate()),
        "one for handheld-8": command(keys, reply, device="handheld-8"),
        "expected a sealed command": command(keys, reply, kind="event"),
        "expected a sealed message": genuine[:-1],
    }
    commands._repeats._every_ns = 0
    for reason, message in forged.items():
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            assert commands.take(message) is None
        assert reason in caplog.text
    assert commands.take(genuine) is not None
    assert commands.take(command(keys, reply)) is None, "the same id with other bytes"
