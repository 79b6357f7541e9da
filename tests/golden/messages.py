"""One of every message, with fixed ids and times: what the golden files hold, and what other tests send."""

from __future__ import annotations

from datetime import UTC, datetime

from edge import events, wire
from edge.encounter import Encounter

AT = datetime(2026, 3, 1, 8, 30, 15, 250000, tzinfo=UTC)
EPOCH = "0123456789abcdef0123456789abcdef"
DIGEST = "ab" * 32


def an_id(number: int) -> str:
    return f"01a20000-0000-7000-8000-{number:012x}"


ENCOUNTER = Encounter(
    encounter_id=an_id(1),
    cohort="primary-school-2",
    wave=2,
    operator="operator-1",
    participant="7K3PQV",
    consent=an_id(2),
)
ANONYMOUS = Encounter(encounter_id=an_id(1), cohort="primary-school-2", operator="operator-1")

EVENTS: tuple[events.EventBody, ...] = (
    events.EncounterOpened(at=AT, encounter=ANONYMOUS),
    events.Consent(
        at=AT, encounter=ENCOUNTER, scope=("screening", "pictures"), consent_form="form-a-2", sample_share=0.125
    ),
    events.Refusal(at=AT, encounter_id=an_id(3), cohort="primary-school-2", reason="photography"),
    events.Finding(
        at=AT,
        encounter=ENCOUNTER,
        finding_id=an_id(4),
        body_site="forearm-left",
        captured_at=AT,
        clock_synced=True,
        model=events.Model(name="lesions", version="1.0.0", card_sha256=DIGEST, status="research"),
        label="cutaneous_tumour",
        score=0.8125,
        tier="person",
        rules="triage-1",
        box_px=(412.5, 230.0, 508.0, 322.25),
        frame_size_px=(1280, 720),
        frame_sequence=120,
        track_id=3,
        observations=9,
        quality=events.Quality(sharpness=140.5, motion_px=1.25, mean_luma=127.0, clipped_fraction=0.0),
    ),
    events.PicturePart(
        at=AT,
        encounter=ENCOUNTER,
        finding_id=an_id(4),
        rendition="crop",
        picture_sha256=DIGEST,
        media_type="image/jpeg",
        part=0,
        parts=1,
        content=b"\xff\xd8 not a picture, only its place \xff\xd9",
    ),
    events.PictureDegraded(
        at=AT, encounter=ENCOUNTER, finding_id=an_id(4), rendition="full", picture_sha256=DIGEST, reason="quota"
    ),
    events.ReferralRequest(at=AT, encounter=ENCOUNTER, referral_id=an_id(5), finding_ids=(an_id(4),), tier="person"),
    events.ReferralState(at=AT, encounter=ENCOUNTER, referral_id=an_id(5), step="seen"),
    events.EncounterClosed(
        at=AT,
        encounter=ENCOUNTER,
        outcome="completed",
        shots=3,
        retakes={"hold-still": 2},
        duration_ms=41_000,
        findings=1,
        tier="person",
    ),
    events.Reconcile(at=AT, first_seq=1, last_seq=812, last_hash=DIGEST),
    events.UpdateResult(at=AT, name="lesions", version="1.0.1", outcome="applied"),
    events.SecurityLog(at=AT, line="provisioned", prev_hash=wire.FIRST_PREVIOUS),
)

TOMBSTONE = events.Tombstone(at=AT, participant="7K3PQV")
COMMANDS: tuple[events.CommandBody, ...] = (
    events.ReferralReply(
        at=AT, referral_id=an_id(5), step="accepted", place="County hospital", note="Bring the letter"
    ),
    events.ReferralOpened(
        at=AT,
        encounter_id=an_id(1),
        participant="7K3PQV",
        referral_id=an_id(5),
        finding_ids=(an_id(4),),
        tier="routine",
        place="County hospital",
        note="Bring the letter",
    ),
    events.PictureRequest(
        at=AT, encounter_id=an_id(1), participant="7K3PQV", finding_id=an_id(4), note="Closer, and more light"
    ),
    TOMBSTONE,
    events.ResendFrom(at=AT, epoch=EPOCH, seq=17, generation=1_772_353_815_250),
)

RESPONSES: tuple[events.ResponseBody, ...] = (
    events.CommandApplied(
        at=AT, command_id=an_id(6), seq=4, outcome="applied", detail="12 events go again", lacking=((17, 19), (23, 23))
    ),
    events.Resume(
        at=AT,
        command_epoch=EPOCH,
        command_seq=4,
        command_sha256=DIGEST,
        epoch="fedcba98" * 4,
        last_seq=812,
        acknowledged_to=800,
        generation=1_772_353_815_250,
    ),
)


def header(kind: wire.Kind = "event") -> wire.Header:
    """As it is before sealing: it names no recipients yet."""
    return wire.Header(
        kind=kind,
        device="handheld-7",
        epoch=EPOCH,
        seq=7,
        event_id=an_id(7),
        priority="live",
        prev_hash=DIGEST,
    )


ACKNOWLEDGEMENT = wire.Acknowledgement(
    device="handheld-7",
    epoch=EPOCH,
    generation=1_772_353_815_250,
    ts=AT,
    receipts=(
        wire.Receipt(event_id=an_id(7), seq=7, message_sha256=DIGEST, outcome="stored"),
        wire.Receipt(event_id=an_id(8), seq=8, message_sha256=DIGEST, outcome="quarantined"),
    ),
    backed_up_to=5,
)
OFFER = wire.Offer(
    site="village-3", ts=AT, what="model", name="lesions", version="1.0.1", sha256=DIGEST, size_bytes=3_900_000
)
PRESENCE = wire.HubPresence(ts=AT, hub=an_id(0xA0), key_id="0011223344556677")
STATUS = wire.Status(ts=AT, online=True)
STATE = wire.State(
    ts=AT,
    backlog=12,
    oldest_s=3.5,
    outbox_bytes=81_920,
    outbox_full=False,
    capturing=True,
    temp_c=51.5,
    battery=0.75,
    disk_free=8_000_000_000,
    frame_age_s=0.0625,
    camera_reopened=1,
    problem="the camera stalled",
    model="lesions 1.0.0",
    app="0.1.0",
    fps=14.5,
    p90_ms=9.25,
    rejected_fraction=0.125,
    clock_synced=True,
    cert_days=90.0,
    crl_days=6.5,
    epoch=EPOCH,
    last_seq=812,
    quarantined=2,
    degraded=3,
    withdrawn=4,
    beyond_backup=120,
)
STATE_SMALLEST = wire.State(ts=AT, backlog=0, app="0.1.0", clock_synced=False, epoch=EPOCH, last_seq=0)
SUMMARY = wire.Summary(ts=AT, site="village-3", screened=214, findings=31, urgent=None, routine=12, person=19)
