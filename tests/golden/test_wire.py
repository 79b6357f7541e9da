"""Version 1 of the wire, as bytes: what was written once is read for ever, and written the same."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest

from edge import events, wire
from edge.encounter import Encounter
from edge.errors import SealError, WireError
from edge.sealing import ciphertext_hash, sha256, unseal, verify, verify_signed
from tests.golden import make, messages
from tests.golden.keys import read_keys

KEYS = read_keys()
KINDS: dict[str, Any] = {
    "event": events.EventBody,
    "command": events.CommandBody,
    "response": events.ResponseBody,
    "header": wire.Header,
    "acknowledgement": wire.Acknowledgement,
    "acknowledgement-signed": wire.Signed,
    "offer": wire.Offer,
    "offer-signed": wire.Signed,
    "presence": wire.HubPresence,
    "status": wire.Status,
    "state": wire.State,
    "state-smallest": wire.State,
    "summary": wire.Summary,
}
JSON_FILES = sorted(make.FOLDER.glob("*.json"))
SEALED_FILES = sorted(make.FOLDER.glob("*.bin"))


def kind_of(name: str) -> Any:
    return KINDS[name] if name in KINDS else KINDS[name.partition("-")[0]]


def golden(name: str) -> bytes:
    return (make.FOLDER / name).read_bytes()


@pytest.mark.parametrize("path", JSON_FILES, ids=lambda path: path.stem)
def test_json_reads_and_writes_the_same_bytes(path: Any) -> None:
    data = path.read_bytes()
    message = wire.decode(data, kind_of(path.stem))
    assert wire.encode(message) == data
    assert data == make.plain_files(KEYS)[path.name]


@pytest.mark.parametrize("path", SEALED_FILES, ids=lambda path: path.stem)
def test_sealed_reads_and_writes_the_same_bytes(path: Any) -> None:
    message, header = wire.decode_sealed(path.read_bytes())
    assert wire.encode_sealed(message) == path.read_bytes()
    assert header.event_id == messages.an_id(7)
    assert [len(recipient.wrapped_key) for recipient in header.recipients] == [80] * len(header.recipients)


def test_every_message_type_has_a_golden_file() -> None:
    written = {path.name for path in JSON_FILES} | {path.name for path in SEALED_FILES}
    assert written == set(make.plain_files(KEYS)) | set(make.sealed_files(KEYS))
    tags = {body.__struct_config__.tag for body in get_args(events.EventBody)}
    assert {f"event-{tag}.json" for tag in tags} <= written
    tags = {body.__struct_config__.tag for body in get_args(events.CommandBody)}
    assert {f"command-{tag}.json" for tag in tags} <= written
    tags = {body.__struct_config__.tag for body in get_args(events.ResponseBody)}
    assert {f"response-{tag}.json" for tag in tags} <= written
    covered = {type(wire.decode(path.read_bytes(), kind_of(path.stem))) for path in JSON_FILES}
    covered |= {type(wire.decode_sealed(path.read_bytes())[0]) for path in SEALED_FILES}
    top_level = {
        each
        for module in (wire, events)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, wire.Message) and not each.__name__.startswith("_")
    }
    inside_others = {Encounter, events.Model, events.Quality, wire.Recipient, wire.Receipt}
    assert covered == top_level - inside_others - {wire.Message, events.Body}


@pytest.mark.parametrize("private", [KEYS.hub_seal, KEYS.escrow_seal], ids=["hub", "escrow"])
def test_both_recipients_open_the_event(private: Any) -> None:
    envelope, header = wire.decode_sealed(golden("envelope-event.bin"))
    assert isinstance(envelope, wire.Envelope)
    verify(envelope, KEYS.device_sign.public_key())
    assert unseal(envelope, header, private) == golden("event-finding.json")


def test_nobody_else_opens_the_event() -> None:
    envelope, header = wire.decode_sealed(golden("envelope-event.bin"))
    assert isinstance(envelope, wire.Envelope)
    with pytest.raises(SealError, match="expected a message sealed to key"):
        unseal(envelope, header, KEYS.device_seal)


def test_command_and_response_open_for_whom_they_are() -> None:
    command, header = wire.decode_sealed(golden("envelope-command.bin"))
    assert isinstance(command, wire.Envelope)
    verify(command, KEYS.hub_sign.public_key())
    assert unseal(command, header, KEYS.device_seal) == golden("command-referral_reply.json")
    response, header = wire.decode_sealed(golden("envelope-response.bin"))
    assert isinstance(response, wire.Envelope)
    verify(response, KEYS.device_sign.public_key())
    assert unseal(response, header, KEYS.hub_seal) == golden("response-command_applied.json")


def test_void_stands_for_the_event() -> None:
    envelope, _ = wire.decode_sealed(golden("envelope-event.bin"))
    stand_in, header = wire.decode_sealed(golden("void.bin"))
    verify(stand_in, KEYS.device_sign.public_key())
    assert ciphertext_hash(stand_in) == ciphertext_hash(envelope)
    assert header.event_id == messages.an_id(7)
    altered = msgspec.structs.replace(stand_in, reason="consent_withdrawn")
    with pytest.raises(SealError, match="expected a message signed by"):
        verify(altered, KEYS.device_sign.public_key())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("device", "handheld-8"),
        ("epoch", "f" * 32),
        ("seq", 8),
        ("event_id", messages.an_id(8)),
        ("priority", "urgent"),
        ("prev_hash", "0" * 64),
        ("kind", "response"),
    ],
)
def test_an_altered_header_field_neither_verifies_nor_opens(field: str, value: Any) -> None:
    envelope, header = wire.decode_sealed(golden("envelope-event.bin"))
    assert isinstance(envelope, wire.Envelope)
    moved = msgspec.structs.replace(header, **{field: value})
    altered = msgspec.structs.replace(envelope, header=wire.encode(moved))
    assert wire.decode_sealed(wire.encode_sealed(altered))[1] == moved
    with pytest.raises(SealError, match="expected a message signed by"):
        verify(altered, KEYS.device_sign.public_key())
    with pytest.raises(SealError, match="was altered after it was sealed"):
        unseal(altered, moved, KEYS.hub_seal)


def test_an_altered_ciphertext_or_wrapped_key_is_refused() -> None:
    envelope, header = wire.decode_sealed(golden("envelope-event.bin"))
    assert isinstance(envelope, wire.Envelope)
    flipped = bytes([envelope.ciphertext[0] ^ 1]) + envelope.ciphertext[1:]
    altered = msgspec.structs.replace(envelope, ciphertext=flipped)
    with pytest.raises(SealError, match="signed by"):
        verify(altered, KEYS.device_sign.public_key())
    with pytest.raises(SealError, match="was altered"):
        unseal(altered, header, KEYS.hub_seal)
    swapped = msgspec.structs.replace(
        header,
        recipients=tuple(
            msgspec.structs.replace(recipient, wrapped_key=other.wrapped_key)
            for recipient, other in zip(header.recipients, reversed(header.recipients), strict=True)
        ),
    )
    with pytest.raises(SealError, match="was altered"):
        unseal(msgspec.structs.replace(envelope, header=wire.encode(swapped)), swapped, KEYS.hub_seal)


@pytest.mark.parametrize("name", ["acknowledgement", "offer"])
def test_signed_messages_verify_and_one_kind_never_passes_as_another(name: Any) -> None:
    signed = wire.decode(golden(f"{name}-signed.json"), wire.Signed)
    assert verify_signed(name, signed, KEYS.hub_sign.public_key()) == golden(f"{name}.json")
    other: Any = {"acknowledgement": "offer", "offer": "acknowledgement"}[name]
    with pytest.raises(SealError, match=f"expected a {other} signed by"):
        verify_signed(other, signed, KEYS.hub_sign.public_key())
    altered = msgspec.structs.replace(signed, payload=signed.payload.replace("2026", "2027"))
    with pytest.raises(SealError, match=f"expected a {name} signed by"):
        verify_signed(name, altered, KEYS.hub_sign.public_key())


@pytest.mark.parametrize("path", JSON_FILES, ids=lambda path: path.stem)
def test_an_unknown_or_missing_field_is_refused(path: Any) -> None:
    fields = json.loads(path.read_bytes())
    kind = kind_of(path.stem)
    with pytest.raises(WireError, match="surprise"):
        wire.decode(json.dumps({**fields, "surprise": 1}), kind)
    first = next(name for name in fields if name not in {"type", "v", "suite"})
    with pytest.raises(WireError, match=first):
        wire.decode(json.dumps({name: value for name, value in fields.items() if name != first}), kind)


def test_a_header_that_is_not_canonical_is_refused() -> None:
    envelope, _ = wire.decode_sealed(golden("envelope-event.bin"))
    assert isinstance(envelope, wire.Envelope)
    spaced = msgspec.structs.replace(envelope, header=b" " + envelope.header)
    with pytest.raises(WireError, match="canonical"):
        wire.decode_sealed(wire.encode_sealed(spaced))


@pytest.mark.parametrize("data", [b"", b"\xc1", b"{}", b"\x80", b"\x91" * 2000, bytes(wire.MESSAGE_BYTES_MAX + 1)])
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(WireError, match="expected a sealed message"):
        wire.decode_sealed(data)


def test_a_message_is_named_by_the_hash_of_its_bytes() -> None:
    data = golden("envelope-event.bin")
    assert sha256(data) != sha256(data + b"\x00")
    assert len(sha256(data)) == 64


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"])
def test_a_time_that_would_overflow_elsewhere_is_refused(time: str) -> None:
    with pytest.raises(WireError, match="between the years"):
        wire.decode(f'{{"ts":"{time}","online":true}}', wire.Status)


def test_a_name_with_a_newline_behind_it_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("demo\n", wire.Name)
