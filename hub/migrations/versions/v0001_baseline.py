"""All tables of the first version. Made by `python -m tests.hub.baseline`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """On an empty database."""
    op.create_table(
        "account_links",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_index("account_links_by_account", "account_links", ["account"], unique=False)
    op.create_table(
        "account_sessions",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_index("account_sessions_by_account", "account_sessions", ["account"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "alarms",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("kind", "device"),
    )
    op.create_table(
        "audit_contents",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("participant", sa.String(length=16), nullable=True),
        sa.Column("salt", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("audit_contents_by_participant", "audit_contents", ["participant"], unique=False)
    op.create_table(
        "audit_log",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "chains",
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("whole_to", sa.BigInteger(), nullable=False),
        sa.Column("whole_hash", sa.String(length=64), nullable=True),
        sa.Column("told_to", sa.BigInteger(), nullable=False),
        sa.Column("asked_from", sa.BigInteger(), nullable=True),
        sa.Column("backed_up_to", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("device", "epoch"),
    )
    op.create_table(
        "commands",
        sa.Column("command_id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("queued_at", sa.DateTime(), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.LargeBinary(), nullable=True),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.Column("answered_at", sa.DateTime(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("detail", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("command_id"),
    )
    op.create_index("commands_waiting", "commands", ["answered_at", "device", "seq"], unique=False)
    op.create_table(
        "daily_runs",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("done_at", sa.DateTime(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("day"),
    )
    op.create_table(
        "decisions",
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=40), nullable=True),
        sa.Column("tier", sa.String(length=16), nullable=True),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.Column("referral_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("encounter_id", "device", "number"),
    )
    op.create_index("decisions_by_time", "decisions", ["at"], unique=False)
    op.create_table(
        "device_states",
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=True),
        sa.Column("status_at", sa.DateTime(), nullable=True),
        sa.Column("state", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("state_at", sa.DateTime(), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("device"),
    )
    op.create_table(
        "devices",
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("seal_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sign_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("device"),
    )
    op.create_table(
        "encounter_commands",
        sa.Column("command_id", sa.String(length=36), nullable=False),
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("command_id"),
    )
    op.create_index("encounter_commands_by_encounter", "encounter_commands", ["device", "encounter_id"], unique=False)
    op.create_table(
        "encounters",
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("cohort", sa.String(length=32), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("participant", sa.String(length=16), nullable=True),
        sa.Column("pictures_agreed", sa.Boolean(), nullable=True),
        sa.Column("follow_up_agreed", sa.Boolean(), nullable=True),
        sa.Column("opened_at", sa.DateTime(), nullable=True),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("shots", sa.BigInteger(), nullable=True),
        sa.Column("findings", sa.BigInteger(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("retakes", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tier", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("encounter_id", "device"),
    )
    op.create_index("encounters_by_cohort", "encounters", ["cohort", "wave", "site", "outcome"], unique=False)
    op.create_index("encounters_by_outcome", "encounters", ["outcome", "findings"], unique=False)
    op.create_index("encounters_by_participant", "encounters", ["participant"], unique=False)
    op.create_table(
        "events",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("priority", sa.String(length=8), nullable=False),
        sa.Column("message_sha256", sa.String(length=64), nullable=False),
        sa.Column("ciphertext_sha256", sa.String(length=64), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("received_count", sa.Integer(), nullable=False),
        sa.Column("participant", sa.String(length=16), nullable=True),
        sa.Column("encounter_id", sa.String(length=36), nullable=True),
        sa.Column("void_reason", sa.String(length=24), nullable=True),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("event_id", "device"),
    )
    op.create_index("events_by_encounter", "events", ["device", "encounter_id"], unique=False)
    op.create_index("events_by_order", "events", ["device", "epoch", "seq"], unique=False)
    op.create_index("events_by_participant", "events", ["participant"], unique=False)
    op.create_index(
        "events_with_body_by_age",
        "events",
        ["received_at"],
        unique=False,
        sqlite_where=sa.text("body IS NOT NULL"),
        postgresql_where=sa.text("body IS NOT NULL"),
    )
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("question", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("value", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feedback_id", "role", "question"),
    )
    op.create_index("feedback_by_role", "feedback", ["role", "question", "value"], unique=False)
    op.create_table(
        "findings",
        sa.Column("finding_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=40), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("tier", sa.String(length=16), nullable=False),
        sa.Column("rules", sa.String(length=32), nullable=False),
        sa.Column("captured_at", sa.DateTime(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("model_name", sa.String(length=200), nullable=False),
        sa.Column("model_version", sa.String(length=200), nullable=False),
        sa.Column("model_status", sa.String(length=16), nullable=False),
        sa.Column("card_sha256", sa.String(length=64), nullable=False),
        sa.Column("body_site", sa.String(length=32), nullable=False),
        sa.Column("box_px", sa.JSON(), nullable=False),
        sa.Column("frame_size_px", sa.JSON(), nullable=False),
        sa.Column("frame_sequence", sa.BigInteger(), nullable=False),
        sa.Column("observations", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("finding_id", "device"),
    )
    op.create_index("findings_by_arrival", "findings", ["received_at", "finding_id"], unique=False)
    op.create_index("findings_by_card", "findings", ["card_sha256", "received_at", "score"], unique=False)
    op.create_index("findings_by_encounter", "findings", ["device", "encounter_id", "finding_id"], unique=False)
    op.create_index("findings_by_kind", "findings", ["label", "site", "tier"], unique=False)
    op.create_index("findings_by_model", "findings", ["model_name", "model_version", "model_status"], unique=False)
    op.create_table(
        "follow_ups",
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("visit", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("cohort", sa.String(length=32), nullable=False),
        sa.Column("participant", sa.String(length=16), nullable=False),
        sa.Column("tier", sa.String(length=16), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("done_at", sa.DateTime(), nullable=True),
        sa.Column("done_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("encounter_id", "device", "visit"),
    )
    op.create_index("follow_ups_by_participant", "follow_ups", ["participant"], unique=False)
    op.create_index("follow_ups_due", "follow_ups", ["done_at", "due_on", "encounter_id"], unique=False)
    op.create_table(
        "heard",
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", "epoch"),
    )
    op.create_table(
        "ingest_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("connected", sa.Boolean(), nullable=False),
        sa.Column("problem", sa.String(length=200), nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "links",
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("command_epoch", sa.String(length=32), nullable=False),
        sa.Column("command_seq", sa.BigInteger(), nullable=False),
        sa.Column("command_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("device"),
    )
    op.create_table(
        "marks",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mark", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "models",
        sa.Column("card_sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("not_covered", sa.JSON(), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("card_sha256"),
    )
    op.create_index("models_by_name", "models", ["name", "version"], unique=False)
    op.create_table(
        "picture_parts",
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("picture_sha256", sa.String(length=64), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("device", "encounter_id", "picture_sha256", "part"),
    )
    op.create_table(
        "pictures",
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("picture_sha256", sa.String(length=64), nullable=False),
        sa.Column("finding_id", sa.String(length=36), nullable=True),
        sa.Column("rendition", sa.String(length=16), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("parts_here", sa.Integer(), nullable=False),
        sa.Column("given_up", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("device", "encounter_id", "picture_sha256"),
    )
    op.create_table(
        "quarantine",
        sa.Column("message_sha256", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=True),
        sa.Column("event_id", sa.String(length=36), nullable=True),
        sa.Column("epoch", sa.String(length=32), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("trust", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=200), nullable=False),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.Column("received_count", sa.Integer(), nullable=False),
        sa.Column("message_bytes", sa.Integer(), nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("message_sha256"),
    )
    op.create_index("quarantine_by_order", "quarantine", ["device", "epoch", "seq"], unique=False)
    op.create_table(
        "reconciliations",
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_hash", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("device", "epoch", "last_seq"),
    )
    op.create_table(
        "referral_steps",
        sa.Column("source", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("referral_id", sa.String(length=36), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("source", "device"),
    )
    op.create_index("referral_steps_by_encounter", "referral_steps", ["device", "encounter_id"], unique=False)
    op.create_index(
        "referral_steps_in_order", "referral_steps", ["device", "referral_id", "at", "source"], unique=False
    )
    op.create_table(
        "referrals",
        sa.Column("referral_id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("tier", sa.String(length=16), nullable=False),
        sa.Column("finding_ids", sa.JSON(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("step_at", sa.DateTime(), nullable=False),
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("referral_id", "device"),
    )
    op.create_index("referrals_by_encounter", "referrals", ["device", "encounter_id"], unique=False)
    op.create_index("referrals_by_step", "referrals", ["step", "step_at", "referral_id", "device"], unique=False)
    op.create_table(
        "refusals",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("cohort", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "device"),
    )
    op.create_table(
        "responses",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("command_id", sa.String(length=36), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=200), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "device"),
    )
    op.create_table(
        "roster_people",
        sa.Column("cohort", sa.String(length=32), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("participant", sa.String(length=16), nullable=False),
        sa.Column("unit", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("cohort", "wave", "participant"),
    )
    op.create_index("roster_people_by_participant", "roster_people", ["participant"], unique=False)
    op.create_table(
        "rosters",
        sa.Column("cohort", sa.String(length=32), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(length=32), nullable=False),
        sa.Column("eligible", sa.Integer(), nullable=False),
        sa.Column("by_name", sa.Boolean(), nullable=False),
        sa.Column("imported_at", sa.DateTime(), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("cohort", "wave", "unit"),
    )
    op.create_table(
        "sample",
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=40), nullable=True),
        sa.Column("tier", sa.String(length=16), nullable=True),
        sa.Column("answered_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("encounter_id", "device"),
    )
    op.create_index("sample_by_state", "sample", ["state", "drawn_at"], unique=False)
    op.create_table(
        "sample_key",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "sample_shares",
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("since"),
    )
    op.create_table(
        "sign_in_debts",
        sa.Column("name_sha256", sa.String(length=64), nullable=False),
        sa.Column("paid_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name_sha256"),
    )
    op.create_table(
        "tombstones",
        sa.Column("participant", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("erased", sa.BigInteger(), nullable=False),
        sa.Column("swept", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("participant"),
    )
    op.create_table(
        "unheld",
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", "epoch", "first_seq"),
    )
    op.create_table(
        "worklist",
        sa.Column("encounter_id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=32), nullable=False),
        sa.Column("cohort", sa.String(length=32), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("urgency", sa.SmallInteger(), nullable=False),
        sa.Column("tier", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=40), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("card_sha256", sa.String(length=64), nullable=True),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("referral_tier", sa.String(length=16), nullable=True),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("answer_label", sa.String(length=40), nullable=True),
        sa.Column("answer_tier", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("encounter_id", "device"),
    )
    op.create_index(
        "worklist_by_answer", "worklist", ["answer_label", "label", "site", "device", "decided_at"], unique=False
    )
    op.create_index(
        "worklist_by_cohort",
        "worklist",
        ["cohort", "state", "urgency", "since", "encounter_id", "device"],
        unique=False,
    )
    op.create_index(
        "worklist_by_label", "worklist", ["label", "state", "urgency", "since", "encounter_id", "device"], unique=False
    )
    op.create_index(
        "worklist_by_site", "worklist", ["site", "state", "urgency", "since", "encounter_id", "device"], unique=False
    )
    op.create_index(
        "worklist_by_urgency", "worklist", ["state", "urgency", "since", "encounter_id", "device"], unique=False
    )
    op.create_index("worklist_counts", "worklist", ["state", "tier", "blind", "site"], unique=False)
