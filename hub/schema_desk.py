"""The tables of the desk: what people work through, what they answered, and who is expected where.

Those of hub/desk/intake.py are made from events and can be made again from them (hub/desk/rebuilding.py); the others
hold what people said, which stands nowhere else. A row about a person names the encounter, and goes with it
(hub/desk/erasing.py).
"""

from __future__ import annotations

import sqlalchemy as sa

from hub.instant import Instant
from hub.schema import metadata


def _encounter(*, key: bool = False) -> tuple[sa.Column[str], sa.Column[str]]:
    """An encounter's id is its device's own word, so the two together name it."""
    return (
        sa.Column("encounter_id", sa.String(36), primary_key=key, nullable=False),
        sa.Column("device", sa.String(32), primary_key=key, nullable=False),
    )


# ---- made from events

# One row an encounter that a person should look at. urgency: 0 urgent, 1 routine, 2 a person decides, 3 self-care; the
# model's output in tier, label, score is hidden while blind (hub/desk/sampling.py). version: decisions so far.
# answer_*: what the reviewer's last standing decision says.
worklist = sa.Table(
    "worklist",
    metadata,
    *_encounter(key=True),
    sa.Column("site", sa.String(32), nullable=False),
    sa.Column("cohort", sa.String(32), nullable=False),
    sa.Column("wave", sa.Integer, nullable=False),
    sa.Column("urgency", sa.SmallInteger, nullable=False),
    sa.Column("tier", sa.String(16), nullable=False),
    sa.Column("label", sa.String(40)),
    sa.Column("score", sa.Float),
    sa.Column("card_sha256", sa.String(64)),
    sa.Column("findings", sa.Integer, nullable=False),
    sa.Column("referral_tier", sa.String(16)),
    sa.Column("since", Instant, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("blind", sa.Boolean, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("decided_by", sa.String(64)),
    sa.Column("decided_at", Instant),
    sa.Column("answer_label", sa.String(40)),
    sa.Column("answer_tier", sa.String(16)),
    sa.Index("worklist_by_answer", "answer_label", "label", "site", "device", "decided_at"),
    sa.Index("worklist_counts", "state", "tier", "blind", "site"),
    sa.Index("worklist_by_urgency", "state", "urgency", "since", "encounter_id", "device"),
    sa.Index("worklist_by_site", "site", "state", "urgency", "since", "encounter_id", "device"),
    sa.Index("worklist_by_cohort", "cohort", "state", "urgency", "since", "encounter_id", "device"),
    sa.Index("worklist_by_label", "label", "state", "urgency", "since", "encounter_id", "device"),
)

# A rendition, named by its bytes; finding_id is null for one that shows the whole view of somebody drawn for the blind
# sample. given_up: why its device does not have it any more.
pictures = sa.Table(
    "pictures",
    metadata,
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("encounter_id", sa.String(36), primary_key=True),
    sa.Column("picture_sha256", sa.String(64), primary_key=True),
    sa.Column("finding_id", sa.String(36)),
    sa.Column("rendition", sa.String(16), nullable=False),
    sa.Column("parts", sa.Integer, nullable=False),
    sa.Column("parts_here", sa.Integer, nullable=False),
    sa.Column("given_up", sa.String(16)),
)

picture_parts = sa.Table(
    "picture_parts",
    metadata,
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("encounter_id", sa.String(36), primary_key=True),
    sa.Column("picture_sha256", sa.String(64), primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True),
    sa.Column("event_id", sa.String(36), nullable=False),
)

# Who was drawn. probability: of being drawn by the device and by the hub, both. state: waiting (for the picture),
# blind, answered, urgent (never hidden, counted as answered), unblinded (shown since the picture did not come).
# label and tier: the reviewer's, before the model's output was shown.
sample = sa.Table(
    "sample",
    metadata,
    *_encounter(key=True),
    sa.Column("probability", sa.Float, nullable=False),
    sa.Column("drawn_at", Instant, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("label", sa.String(40)),
    sa.Column("tier", sa.String(16)),
    sa.Column("answered_at", Instant),
    sa.Index("sample_by_state", "state", "drawn_at"),
)

# step: the furthest of referral_steps. origin: who began it, the device or the hub.
referrals = sa.Table(
    "referrals",
    metadata,
    sa.Column("referral_id", sa.String(36), primary_key=True),
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("encounter_id", sa.String(36), nullable=False),
    sa.Column("site", sa.String(32), nullable=False),
    sa.Column("origin", sa.String(8), nullable=False),
    sa.Column("tier", sa.String(16), nullable=False),
    sa.Column("finding_ids", sa.JSON, nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Column("step", sa.String(16), nullable=False),
    sa.Column("step_at", Instant, nullable=False),
    sa.Column("place", sa.String(200), nullable=False),
    sa.Index("referrals_by_step", "step", "step_at", "referral_id", "device"),
    sa.Index("referrals_by_encounter", "device", "encounter_id"),
)

# source: the event of a device, or the command of the hub, that said so; each once.
referral_steps = sa.Table(
    "referral_steps",
    metadata,
    sa.Column("source", sa.String(36), primary_key=True),
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("encounter_id", sa.String(36), nullable=False),
    sa.Column("referral_id", sa.String(36), nullable=False),
    sa.Column("step", sa.String(16), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("by", sa.String(64), nullable=False),
    sa.Column("place", sa.String(200), nullable=False),
    sa.Column("note", sa.String(200), nullable=False),
    sa.Index("referral_steps_in_order", "device", "referral_id", "at", "source"),
    sa.Index("referral_steps_by_encounter", "device", "encounter_id"),
)

# ---- said by people

# Never changed and never removed but with the person: an undo is a further row. number: from 1, one more each.
decisions = sa.Table(
    "decisions",
    metadata,
    *_encounter(key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("label", sa.String(40)),
    sa.Column("tier", sa.String(16)),
    sa.Column("blind", sa.Boolean, nullable=False),
    sa.Column("undoes", sa.Integer),
    sa.Column("referral_id", sa.String(36)),
    sa.Index("decisions_by_time", "at"),
)

# Which command to a device is about which encounter, so that it goes with it.
encounter_commands = sa.Table(
    "encounter_commands",
    metadata,
    sa.Column("command_id", sa.String(36), primary_key=True),
    *_encounter(),
    sa.Index("encounter_commands_by_encounter", "device", "encounter_id"),
)

# due_on: a day. done: by a later encounter of the same person, or said by hand; overdue is counted, never stored.
follow_ups = sa.Table(
    "follow_ups",
    metadata,
    *_encounter(key=True),
    sa.Column("visit", sa.String(32), primary_key=True),
    sa.Column("site", sa.String(32), nullable=False),
    sa.Column("cohort", sa.String(32), nullable=False),
    sa.Column("participant", sa.String(16), nullable=False),
    sa.Column("tier", sa.String(16), nullable=False),
    sa.Column("due_on", sa.Date, nullable=False),
    sa.Column("done_at", Instant),
    sa.Column("done_by", sa.String(64)),
    sa.Index("follow_ups_due", "done_at", "due_on", "encounter_id"),
    sa.Index("follow_ups_by_participant", "participant"),
)

# Who is expected: a village or a class in one wave of a cohort.
rosters = sa.Table(
    "rosters",
    metadata,
    sa.Column("cohort", sa.String(32), primary_key=True),
    sa.Column("wave", sa.Integer, primary_key=True),
    sa.Column("unit", sa.String(32), primary_key=True),
    sa.Column("eligible", sa.Integer, nullable=False),
    sa.Column("by_name", sa.Boolean, nullable=False),
    sa.Column("imported_at", Instant, nullable=False),
    sa.Column("account", sa.String(64), nullable=False),
)

roster_people = sa.Table(
    "roster_people",
    metadata,
    sa.Column("cohort", sa.String(32), primary_key=True),
    sa.Column("wave", sa.Integer, primary_key=True),
    sa.Column("participant", sa.String(16), primary_key=True),
    sa.Column("unit", sa.String(32), nullable=False),
    sa.Index("roster_people_by_participant", "participant"),
)

# What this hub's people say of a model, by its card; a device's own word of a model's status counts for nothing.
models = sa.Table(
    "models",
    metadata,
    sa.Column("card_sha256", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("version", sa.String(200), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("labels", sa.JSON, nullable=False),
    sa.Column("not_covered", sa.JSON, nullable=False),
    sa.Column("added_at", Instant, nullable=False),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Index("models_by_name", "name", "version"),
)

# Of nobody in particular: which site, in which role, one of four questions, 1 (no) to 5 (yes).
feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("feedback_id", sa.String(36), primary_key=True),
    sa.Column("role", sa.String(8), primary_key=True),
    sa.Column("question", sa.String(16), primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("site", sa.String(32), nullable=False),
    sa.Column("value", sa.SmallInteger, nullable=False),
    sa.Index("feedback_by_role", "role", "question", "value"),
)

# The hub's own share of the blind sample, from when on; a draw goes by the share of its day, and can be repeated.
sample_shares = sa.Table(
    "sample_shares",
    metadata,
    sa.Column("since", Instant, primary_key=True),
    sa.Column("share", sa.Float, nullable=False),
)

# One row: the secret by which people are drawn.
sample_key = sa.Table(
    "sample_key",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.LargeBinary(32), nullable=False),
)

# Which day's work was done.
daily_runs = sa.Table(
    "daily_runs",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("done_at", Instant, nullable=False),
    sa.Column("counts", sa.JSON, nullable=False),
)
