"""Every message that leaves or reaches the device, and how it is written as bytes.

Events, commands and responses travel sealed (edge/sealing.py): what stands readable is the Header. Acknowledgements,
offers and the hub's presence travel signed or bare and carry no patient data. docs/wire.md is the reader's view.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge.errors import WireError

VERSION = 1
TOPIC_ROOT = "dermedge/v1"
HUB_TOPIC = f"{TOPIC_ROOT}/hub"
SUITE = "DHKEM-X25519-HKDF-SHA256/HKDF-SHA256/AES-256-GCM"
"""HPKE (RFC 9180) identifiers 0x0020, 0x0001, 0x0002, base mode; the body is AES-256-GCM under the wrapped key."""

PART_BYTES_MAX = 192 * 1024
MESSAGE_BYTES_MAX = 256 * 1024
FIRST_PREVIOUS = "0" * 64
"""prev_hash of an epoch's first event."""

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Id = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
Participant = Annotated[str, Meta(pattern=r"^[0-9A-HJKMNP-TV-Z]{4,16}$")]
"""A pseudonym in Crockford's base 32; never a name, a phone number or a national id."""
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Epoch = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
Time = Annotated[datetime, Meta(tz=True)]
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
    """Base of all: frozen, and an unknown field is an error."""


# The envelope


class Recipient(Message, frozen=True, kw_only=True):
    """wrapped_key: HPKE's encapsulated key and ciphertext of the content key, for whoever holds `key_id`."""

    key_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
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


class Void(Message, frozen=True, kw_only=True, tag="void"):
    """Stands in the place of an envelope that was removed before delivery; counts as present in the chain."""

    header: Annotated[bytes, Meta(max_length=4096)]
    reason: VoidReason
    ciphertext_sha256: Sha256
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Signed(Message, frozen=True, kw_only=True):
    """payload: the JSON text that was signed. key_id: of the signer's Ed25519 key."""

    payload: str
    key_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


# Inside the seal


class Encounter(Message, frozen=True, kw_only=True):
    """One person seen once. A participant stands here only together with the consent's reference."""

    encounter_id: Id
    cohort: Name
    wave: Annotated[int, Meta(ge=1, le=1000)] = 1
    operator: Name
    participant: Participant | None = None
    consent: Id | None = None

    def __post_init__(self) -> None:
        if self.participant is not None and self.consent is None:
            raise ValueError("a participant needs a consent reference")


class Body(Message, frozen=True, kw_only=True, tag_field="type"):
    """Base of what is sealed; `at` is the device's wall time."""

    at: Time


class _AboutPerson(Body, frozen=True, kw_only=True, tag_field="type"):
    encounter: Encounter

    def __post_init__(self) -> None:
        if self.encounter.consent is None:
            raise ValueError("an event about a person needs a consent reference")


class EncounterOpened(Body, frozen=True, kw_only=True, tag="encounter_opened"):
    encounter: Encounter


class EncounterClosed(Body, frozen=True, kw_only=True, tag="encounter_closed"):
    """Sent for every person seen, findings or none. retakes: frames not accepted, by hint."""

    encounter: Encounter
    outcome: Literal["completed", "refused", "aborted"]
    shots: Count
    retakes: dict[Name, Count] = {}
    duration_ms: Count
    findings: Count
    tier: Tier | None = None


class Consent(_AboutPerson, frozen=True, kw_only=True, tag="consent"):
    """scope: what the person agreed to; pictures leave the device only where it says so."""

    scope: tuple[Literal["screening", "pictures", "follow_up"], ...]
    consent_form: Name


class Refusal(Body, frozen=True, kw_only=True, tag="refusal"):
    encounter_id: Id
    cohort: Name
    reason: Literal["no_reason_given", "no_time", "privacy", "photography", "other"]


class Model(Message, frozen=True, kw_only=True):
    """The bundle that saw it; card_sha256 names it exactly."""

    name: Text
    version: Text
    card_sha256: Sha256
    status: Literal["research", "clinical"]


class Quality(Message, frozen=True, kw_only=True):
    """The verdict on the frame of the best view."""

    sharpness: float
    motion_px: float
    mean_luma: float
    clipped_fraction: Fraction


class Finding(_AboutPerson, frozen=True, kw_only=True, tag="finding"):
    """What the model saw. It is a finding, never a diagnosis; the tier is a suggestion by rule table `rules`."""

    finding_id: Id
    body_site: Name
    captured_at: Time
    clock_synced: bool
    model: Model
    label: Name | Annotated[str, Meta(pattern=r"^[a-z_]{1,40}$")]
    score: Fraction
    tier: Tier
    rules: Name
    box_px: BoxPx
    frame_size_px: tuple[int, int]
    frame_sequence: Count
    track_id: Count
    observations: Count
    quality: Quality


class PicturePart(_AboutPerson, frozen=True, kw_only=True, tag="picture_part"):
    """One piece of one rendition; picture_sha256 names the whole rendition by its content."""

    finding_id: Id
    rendition: Literal["full", "crop", "thumbnail"]
    picture_sha256: Sha256
    media_type: Literal["image/jpeg"]
    part: Count
    parts: Annotated[int, Meta(ge=1, le=1000)]
    content: Annotated[bytes, Meta(max_length=PART_BYTES_MAX)]


class PictureDegraded(_AboutPerson, frozen=True, kw_only=True, tag="picture_degraded"):
    finding_id: Id
    rendition: Literal["full", "crop", "thumbnail"]
    picture_sha256: Sha256
    reason: Literal["quota", "disk_full"]


ReferralStep = Literal["requested", "accepted", "seen", "returned", "declined", "expired", "down_referral"]


class ReferralRequest(_AboutPerson, frozen=True, kw_only=True, tag="referral_request"):
    referral_id: Id
    finding_ids: tuple[Id, ...]
    tier: Tier


class ReferralState(_AboutPerson, frozen=True, kw_only=True, tag="referral_state"):
    referral_id: Id
    step: ReferralStep


class Reconcile(Body, frozen=True, kw_only=True, tag="reconcile"):
    """End of day: what this epoch holds, so that the hub can name what it lacks."""

    first_seq: Count
    last_seq: Count
    last_hash: Sha256


class UpdateResult(Body, frozen=True, kw_only=True, tag="update_result"):
    name: Text
    version: Text
    outcome: Literal["applied", "rejected", "rolled_back"]
    detail: Text = ""


class SecurityLog(Body, frozen=True, kw_only=True, tag="security_log"):
    """One line of the device's own log; without patient data."""

    line: Text
    prev_hash: Sha256


EventBody = (
    EncounterOpened
    | EncounterClosed
    | Consent
    | Refusal
    | Finding
    | PicturePart
    | PictureDegraded
    | ReferralRequest
    | ReferralState
    | Reconcile
    | UpdateResult
    | SecurityLog
)


class ReferralReply(Body, frozen=True, kw_only=True, tag="referral_reply"):
    referral_id: Id
    step: ReferralStep
    place: Text = ""
    note: Text = ""


class Tombstone(Body, frozen=True, kw_only=True, tag="tombstone"):
    """This consent was withdrawn: erase what hangs on it, and never take it again."""

    consent: Id


class ResendFrom(Body, frozen=True, kw_only=True, tag="resend_from"):
    """The hub was restored: send again what was acknowledged from this event on."""

    epoch: Epoch
    seq: Sequence


CommandBody = ReferralReply | Tombstone | ResendFrom


class CommandApplied(Body, frozen=True, kw_only=True, tag="command_applied"):
    """command_id: the event_id of the command's header."""

    command_id: Id
    seq: Sequence
    outcome: Literal["applied", "already_applied", "refused"]
    detail: Text = ""


# Readable messages, without patient data


class Receipt(Message, frozen=True, kw_only=True):
    """What the hub did with one message; message_sha256 is over the whole message as it arrived."""

    event_id: Id
    seq: Sequence
    message_sha256: Sha256
    outcome: Literal["stored", "quarantined"]


class Acknowledgement(Message, frozen=True, kw_only=True):
    """The only receipt that counts. Travels as the payload of a Signed."""

    v: Literal[1] = VERSION
    device: Name
    epoch: Epoch
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
    key_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]


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
        return msgspec.json.decode(data, type=kind)  # type: ignore[no-any-return]
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
