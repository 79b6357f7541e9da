"""What a person's slip tells: what was looked at, what was found, what to do, where. By participant or by encounter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.queries_referrals import of_encounter
from hub.schema import device_states, encounters, findings
from hub.schema_desk import worklist

VISITS_SHOWN = 20
CLOSED_STEPS = frozenset({"declined", "expired"})


@dataclass(frozen=True)
class Marked:
    """A finding in the fewest words."""

    label: str
    body_site: str


@dataclass(frozen=True)
class Slip:
    """Of one encounter. looked: a reviewer has answered. hidden: one has yet to, blindly, so nothing is told.

    tier: what to do; "nothing" where nothing was found or the reviewer says so. device_model: as its device named it.
    """

    encounter_id: str
    device: str
    site: str
    participant: str | None
    at: datetime | None
    finished: bool
    marked: Sequence[Marked]
    looked: bool
    hidden: bool
    tier: str
    place: str
    models: Sequence[str]
    device_model: str | None


@dataclass(frozen=True)
class Visited:
    """One encounter of a participant."""

    device: str
    encounter_id: str
    site: str
    at: datetime | None


def slip(connection: sa.Connection, device: str, encounter_id: str) -> Slip | None:
    """None for an encounter that is not here, or not any more."""
    mine = encounters.c.device == device, encounters.c.encounter_id == encounter_id
    row = connection.execute(sa.select(encounters).where(*mine)).mappings().one_or_none()
    if row is None:
        return None
    of = worklist.c.device == device, worklist.c.encounter_id == encounter_id
    item = connection.execute(sa.select(worklist).where(*of)).mappings().one_or_none()
    hidden = item is not None and item["blind"]
    found = [] if hidden else _found(connection, device, encounter_id)
    places = [each.place for each in of_encounter(connection, device, encounter_id) if each.step not in CLOSED_STEPS]
    return Slip(
        encounter_id=encounter_id,
        device=device,
        site=row["site"],
        participant=row["participant"],
        at=row["closed_at"] or row["opened_at"],
        finished=row["outcome"] == "completed",
        marked=[Marked(each["label"], each["body_site"]) for each in found],
        looked=item is not None and item["answer_label"] is not None,
        hidden=hidden,
        tier=_tier(item),
        place=next((place for place in places if place), ""),
        models=sorted({f"{each['model_name']} {each['model_version']}" for each in found}),
        device_model=_device_model(connection, device),
    )


def visits_of(connection: sa.Connection, participant: str) -> Sequence[Visited]:
    """A participant's encounters, newest first."""
    query = sa.select(encounters).where(encounters.c.participant == participant)
    rows = connection.execute(query.order_by(encounters.c.opened_at.desc()).limit(VISITS_SHOWN)).mappings()
    return [
        Visited(row["device"], row["encounter_id"], row["site"], row["opened_at"] or row["closed_at"]) for row in rows
    ]


def _tier(item: sa.RowMapping | None) -> str:
    """The reviewer's word before the model's; somebody whose answer is hidden waits for a person."""
    if item is None:
        return "nothing"
    if item["blind"]:
        return "person"
    if item["answer_label"] is not None:
        return "nothing" if item["answer_label"] == "nothing" else str(item["answer_tier"])
    return str(item["tier"]) if item["findings"] else "person"


def _found(connection: sa.Connection, device: str, encounter_id: str) -> Sequence[sa.RowMapping]:
    columns = (findings.c[name] for name in ("label", "body_site", "model_name", "model_version"))
    mine = findings.c.device == device, findings.c.encounter_id == encounter_id
    return connection.execute(sa.select(*columns).where(*mine).order_by(findings.c.score.desc())).mappings().all()


def _device_model(connection: sa.Connection, device: str) -> str | None:
    query = sa.select(device_states.c.state).where(device_states.c.device == device)
    state: Any = connection.execute(query).scalar_one_or_none()
    return str(state["model"]) if isinstance(state, dict) and "model" in state else None
