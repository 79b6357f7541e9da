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
    return make_outbox()


@pytest.fixture
def commands(outbox: Outbox, identity: Identity, clock: HandClock) -> Commands:
    return Commands(outbox, identity, clock)


def command(
    keys: Keys,
    body: events.CommandBody,
    number: int = 1,
    device: str = "handheld-7",
    signer: Ed25519PrivateKey | None = None,
    kind: wire.Kind = "command",
) -> bytes:
    header = wire.Header(
        kind=kind,
        device=device,
        epoch=messages.EPOCH,
        seq=number,
        event_id=messages.an_id(100 + number),
        priority="live",
        prev_hash=wire.FIRST_PREVIOUS,
    )
    envelope = seal(header, wire.encode(body), [keys.identity().public.recipient], signer or keys.hub_sign)
    return wire.encode_sealed(envelope)


def opened(keys: Keys, response: bytes | None) -> tuple[wire.Header, events.CommandApplied]:
    assert response is not None
    envelope, header = wire.decode_sealed(response)
    assert isinstance(envelope, wire.Envelope)
    verify(envelope, keys.device_sign.public_key())
    body: events.CommandApplied = wire.decode(unseal(envelope, header, keys.hub_seal), events.CommandApplied)
    return header, body


def test_a_command_is_applied_once_and_answered_by_the_same_bytes(
    commands: Commands, keys: Keys, outbox: Outbox, tmp_path: Path
) -> None:
    message = command(keys, messages.COMMANDS[0])
    response = commands.take(message)
    header, body = opened(keys, response)
    assert (header.kind, header.device, header.seq) == ("response", "handheld-7", 1)
    assert (body.command_id, body.seq, body.outcome) == (messages.an_id(101), 1, "applied")
    assert commands.take(message) == response
    with outbox.opened() as database:
        assert database.execute("SELECT message FROM commands").get == message
    assert b"County hospital" not in (tmp_path / "outbox.db-wal").read_bytes()


def test_responses_are_a_chain_of_their_own(commands: Commands, keys: Keys, outbox: Outbox) -> None:
    headers = [opened(keys, commands.take(command(keys, messages.COMMANDS[0], number)))[0] for number in (1, 2, 3)]
    assert [header.seq for header in headers] == [1, 2, 3]
    assert len({header.prev_hash for header in headers}) == 3
    assert {header.epoch for header in headers} != {outbox.epoch}


def test_resend_from_brings_acknowledged_events_back(commands: Commands, keys: Keys, outbox: Outbox) -> None:
    outbox.append_many([LINE] * 4)
    acknowledge(outbox, outbox.pending(0, 10))
    woken: list[bool] = []
    outbox.on_unacknowledge(lambda: woken.append(True))
    resend = events.ResendFrom(at=messages.AT, epoch=outbox.epoch, seq=3)
    _, body = opened(keys, commands.take(command(keys, resend)))
    assert (body.outcome, body.detail) == ("applied", "2 events go again")
    assert [row.seq for row in outbox.pending(0, 10)] == [3, 4]
    assert woken


def test_resend_from_of_another_epoch_and_a_tombstone_are_refused_and_not_recorded(
    commands: Commands, keys: Keys, outbox: Outbox
) -> None:
    for number, body in enumerate(messages.COMMANDS[1:], 1):
        assert opened(keys, commands.take(command(keys, body, number)))[1].outcome == "refused"
    with outbox.opened() as database:
        assert database.execute("SELECT count(*) FROM commands").get == 0


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
