"""The hub's tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

metadata = sa.MetaData()


class Instant(TypeDecorator[datetime]):
    """An aware time, in UTC; kept without its zone, because SQLite has none."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


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
# whether the envelope came or the void that stands in its place. A void has no body.
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
    sa.Column("body", sa.JSON(none_as_null=True)),
    sa.Index("events_by_order", "device", "epoch", "seq"),
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
    sa.Index("findings_by_model", "model_name", "model_version", "model_status"),
)

# An encounter's opening and closing come in any order; each fills its own columns.
encounters = sa.Table(
    "encounters",
    metadata,
    sa.Column("encounter_id", sa.String(36), primary_key=True),
    _name("device", primary_key=True),
    _name("site"),
    _name("cohort"),
    sa.Column("wave", sa.Integer, nullable=False),
    sa.Column("opened_at", Instant),
    sa.Column("closed_at", Instant),
    sa.Column("outcome", sa.String(16)),
    sa.Column("shots", sa.BigInteger),
    sa.Column("findings", sa.BigInteger),
    sa.Column("duration_ms", sa.BigInteger),
    sa.Column("retakes", sa.JSON(none_as_null=True)),
    sa.Column("tier", sa.String(16)),
    sa.Index("encounters_by_outcome", "outcome", "findings"),
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
# its device). The message is kept where its device is told that we hold it; a stranger is told nothing.
quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("message_sha256", sa.String(64), primary_key=True),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("device", sa.String(32)),
    sa.Column("event_id", sa.String(36)),
    sa.Column("trust", sa.String(16), nullable=False),
    sa.Column("detail", sa.String(200), nullable=False),
    sa.Column("first_at", Instant, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
    sa.Column("received_count", sa.Integer, nullable=False),
    sa.Column("message_bytes", sa.Integer, nullable=False),
    sa.Column("message", sa.LargeBinary),
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
