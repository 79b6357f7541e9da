"""What the worklist's pages read: items by urgency and age, one of them whole, and its picture.

Pages are found by key, not by offset, so the thousandth costs what the first does. While an item is blind, nothing
that the model said leaves here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from hub.desk import pictures
from hub.desk.deciding import OF_BLIND, OF_OPEN, Action
from hub.desk.pictures import Picture
from hub.desk.urgency import URGENCY
from hub.queries_referrals import ReferralRow, of_encounter
from hub.schema import encounters, findings
from hub.schema_desk import decisions, worklist

PAGE_ROWS = 50
State = Literal["open", "waiting", "accepted", "rejected", "referred", "picture_asked", "answered"]
STATES: tuple[State, ...] = ("open", "accepted", "rejected", "referred", "picture_asked", "answered", "waiting")


class Place(NamedTuple):
    """Where a page ends, for the next to go on from."""

    urgency: int
    since: datetime
    encounter_id: str
    device: str


@dataclass(frozen=True)
class Filter:
    """Empty means all. label, tier: of the model, so that blind items are in neither."""

    state: State = "open"
    site: str = ""
    cohort: str = ""
    label: str = ""
    tier: str = ""


@dataclass(frozen=True)
class Item:
    """One person to look at. findings, label, score and tier are None while the item is blind."""

    encounter_id: str
    device: str
    site: str
    cohort: str
    wave: int
    since: datetime
    state: State
    blind: bool
    version: int
    findings: int | None
    label: str | None
    score: float | None
    tier: str | None
    referral_asked: bool | None
    decided_by: str | None
    decided_at: datetime | None
    answer_label: str | None
    answer_tier: str | None
    place: Place

    @property
    def possible(self) -> Sequence[Action]:
        """What can be decided on it."""
        undo: tuple[Action, ...] = ("undo",) if self.version else ()
        if self.state == "open":
            return (*(OF_BLIND if self.blind else OF_OPEN), *undo)
        return undo


@dataclass(frozen=True)
class Page:
    """next: where the next page begins; None at the end."""

    items: Sequence[Item]
    next: Place | None


@dataclass(frozen=True)
class Seen:
    """One finding of an item, and the model that it came from. score is not a probability."""

    finding_id: str
    label: str
    score: float
    tier: str
    body_site: str
    captured_at: datetime
    box_px: Sequence[float]
    frame_size_px: Sequence[int]
    model_name: str
    model_version: str
    card_sha256: str


@dataclass(frozen=True)
class Said:
    """One decision of the item's history."""

    number: int
    at: datetime
    account: str
    action: Action
    label: str | None
    tier: str | None
    blind: bool
    undoes: int | None


@dataclass(frozen=True)
class Detail:
    """An item whole. findings and referrals are empty while it is blind; history always tells."""

    item: Item
    participant: str | None
    pictures_agreed: bool | None
    shots: int | None
    duration_ms: int | None
    findings: Sequence[Seen]
    history: Sequence[Said]
    referrals: Sequence[ReferralRow]


@dataclass(frozen=True)
class Counts:
    """Open items by tier as far as it is shown, and how many are blind, so of no tier."""

    by_tier: Mapping[str, int]
    blind: int

    @property
    def total(self) -> int:
        return sum(self.by_tier.values()) + self.blind


def page(connection: sa.Connection, wanted: Filter, after: Place | None = None, rows: int = PAGE_ROWS) -> Page:
    """The items of a state, the most urgent first, of these the oldest."""
    order = (worklist.c.urgency, worklist.c.since, worklist.c.encounter_id, worklist.c.device)
    query = sa.select(worklist).where(*_conditions(wanted)).order_by(*order).limit(rows + 1)
    if after is not None:
        query = query.where(sa.tuple_(*order) > sa.tuple_(*_bound(after)))
    found = [_item(row) for row in connection.execute(query).mappings()]
    more = len(found) > rows
    return Page(found[:rows], found[rows - 1].place if more else None)


def detail(connection: sa.Connection, device: str, encounter_id: str) -> Detail | None:
    """None for an item that is not there, or not any more."""
    mine = worklist.c.device == device, worklist.c.encounter_id == encounter_id
    row = connection.execute(sa.select(worklist).where(*mine)).mappings().one_or_none()
    if row is None:
        return None
    item = _item(row)
    of = encounters.c.device == device, encounters.c.encounter_id == encounter_id
    names = ("participant", "pictures_agreed", "shots", "duration_ms")
    known = connection.execute(sa.select(*(encounters.c[name] for name in names)).where(*of)).mappings().one_or_none()
    told: Mapping[str, Any] = dict(known) if known is not None else dict.fromkeys(names)
    return Detail(
        item=item,
        findings=() if item.blind else _findings(connection, device, encounter_id),
        history=_history(connection, device, encounter_id),
        referrals=() if item.blind else of_encounter(connection, device, encounter_id),
        **told,
    )


def picture(connection: sa.Connection, device: str, encounter_id: str, finding_id: str | None = None) -> Picture:
    """Of a finding, or the whole view; of a blind item only the whole view, since a crop would tell."""
    mine = worklist.c.device == device, worklist.c.encounter_id == encounter_id
    blind = connection.execute(sa.select(worklist.c.blind).where(*mine)).scalar_one_or_none()
    if finding_id is None or blind:
        return pictures.whole_view(connection, device, encounter_id)
    return pictures.of_finding(connection, device, encounter_id, finding_id)


def counts(connection: sa.Connection, site: str = "") -> Counts:
    """Of the open items, at one site or at all."""
    keys = worklist.c.tier, worklist.c.blind
    conditions = [worklist.c.state == "open", *([worklist.c.site == site] if site else [])]
    query = sa.select(*keys, sa.func.count()).where(*conditions).group_by(*keys)
    by_tier, blind = dict.fromkeys(URGENCY, 0), 0
    for tier, hidden, count in connection.execute(query):
        if hidden:
            blind += count
        else:
            by_tier[tier] += count
    return Counts({str(tier): count for tier, count in by_tier.items()}, blind)


def choices(connection: sa.Connection) -> Mapping[str, Sequence[str]]:
    """What can be filtered by: the sites, cohorts and labels that there are."""
    columns = {"site": worklist.c.site, "cohort": worklist.c.cohort, "label": worklist.c.label}
    return {name: _distinct(connection, column) for name, column in columns.items()}


def _distinct(connection: sa.Connection, column: sa.Column[Any]) -> list[str]:
    """By a loose index scan (https://wiki.postgresql.org/wiki/Loose_indexscan): one seek a value, not a row."""
    first = sa.select(sa.func.min(column).label("value"))
    walk = first.cte("walk", recursive=True)
    following = sa.select(sa.func.min(column)).where(column > walk.c.value).scalar_subquery()
    walk = walk.union_all(sa.select(following).where(walk.c.value.is_not(None)))
    return [str(value) for value in connection.execute(sa.select(walk.c.value)).scalars() if value is not None]


def _conditions(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [worklist.c.state == wanted.state]
    if wanted.site:
        conditions.append(worklist.c.site == wanted.site)
    if wanted.cohort:
        conditions.append(worklist.c.cohort == wanted.cohort)
    if wanted.label:
        conditions.append(worklist.c.label == wanted.label)
    if wanted.tier:
        conditions.append(worklist.c.tier == wanted.tier)
    if wanted.label or wanted.tier:
        conditions.append(worklist.c.blind.is_(False))
    return conditions


def _bound(after: Place) -> Sequence[sa.ColumnElement[Any]]:
    columns = (worklist.c.urgency, worklist.c.since, worklist.c.encounter_id, worklist.c.device)
    return [sa.literal(value, column.type) for value, column in zip(after, columns, strict=True)]


def _item(row: sa.RowMapping) -> Item:
    hidden = ("findings", "label", "score", "tier")
    names = set(Item.__dataclass_fields__) - {"place", "referral_asked", *hidden}
    shown = dict.fromkeys(hidden) if row["blind"] else {name: row[name] for name in hidden}
    asked = None if row["blind"] else row["referral_tier"] is not None
    place = Place(row["urgency"], row["since"], row["encounter_id"], row["device"])
    return Item(**{name: row[name] for name in names}, **shown, referral_asked=asked, place=place)


def _findings(connection: sa.Connection, device: str, encounter_id: str) -> list[Seen]:
    mine = findings.c.device == device, findings.c.encounter_id == encounter_id
    columns = (findings.c[name] for name in Seen.__dataclass_fields__)
    rows = connection.execute(sa.select(*columns).where(*mine).order_by(findings.c.finding_id)).mappings()
    return sorted((Seen(**row) for row in rows), key=lambda seen: -seen.score)


def _history(connection: sa.Connection, device: str, encounter_id: str) -> list[Said]:
    mine = decisions.c.device == device, decisions.c.encounter_id == encounter_id
    columns = (decisions.c[name] for name in Said.__dataclass_fields__)
    return [
        Said(**row)
        for row in connection.execute(sa.select(*columns).where(*mine).order_by(decisions.c.number)).mappings()
    ]
