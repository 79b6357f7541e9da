"""One row of the worklist an encounter: made and moved by events, answered by people (hub/desk/deciding.py)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from edge.encounter import Encounter
from edge.wire import Tier
from hub.database import upsert
from hub.desk.urgency import BLIND_URGENCY, URGENCY
from hub.opening import Opened
from hub.schema_desk import pictures, sample, worklist


def find(connection: sa.Connection, device: str, encounter_id: str) -> dict[str, Any] | None:
    """The row, or None where nobody need look at this encounter."""
    mine = worklist.c.device == device, worklist.c.encounter_id == encounter_id
    row = connection.execute(sa.select(worklist).where(*mine)).mappings().one_or_none()
    return None if row is None else dict(row)


def change(connection: sa.Connection, device: str, encounter_id: str, **values: object) -> None:
    mine = worklist.c.device == device, worklist.c.encounter_id == encounter_id
    connection.execute(sa.update(worklist).where(*mine).values(values))


def open_item(connection: sa.Connection, opened: Opened, encounter: Encounter) -> dict[str, Any]:
    """The row of this encounter, a new one where it had none: nothing found yet, nothing hidden."""
    device, received_at = opened.device.device, opened.arrival.received_at
    row = find(connection, device, encounter.encounter_id)
    if row is None:
        row = {
            "encounter_id": encounter.encounter_id,
            "device": device,
            "site": opened.device.site,
            "cohort": encounter.cohort,
            "wave": encounter.wave,
            "urgency": URGENCY["person"],
            "tier": "person",
            "label": None,
            "score": None,
            "card_sha256": None,
            "findings": 0,
            "referral_tier": None,
            "since": received_at,
            "state": "open",
            "blind": False,
            "version": 0,
            "decided_by": None,
            "decided_at": None,
            "answer_label": None,
            "answer_tier": None,
        }
        connection.execute(sa.insert(worklist).values(row))
    elif received_at < row["since"]:
        row["since"] = received_at
        change(connection, device, encounter.encounter_id, since=received_at)
    return row


def take_finding(
    connection: sa.Connection, row: dict[str, Any], label: str, score: float, tier: Tier, card_sha256: str
) -> None:
    """One more finding: the row speaks of the most urgent, of these the surest, whatever order they come in."""
    new = (URGENCY[tier], -score, label)
    old = (URGENCY[row["tier"]], -row["score"], row["label"]) if row["findings"] else None
    values: dict[str, Any] = {"findings": row["findings"] + 1}
    if old is None or new < old:
        values |= {"tier": tier, "label": label, "score": score, "card_sha256": card_sha256}
    _keep(connection, row, {**values, "urgency": urgency({**row, **values})})
    _show_what_is_urgent(connection, row)


def take_referral(connection: sa.Connection, row: dict[str, Any], tier: Tier) -> None:
    """The device asks for a referral: a person must look, and at an urgent one at once."""
    before = row["referral_tier"]
    if before is None or URGENCY[tier] < URGENCY[before]:
        _keep(connection, row, {"referral_tier": tier, "urgency": urgency({**row, "referral_tier": tier})})
    _show_what_is_urgent(connection, row)


def take_draw(connection: sa.Connection, row: dict[str, Any], probability: float, at: datetime) -> None:
    """Drawn for the blind sample: hidden from here on, but for what is urgent, or answered already."""
    mine = {"device": row["device"], "encounter_id": row["encounter_id"]}
    is_here = whole_view(connection, **mine)
    hidden = row["version"] == 0 and row["urgency"] != URGENCY["urgent"]
    state = ("blind" if is_here else "waiting") if hidden else ("unblinded" if row["version"] else "urgent")
    drawn = upsert(connection, sample).values(**mine, probability=probability, drawn_at=at, state=state)
    if connection.execute(drawn.on_conflict_do_nothing().returning(sample.c.device)).first() is None or not hidden:
        return
    _keep(connection, row, {"blind": True, "urgency": BLIND_URGENCY, "state": "open" if is_here else "waiting"})


def take_view(connection: sa.Connection, device: str, encounter_id: str) -> None:
    """The whole view of somebody who was drawn is here: it can be answered."""
    row = find(connection, device, encounter_id)
    if row is not None and row["state"] == "waiting":
        _keep(connection, row, {"state": "open"})
        _change_sample(connection, row, state="blind")


def give_up_view(connection: sa.Connection, device: str, encounter_id: str) -> None:
    """No whole view will come: an item that waits for it is shown like any other, or goes where it has nothing."""
    row = find(connection, device, encounter_id)
    if row is not None and row["state"] == "waiting":
        unblind(connection, row, "unblinded")


def unblind(connection: sa.Connection, row: dict[str, Any], state: Literal["urgent", "unblinded"]) -> None:
    """Show what the model said; the encounter counts no more as answered blindly."""
    _change_sample(connection, row, state=state)
    if needs_eyes(row):
        shown = {"blind": False, "state": "open"}
        _keep(connection, row, {**shown, "urgency": urgency({**row, **shown})})
        return
    mine = worklist.c.device == row["device"], worklist.c.encounter_id == row["encounter_id"]
    connection.execute(sa.delete(worklist).where(*mine))


def whole_view(connection: sa.Connection, device: str, encounter_id: str) -> bool:
    """Whether a whole view of this encounter is here, all parts of it."""
    mine = pictures.c.device == device, pictures.c.encounter_id == encounter_id, pictures.c.finding_id.is_(None)
    query = sa.select(sa.literal(1)).where(*mine, pictures.c.parts > 0, pictures.c.parts_here == pictures.c.parts)
    return connection.execute(query.limit(1)).first() is not None


def needs_eyes(row: dict[str, Any]) -> bool:
    """Whether there is more to it than that it was drawn."""
    return bool(row["findings"] or row["referral_tier"] or row["version"])


def urgency(row: dict[str, Any]) -> int:
    """Its place: the more urgent of what the model said and what the device asks for; the same for all while hidden."""
    if row["blind"]:
        return BLIND_URGENCY
    tiers = [tier for tier in (row["tier"] if row["findings"] else None, row["referral_tier"]) if tier]
    return min((URGENCY[tier] for tier in tiers), default=URGENCY["person"])


def _show_what_is_urgent(connection: sa.Connection, row: dict[str, Any]) -> None:
    if row["blind"] and urgency({**row, "blind": False}) == URGENCY["urgent"]:
        unblind(connection, row, "urgent")


def _keep(connection: sa.Connection, row: dict[str, Any], values: dict[str, Any]) -> None:
    row.update(values)
    change(connection, row["device"], row["encounter_id"], **values)


def _change_sample(connection: sa.Connection, row: dict[str, Any], **values: object) -> None:
    mine = sample.c.device == row["device"], sample.c.encounter_id == row["encounter_id"]
    connection.execute(sa.update(sample).where(*mine).values(values))
