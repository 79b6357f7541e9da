"""Every message on the broker, and how it is written as bytes.

Events, commands and responses travel sealed (edge/sealing.py): what stands readable is the Header; what is inside is in
edge/events.py. The other messages travel signed or bare and carry no patient data. docs/wire.md is the reader's view.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge.errors import WireError

VERSION: Literal[1] = 1
TOPIC_ROOT = "dermedge/v1"
HUB_TOPIC = f"{TOPIC_ROOT}/hub"
SUITE: Literal["DHKEM-X25519-HKDF-SHA256/HKDF-SHA256/AES-256-GCM"] = "DHKEM-X25519-HKDF-SHA256/HKDF-SHA256/AES-256-GCM"
"""HPKE (RFC 9180) identifiers 0x0020, 0x0001, 0x0002, base mode; the body is AES-256-GCM under the wrapped key."""

PART_BYTES_MAX = 188 * 1024
"""Of a picture's bytes: in base64, with the encounter and the header, they stay under MESSAGE_BYTES_MAX."""
MESSAGE_BYTES_MAX = 256 * 1024
PACKET_BYTES_MAX = 270_000
"""Of MQTT: the largest message with its topic and properties, and some room."""
FIRST_PREVIOUS = "0" * 64
"""prev_hash of an epoch's first event."""

# $ alone would also match before a newline at the end.
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$(?!\n)")]
Id = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$(?!\n)")]
Participant = Annotated[str, Meta(pattern=r"^[0-9A-HJKMNP-TV-Z]{4,16}$(?!\n)")]
"""A pseudonym in Crockford's base 32; never a name, a phone number or a national id."""
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Epoch = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")]
Time = Annotated[datetime, Meta(tz=True)]
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""A clock without its battery starts at 1970. Beyond these a time would overflow where another zone shows it."""
Text = Annotated[str, Meta(max_length=200)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Sequence = Annotated[int, Meta(ge=1, le=2**53)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Pixel = Annotated[float, Meta(ge=0, le=100_000)]
BoxPx = tuple[Pixel, Pixel, Pixel, Pixel]
Tier = Literal["urgent", "routine", "self_care", "person"]
Priority = Literal["urgent", "live", "backlog"]
Kind = Literal["event", "command", "response"]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all: frozen, an unknown field is an error, and so is a time out of bounds."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, datetime) and not EARLIEST <= value <= LATEST:
                raise ValueError(f"expected `{name}` between the years {EARLIEST.year} and {LATEST.year}, got {value}")


class Recipient(Message, frozen=True, kw_only=True):
    """wrapped_key: HPKE's encapsulated key and ciphertext of the content key, for whoever holds `key_id`."""

    key_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$(?!\n)")]
    wrapped_key: bytes


class Header(Message, frozen=True, kw_only=True):
    """What is readable of a sealed message.

    device: the sender of events and responses, the addressee of commands. epoch: a random id made with the sender's
    outbox file; seq never repeats in it. prev_hash: SHA-256 of the previous message's ciphertext in that epoch.
    """

    v: Literal[1] = VERSION
    suite: Literal["DHKEM-X25519-HKDF-SHA256/HKDF-SHA256/AES-256-GCM"] = SUITE
    kind: Kind
    device: Name
    epoch: Epoch
    seq: Sequence
    event_id: Id
    priority: Priority
    prev_hash: Sha256
    recipients: Annotated[tuple[Recipient, ...], Meta(max_length=8)] = ()


class Envelope(Message, frozen=True, kw_only=True, tag="envelope"):
    """header: canonical JSON, the very bytes that are authenticated. signature: Ed25519, by the sender."""

    header: Annotated[bytes, Meta(max_length=4096)]
    ciphertext: bytes
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


VoidReason = Literal["picture_degraded", "consent_withdrawn"]
FullReason = Literal["quota", "disk_full"]


class Void(Message, frozen=True, kw_only=True, tag="void"):
    """Stands in the place of an envelope that was removed before delivery; counts as present in the chain."""

    header: Annotated[bytes, Meta(max_length=4096)]
    reason: VoidReason
    ciphertext_sha256: Sha256
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Signed(Message, frozen=True, kw_only=True):
    """payload: the JSON text that was signed. key_id: of the signer's Ed25519 key."""

    payload: str
    key_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$(?!\n)")]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Receipt(Message, frozen=True, kw_only=True):
    """What the hub did with one message; message_sha256 is over the whole message as it arrived."""

    event_id: Id
    seq: Sequence
    message_sha256: Sha256
    outcome: Literal["stored", "quarantined"]


class Acknowledgement(Message, frozen=True, kw_only=True):
    """The only receipt that counts. Travels as the payload of a Signed.

    generation: that of the hub's last ResendFrom to this device; an older one counts no more.
    """

    v: Literal[1] = VERSION
    device: Name
    epoch: Epoch
    generation: Count = 0
    ts: Time
    receipts: Annotated[tuple[Receipt, ...], Meta(max_length=1000)]
    backed_up_to: Sequence | None = None


class Offer(Message, frozen=True, kw_only=True):
    """A model or an application that a site may take. Travels as the payload of a Signed."""

    v: Literal[1] = VERSION
    site: Name
    ts: Time
    what: Literal["model", "application"]
    name: Text
    version: Text
    sha256: Sha256
    size_bytes: Count


class HubPresence(Message, frozen=True, kw_only=True):
    """Retained while the hub takes events; the device then sends again what is unacknowledged."""

    v: Literal[1] = VERSION
    ts: Time
    hub: Id
    key_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$(?!\n)")]


class Status(Message, frozen=True, kw_only=True):
    """Retained; `online` false is the last will."""

    ts: Time
    online: bool


class State(Message, frozen=True, kw_only=True):
    """Retained, flat, numbers as numbers. What this device cannot know is left out."""

    ts: Time
    backlog: Count
    oldest_s: float = 0.0
    outbox_bytes: Count = 0
    outbox_full: bool = False
    capturing: bool = True
    temp_c: float | UnsetType = UNSET
    battery: Fraction | UnsetType = UNSET
    disk_free: Count | UnsetType = UNSET
    frame_age_s: float | UnsetType = UNSET
    camera_reopened: Count = 0
    problem: Text | UnsetType = UNSET
    model: Text | UnsetType = UNSET
    app: Text
    fps: float | UnsetType = UNSET
    p90_ms: float | UnsetType = UNSET
    rejected_fraction: Fraction | UnsetType = UNSET
    clock_synced: bool
    cert_days: float | UnsetType = UNSET
    crl_days: float | UnsetType = UNSET
    epoch: Epoch
    last_seq: Count
    quarantined: Count = 0
    degraded: Count = 0
    withdrawn: Count = 0
    beyond_backup: Count = 0


class Summary(Message, frozen=True, kw_only=True):
    """Retained, made by the hub; a count under 5 is null."""

    ts: Time
    site: Name
    screened: Count | None
    findings: Count | None
    urgent: Count | None
    routine: Count | None
    person: Count | None


M = TypeVar("M")


def encode(message: Message) -> bytes:
    """JSON with the fields in their order of definition: the canonical form that is signed and authenticated."""
    return msgspec.json.encode(message)


def decode(data: bytes | str, kind: type[M] | Any) -> M:
    """JSON as this message type (or union). Raises WireError that names the field and what was expected."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"expected {getattr(kind, '__name__', 'a message of docs/wire.md')}; {error}") from error


def encode_sealed(message: Envelope | Void) -> bytes:
    """MessagePack: ciphertext as it is, a third less than base64 in JSON."""
    return msgspec.msgpack.encode(message)


def decode_sealed(data: bytes) -> tuple[Envelope | Void, Header]:
    """A sealed message and its header, nothing verified yet. Raises WireError."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise WireError(f"expected a sealed message of at most {MESSAGE_BYTES_MAX} bytes, got {len(data)}")
    try:
        message = msgspec.msgpack.decode(data, type=Envelope | Void)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"expected a sealed message of docs/wire.md; {error}") from error
    header: Header = decode(message.header, Header)
    if encode(header) != message.header:
        raise WireError("expected a header in canonical form (fields in order, no white space)")
    return message, header


def device_topic(site: str, device: str, leaf: str) -> str:
    """dermedge/v1/{site}/{device}/{leaf}: event, ack, cmd, rsp, status or state."""
    return f"{TOPIC_ROOT}/{site}/{device}/{leaf}"


def site_topic(site: str, leaf: str) -> str:
    """dermedge/v1/{site}/{leaf}: offer or summary."""
    return f"{TOPIC_ROOT}/{site}/{leaf}"
