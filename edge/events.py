"""What is sealed: the bodies of events, commands and responses. Nothing of this is ever written unsealed.

An event about a person needs a consent reference, and the schema refuses it without one. There is no field for a name,
a phone number or a national id.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.bundle import LabelName
from edge.encounter import Encounter, check_pseudonym
from edge.wire import (
    PART_BYTES_MAX,
    BoxPx,
    Count,
    Epoch,
    Fraction,
    FullReason,
    Id,
    Message,
    Name,
    Participant,
    Sequence,
    Sha256,
    Text,
    Tier,
    Time,
)


class Body(Message, frozen=True, kw_only=True, tag_field="type"):
    """Base of what is sealed; `at` is the device's wall time."""

    at: Time


class _AboutPerson(Body, frozen=True, kw_only=True, tag_field="type"):
    encounter: Encounter

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encounter.consent is None:
            raise ValueError("an event about a person needs a consent reference")


class EncounterOpened(Body, frozen=True, kw_only=True, tag="encounter_opened"):
    encounter: Encounter


class EncounterClosed(Body, frozen=True, kw_only=True, tag="encounter_closed"):
    """Sent for every person seen, findings or none. retakes: frames not accepted, by hint (hold-still)."""

    encounter: Encounter
    outcome: Literal["completed", "refused", "aborted"]
    shots: Count
    retakes: dict[Name, Count] = msgspec.field(default_factory=dict)
    duration_ms: Count
    findings: Count
    tier: Tier | None = None


class Consent(_AboutPerson, frozen=True, kw_only=True, tag="consent"):
    """scope: what the person agreed to; pictures leave the device only where it says so.

    sample_share: the probability with which this device drew this person to send one whole view of, whatever the model
    finds; null for somebody who was not drawn. It comes before anything is looked at, so the draw knows no finding.
    """

    scope: tuple[Literal["screening", "pictures", "follow_up"], ...]
    consent_form: Name
    sample_share: Annotated[float, Meta(gt=0, le=1)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sample_share is not None and "pictures" not in self.scope:
            raise ValueError("a whole view is sent only of somebody whose consent covers pictures")


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
    label: LabelName
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
    """One piece of one rendition; picture_sha256 names the whole rendition by its content.

    finding_id: null for the whole view of somebody who was drawn for the sample, which is of no finding.
    """

    finding_id: Id | None
    rendition: Literal["full", "crop", "thumbnail"]
    picture_sha256: Sha256
    media_type: Literal["image/jpeg"]
    part: Count
    parts: Annotated[int, Meta(ge=1, le=1000)]
    content: Annotated[bytes, Meta(max_length=PART_BYTES_MAX)]


class PictureDegraded(_AboutPerson, frozen=True, kw_only=True, tag="picture_degraded"):
    finding_id: Id | None
    rendition: Literal["full", "crop", "thumbnail"]
    picture_sha256: Sha256
    reason: FullReason


ReferralStep = Literal["requested", "accepted", "seen", "returned", "declined", "expired", "down_referral"]


class ReferralRequest(_AboutPerson, frozen=True, kw_only=True, tag="referral_request"):
    referral_id: Id
    finding_ids: tuple[Id, ...]
    tier: Tier


class ReferralState(_AboutPerson, frozen=True, kw_only=True, tag="referral_state"):
    referral_id: Id
    step: ReferralStep


class Reconcile(Body, frozen=True, kw_only=True, tag="reconcile"):
    """End of day: what was committed since the last one, so that the hub can name what it lacks.

    last_hash: SHA-256 of the ciphertext of event `last_seq`.
    """

    first_seq: Sequence
    last_seq: Sequence
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


class _AboutEncounter(Body, frozen=True, kw_only=True, tag_field="type"):
    """A command about somebody whom this device has seen; the participant's tombstone erases what came of it."""

    encounter_id: Id
    participant: Participant

    def __post_init__(self) -> None:
        super().__post_init__()
        check_pseudonym(self.participant)


class ReferralOpened(_AboutEncounter, frozen=True, kw_only=True, tag="referral_opened"):
    """A reviewer refers somebody for whom the device had asked for nothing; accepted from the start."""

    referral_id: Id
    finding_ids: Annotated[tuple[Id, ...], Meta(max_length=100)] = ()
    tier: Tier
    place: Text = ""
    note: Text = ""


class PictureRequest(_AboutEncounter, frozen=True, kw_only=True, tag="picture_request"):
    """A reviewer asks for another picture; finding_id: of this finding, null for the whole view."""

    finding_id: Id | None = None
    note: Text = ""


class Tombstone(Body, frozen=True, kw_only=True, tag="tombstone"):
    """This participant's consent was withdrawn: erase what is about this person, and never take it again."""

    participant: Participant

    def __post_init__(self) -> None:
        super().__post_init__()
        check_pseudonym(self.participant)


class ResendFrom(Body, frozen=True, kw_only=True, tag="resend_from"):
    """The hub lacks events: send again what was acknowledged from this one on.

    generation: higher than any before. Acknowledgements of a lower one are of what the hub had, and may have lost.
    """

    epoch: Epoch
    seq: Sequence
    generation: Sequence


CommandBody = ReferralReply | ReferralOpened | PictureRequest | Tombstone | ResendFrom


class CommandApplied(Body, frozen=True, kw_only=True, tag="command_applied"):
    """command_id: the event_id of the command's header.

    lacking: of a ResendFrom, the ranges (first, last) of seq that this device holds no more.
    """

    command_id: Id
    seq: Sequence
    outcome: Literal["applied", "refused"]
    detail: Text = ""
    lacking: Annotated[tuple[tuple[Sequence, Sequence], ...], Meta(max_length=100)] = ()


class Resume(Body, frozen=True, kw_only=True, tag="resume"):
    """On every connection: where this device stands, so that the hub can go on from there.

    command_epoch, command_seq, command_sha256 (over the whole message): of the last command that was dealt with; null,
    0 and null for none. last_seq: of its events. acknowledged_to: the hub has acknowledged every event up to this one;
    what it lacks of them it has lost. generation: the highest that this device has seen, of an acknowledgement or a
    ResendFrom; 0 before the first. A hub whose own is lower must go above it, or it is not believed.
    """

    command_epoch: Epoch | None
    command_seq: Count
    command_sha256: Sha256 | None
    epoch: Epoch
    last_seq: Count
    acknowledged_to: Count
    generation: Count


ResponseBody = CommandApplied | Resume
