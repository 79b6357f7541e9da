"""One message as it arrived → an event that is verified and open, or why it is neither. No I/O but the registry's.

What names an event (device, epoch, seq, event_id) is taken from the signed header alone; the topic is not signed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec

from edge import pseudonym
from edge.encounter import Encounter
from edge.errors import SealError, WireError
from edge.events import EventBody, ResponseBody
from edge.sealing import ciphertext_hash, key_id, sha256, unseal, verify
from edge.wire import Envelope, Header, Void, VoidReason, decode, decode_sealed
from hub.keys import HubIdentity
from hub.registry import Device, Registry

Reason = Literal[
    "malformed",
    "unknown_device",
    "bad_signature",
    "does_not_open",
    "body_not_understood",
    "other_bytes",
    "not_storable",
]


@dataclass(frozen=True)
class Arrival:
    """A message on an `event` or `rsp` topic."""

    payload: bytes
    received_at: datetime


@dataclass(frozen=True)
class Opened:
    """An event or response of a registered device. body is None where a void stands in its place; void_reason: why.

    withdrawn: whom it was about, where the hub has taken its body away.
    """

    arrival: Arrival
    device: Device
    header: Header
    body: EventBody | ResponseBody | None
    message_sha256: str
    ciphertext_sha256: str
    content_sha256: str
    void_reason: VoidReason | None = None
    withdrawn: str | None = None

    @property
    def type(self) -> str:
        """The body's tag, or "void"."""
        return "void" if self.body is None else str(type(self.body).__struct_config__.tag)

    @property
    def encounter_id(self) -> str | None:
        """Which visit it is about; None for none."""
        encounter: Encounter | None = getattr(self.body, "encounter", None)
        return None if encounter is None else encounter.encounter_id

    @property
    def participant(self) -> str | None:
        """Whom it is about; None for nobody, or nobody who agreed."""
        encounter: Encounter | None = getattr(self.body, "encounter", None)
        return None if encounter is None else encounter.participant


@dataclass(frozen=True)
class Refused:
    """What goes to quarantine. device: registered, None where it is not; verified: that device signed it.

    participants: the pseudonyms in it; None where nobody can read whom it is about.
    """

    arrival: Arrival
    reason: Reason
    detail: str
    message_sha256: str
    claimed_device: str | None = None
    device: Device | None = None
    header: Header | None = None
    verified: bool = False
    participants: frozenset[str] | None = None


def open_message(arrival: Arrival, registry: Registry, identity: HubIdentity) -> Opened | Refused:
    """Decode, verify, then open. Raises only what the registry's database raises."""
    digest = sha256(arrival.payload)
    try:
        message, header = decode_sealed(arrival.payload)
        if header.kind == "command" or (header.kind == "response" and not isinstance(message, Envelope)):
            raise WireError(f"expected an event, its void or a response; got a {header.kind}")
    except WireError as error:
        return Refused(arrival, "malformed", str(error), digest)

    device = registry.find(header.device)
    if device is None:
        detail = f"device {header.device} is not registered; add it with `dermedge hub device add FILE`"
        return Refused(arrival, "unknown_device", detail, digest, header.device)

    refused = Refused(arrival, "bad_signature", "", digest, header.device, device, header)
    try:
        verify(message, device.signer)
    except SealError as error:
        return replace(refused, reason="bad_signature", detail=str(error), verified=False)
    body: EventBody | ResponseBody | None = None
    if isinstance(message, Envelope):
        try:
            opened = _unseal(message, header, identity)
        except SealError as error:
            return replace(refused, reason="does_not_open", detail=str(error), verified=True)
        try:
            body = decode(opened, EventBody if header.kind == "event" else ResponseBody)
        except WireError as error:
            about = _pseudonyms(opened)
            return replace(refused, reason="body_not_understood", detail=str(error), verified=True, participants=about)
    ciphertext = ciphertext_hash(message)
    content = sha256(message.header + ciphertext.encode())
    reason = message.reason if isinstance(message, Void) else None
    return Opened(arrival, device, header, body, digest, ciphertext, content, reason)


def _unseal(message: Envelope, header: Header, identity: HubIdentity) -> bytes:
    """With the key that it is sealed to. Raises SealError, of the hub's own key where it is sealed to none of them."""
    named = {each.key_id for each in header.recipients}
    fitting = (each for each in identity.opening_keys if key_id(each.public_key()) in named)
    return unseal(message, header, next(fitting, identity.sealing_key))


def _pseudonyms(opened: bytes) -> frozenset[str] | None:
    """All that stand anywhere in a body, of whatever version it is; None where it is no JSON."""
    try:
        rest: list[object] = [msgspec.json.decode(opened)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    found: set[str] = set()
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            rest += [*value, *value.values()]
        elif isinstance(value, list):
            rest += value
        elif isinstance(value, str) and (name := pseudonym.normal(value)) is not None:
            found.add(name)
    return frozenset(found)
