"""The hub's tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hub.instant import Instant

metadata = sa.MetaData()


def _name(column: str, **options: Any) -> sa.Column[str]:
    return sa.Column(column, sa.String(32), nullable=False, **options)


devices = sa.Table(
    "devices",
    metadata,
    _name("device", primary_key=True),
    _name("site"),
    sa.Column("seal_key", sa.LargeBinary(32), nullable=False),
    sa.Column("sign_key", sa.LargeBinary(32), nullable=False),
    sa.Column("added_at", Instant, nullable=False),
)

# Every event that was opened, once. An id is its sender's own word: with the device in the key, nobody can take the
# place of another's event. content_sha256 is over header and ciphertext hash: what makes two messages the same event,
# whether the envelope came or the void that stands in its place. A void has no body, and neither has an event of a
# participant who has withdrawn, nor one that is older than the hub keeps bodies (hub/retention.py).
events = sa.Table(
    "events",
    metadata,
    sa.Column("event_id", sa.String(36), primary_key=True),
    _name("device", primary_key=True),
    _name("site"),
    sa.Column("epoch", sa.String(32), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    _name("type"),
    sa.Column("priority", sa.String(8), nullable=False),
    sa.Column("message_sha256", sa.String(64), nullable=False),
    sa.Column("ciphertext_sha256", sa.String(64), nullable=False),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("prev_hash", sa.String(64), nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("received_count", sa.Integer, nullable=False),
    sa.Column("participant", sa.String(16)),
    sa.Column("encounter_id", sa.String(36)),
    sa.Column("void_reason", sa.String(24)),
    sa.Column("body", sa.JSON(none_as_null=True)),
    sa.Index("events_by_order", "device", "epoch", "seq"),
    sa.Index("events_by_participant", "participant"),
    sa.Index("events_by_encounter", "device", "encounter_id"),
    sa.Index(
        "events_with_body_by_age",
        "received_at",
        sqlite_where=sa.text("body IS NOT NULL"),
        postgresql_where=sa.text("body IS NOT NULL"),
    ),
)

# How far each device's chain of events is whole. whole_to: of everything up to it the hub has the event, its void or
# its quarantined bytes, or knows that nobody has it; whole_hash: of that event's ciphertext, null behind a hole.
# told_to: the device has said that it committed so many. asked_from: where the hub has asked for them again.
chains = sa.Table(
    "chains",
    metadata,
    _name("device", primary_key=True),
    sa.Column("epoch", sa.String(32), primary_key=True),
    sa.Column("whole_to", sa.BigInteger, nullable=False),
    sa.Column("whole_hash", sa.String(64)),
    sa.Column("told_to", sa.BigInteger, nullable=False),
    sa.Column("asked_from", sa.BigInteger),
    sa.Column("backed_up_to", sa.BigInteger),
)

# What devices said at the end of a day.
reconciliations = sa.Table(
    "reconciliations",
    metadata,
    _name("device", primary_key=True),
    sa.Column("epoch", sa.String(32), primary_key=True),
    sa.Column("last_seq", sa.BigInteger, primary_key=True),
    sa.Column("first_seq", sa.BigInteger, nullable=False),
    sa.Column("last_hash", sa.String(64), nullable=False),
    sa.Column("at", Instant, nullable=False),
)

# Events that the hub lacks and their device has freed: lost for good.
unheld = sa.Table(
    "unheld",
    metadata,
    _name("device", primary_key=True),
    sa.Column("epoch", sa.String(32), primary_key=True),
    sa.Column("first_seq", sa.BigInteger, primary_key=True),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
)

# What the hub and one device go by. generation: of the last resend_from to it, or one above what the device has seen.
# command_*: the end of the chain of commands to it; its epochs count up.
links = sa.Table(
    "links",
    metadata,
    _name("device", primary_key=True),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("command_epoch", sa.String(32), nullable=False),
    sa.Column("command_seq", sa.BigInteger, nullable=False),
    sa.Column("command_hash", sa.String(64), nullable=False),
)

# The newest response of each of a device's chains of them; every start of a device begins a chain (hub/replay.py).
heard = sa.Table(
    "heard",
    metadata,
    _name("device", primary_key=True),
    sa.Column("epoch", sa.String(32), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
)

# The outbox to the devices. A command is queued by any process, sealed by `hub ingest` alone (message, epoch, seq), and
# sent until it is answered.
commands = sa.Table(
    "commands",
    metadata,
    sa.Column("command_id", sa.String(36), primary_key=True),
    _name("device"),
    _name("type"),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("queued_at", Instant, nullable=False),
    sa.Column("epoch", sa.String(32)),
    sa.Column("seq", sa.BigInteger),
    sa.Column("message", sa.LargeBinary),
    sa.Column("sent_at", Instant),
    sa.Column("answered_at", Instant),
    sa.Column("outcome", sa.String(16)),
    sa.Column("detail", sa.String(200)),
    sa.Index("commands_waiting", "answered_at", "device", "seq"),
)

# Participants who have withdrawn; kept for ever, and beside the database too (hub/withdrawal.py). swept: what was held
# about them in quarantine has lost its bytes.
tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("participant", sa.String(16), primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("erased", sa.BigInteger, nullable=False),
    sa.Column("swept", sa.Boolean, nullable=False),
)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("finding_id", sa.String(36), primary_key=True),
    sa.Column("event_id", sa.String(36), nullable=False),
    sa.Column("encounter_id", sa.String(36), nullable=False),
    _name("site"),
    _name("device", primary_key=True),
    sa.Column("label", sa.String(40), nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("tier", sa.String(16), nullable=False),
    sa.Column("rules", sa.String(32), nullable=False),
    sa.Column("captured_at", Instant, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("model_name", sa.String(200), nullable=False),
    sa.Column("model_version", sa.String(200), nullable=False),
    sa.Column("model_status", sa.String(16), nullable=False),
    sa.Column("card_sha256", sa.String(64), nullable=False),
    _name("body_site"),
    sa.Column("box_px", sa.JSON, nullable=False),
    sa.Column("frame_size_px", sa.JSON, nullable=False),
    sa.Column("frame_sequence", sa.BigInteger, nullable=False),
    sa.Column("observations", sa.BigInteger, nullable=False),
    sa.Index("findings_by_arrival", "received_at", "finding_id"),
    sa.Index("findings_by_kind", "label", "site", "tier"),
    sa.Index("findings_by_encounter", "device", "encounter_id", "finding_id"),
    sa.Index("findings_by_card", "card_sha256", "received_at", "score"),
    sa.Index("findings_by_model", "model_name", "model_version", "model_status"),
)

# An encounter's opening, consent and closing come in any order; each fills its own columns.
encounters = sa.Table(
    "encounters",
    metadata,
    sa.Column("encounter_id", sa.String(36), primary_key=True),
    _name("device", primary_key=True),
    _name("site"),
    _name("cohort"),
    sa.Column("wave", sa.Integer, nullable=False),
    sa.Column("participant", sa.String(16)),
    sa.Column("pictures_agreed", sa.Boolean),
    sa.Column("follow_up_agreed", sa.Boolean),
    sa.Column("opened_at", Instant),
    sa.Column("closed_at", Instant),
    sa.Column("outcome", sa.String(16)),
    sa.Column("shots", sa.BigInteger),
    sa.Column("findings", sa.BigInteger),
    sa.Column("duration_ms", sa.BigInteger),
    sa.Column("retakes", sa.JSON(none_as_null=True)),
    sa.Column("tier", sa.String(16)),
    sa.Index("encounters_by_outcome", "outcome", "findings"),
    sa.Index("encounters_by_cohort", "cohort", "wave", "site", "outcome"),
    sa.Index("encounters_by_participant", "participant"),
)

refusals = sa.Table(
    "refusals",
    metadata,
    sa.Column("event_id", sa.String(36), primary_key=True),
    sa.Column("encounter_id", sa.String(36), nullable=False),
    _name("device", primary_key=True),
    _name("site"),
    _name("cohort"),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("at", Instant, nullable=False),
)

# What devices answered to commands.
responses = sa.Table(
    "responses",
    metadata,
    sa.Column("event_id", sa.String(36), primary_key=True),
    _name("device", primary_key=True),
    sa.Column("command_id", sa.String(36), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("detail", sa.String(200), nullable=False),
    sa.Column("received_at", Instant, nullable=False),
)

# The newest status and state of each registered device; without patient data. last_seen_at is by the hub's clock,
# and only a message that the device sent just now moves it: a retained one may be days old.
device_states = sa.Table(
    "device_states",
    metadata,
    _name("device", primary_key=True),
    sa.Column("online", sa.Boolean),
    sa.Column("status_at", Instant),
    sa.Column("state", sa.JSON(none_as_null=True)),
    sa.Column("state_at", Instant),
    sa.Column("last_seen_at", Instant),
)

# What could not be stored as an event. trust: "stranger" (no registered device), "unverified" or "verified" (signed by
# its device). The message is kept where its device is told that we hold it, but for one about a participant who has
# withdrawn; a stranger is told nothing.
quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("message_sha256", sa.String(64), primary_key=True),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("device", sa.String(32)),
    sa.Column("event_id", sa.String(36)),
    sa.Column("epoch", sa.String(32)),
    sa.Column("seq", sa.BigInteger),
    sa.Column("trust", sa.String(16), nullable=False),
    sa.Column("detail", sa.String(200), nullable=False),
    sa.Column("first_at", Instant, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
    sa.Column("received_count", sa.Integer, nullable=False),
    sa.Column("message_bytes", sa.Integer, nullable=False),
    sa.Column("message", sa.LargeBinary),
    sa.Index("quarantine_by_order", "device", "epoch", "seq"),
)

# One row a kind and device ("" where the device is not registered), counted up.
alarms = sa.Table(
    "alarms",
    metadata,
    _name("kind", primary_key=True),
    _name("device", primary_key=True),
    sa.Column("first_at", Instant, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.String(200), nullable=False),
)

# One row: the mark that `hub ingest` has left with its last transaction (hub/mark.py).
marks = sa.Table(
    "marks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("mark", sa.String(32), nullable=False),
)

# One row: that `hub ingest` is at work, and what hinders it.
ingest_state = sa.Table(
    "ingest_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("connected", sa.Boolean, nullable=False),
    sa.Column("problem", sa.String(200), nullable=False),
    sa.Column("waiting", sa.BigInteger, nullable=False),
)
