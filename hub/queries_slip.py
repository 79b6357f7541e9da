"""What a person's slip says: what was looked at, what was found, what to do, where, and when to come again.

"Nothing found" always names the model and what it covers; where this hub knows no card of it, it says that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from hub import queries_models
from hub.desk.models import registered
from hub.desk.urgency import URGENCY, counted_tier
from hub.queries_follow_ups import history_of
from hub.queries_referrals import of_encounter
from hub.schema import encounters, findings
from hub.schema_desk import worklist


@dataclass(frozen=True)
class SlipFinding:
    """One thing that the model saw; tier is the one that counts here."""

    label: str
    body_site: str
    tier: str


@dataclass(frozen=True)
class SlipModel:
    """What looked. labels is None where this hub has no card of it and cannot say what it covers."""

    text: str
    labels: Sequence[str] | None
    not_covered: Sequence[str]


@dataclass(frozen=True)
class Slip:
    """blind: drawn for the sample and not answered yet, so findings and tier wait, and the slip says "later".

    tier: the reviewer's where a reviewer has decided, else the worst of the findings'; None where nothing was found.
    reviewed_label: "nothing" where a reviewer saw nothing. place: of an accepted referral, "" for none.
    """

    participant: str | None
    encounter_id: str
    device: str
    site: str
    at: datetime | None
    outcome: str | None
    shots: int | None
    blind: bool
    findings: Sequence[SlipFinding]
    tier: str | None
    reviewed: bool
    reviewed_label: str | None
    place: str
    models: Sequence[SlipModel]
    follow_ups: Sequence[date]

    @property
    def nothing_found(self) -> bool:
        """By the model; what a reviewer says stands beside it."""
        return not self.blind and self.outcome == "completed" and not self.findings


def slip(connection: sa.Connection, device: str, encounter_id: str) -> Slip | None:
    """None for an encounter that is not here, or not any more."""
    mine = encounters.c.device == device, encounters.c.encounter_id == encounter_id
    row = connection.execute(sa.select(encounters).where(*mine)).mappings().one_or_none()
    if row is None:
        return None
    of_item = worklist.c.device == device, worklist.c.encounter_id == encounter_id
    item = connection.execute(sa.select(worklist).where(*of_item)).mappings().one_or_none()
    blind = item is not None and bool(item["blind"])
    found, models = _found(connection, device, encounter_id)
    reviewed = item is not None and item["answer_tier"] is not None
    accepted = [each for each in of_encounter(connection, device, encounter_id) if each.step in {"accepted", "seen"}]
    worst = min((each.tier for each in found), key=lambda tier: URGENCY[tier], default=None)  # type: ignore[index]
    due = [due_on for _, due_on, done_at in history_of(connection, device, encounter_id) if done_at is None]
    return Slip(
        participant=row["participant"],
        encounter_id=encounter_id,
        device=device,
        site=row["site"],
        at=row["closed_at"] or row["opened_at"],
        outcome=row["outcome"],
        shots=row["shots"],
        blind=blind,
        findings=() if blind else found,
        tier=None if blind else (item["answer_tier"] if item is not None and reviewed else worst),
        reviewed=reviewed,
        reviewed_label=item["answer_label"] if item is not None and reviewed else None,
        place="" if blind or not accepted else accepted[0].place,
        models=models,
        follow_ups=() if blind else due,
    )


def _found(connection: sa.Connection, device: str, encounter_id: str) -> tuple[list[SlipFinding], list[SlipModel]]:
    """With the models that these came from; where there is nothing, the model that the device names."""
    known = {each.card_sha256: each for each in registered(connection)}
    mine = findings.c.device == device, findings.c.encounter_id == encounter_id
    found, models = [], {}
    for row in connection.execute(sa.select(findings).where(*mine).order_by(findings.c.finding_id)).mappings():
        card = known.get(row["card_sha256"])
        labels = card.labels if card is not None else None
        found.append(SlipFinding(row["label"], row["body_site"], counted_tier(row["tier"], labels)))
        text = f"{row['model_name']} {row['model_version']}"
        models[text] = SlipModel(text, labels, card.not_covered if card is not None else ())
    named = queries_models.named_by(connection, device) if not models else None
    if named is not None:
        card = queries_models.of_name(connection, named)
        models[named] = SlipModel(
            named, card.labels if card is not None else None, card.not_covered if card is not None else ()
        )
    return found, list(models.values())
