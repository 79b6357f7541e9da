"""What the quality page reads: how the model and the reviewers agree, what it misses, how often a frame is retaken.

Every row says how many it is from; under the floor it says so instead of a figure. Skin tone travels in no message of
version 1 of the wire, so nothing here is told by it: SKIN_TONE says why.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from hub import estimates
from hub.database import table_of_json
from hub.estimates import Answered, Drift, Estimate, Sensitivity
from hub.schema import encounters, findings
from hub.schema_desk import feedback, sample, worklist

ROWS_MIN = 30
"""Fewer give an interval that says nothing."""
CLUSTERS_MIN = 5
DRIFT_ROWS_MIN = 200
DRIFT_WINDOW = timedelta(days=30)
BINS = 10
SKIN_TONE: Literal["not_measured"] = "not_measured"
COUNTED = ("answered", "urgent")
"""States of the sample whose answer counts (hub/desk/sampling.py)."""
By = Literal["all", "site", "device", "label"]
ROLES = ("patient", "family", "nurse", "doctor")
QUESTIONS = ("feasibility", "reliability", "usability", "effectiveness")


@dataclass(frozen=True)
class Agreement:
    """Of reviewers with the model on what it is. kappa is None for too few, or where all gave one answer."""

    key: str
    answered: int
    agreed: Estimate | None
    kappa: Estimate | None


@dataclass(frozen=True)
class Retakes:
    """Frames that were not accepted, of all that were looked at; people: whose visits these were."""

    key: str
    people: int
    rate: Estimate | None


@dataclass(frozen=True)
class SampleState:
    """How far the blind sample is: waiting for a picture, to be answered, answered, shown after all."""

    waiting: int
    blind: int
    answered: int
    unblinded: int


@dataclass(frozen=True)
class Missed:
    """found is None for too few. positives: people of the sample with something to be seen, by the reviewers."""

    answered: int
    positives: int
    clusters: int
    found: Sensitivity | None


@dataclass(frozen=True)
class ModelDrift:
    """Of a model's scores: its first DRIFT_WINDOW at this hub against the last one. drift is None for too few."""

    name: str
    version: str
    card_sha256: str
    before: int
    recent: int
    drift: Drift | None


@dataclass(frozen=True)
class Cell:
    """What a role says to a question, 1 to 5. mean is None for no data."""

    answers: int
    mean: float | None


def agreement(connection: sa.Connection, by: By = "all", since: datetime | None = None) -> list[Agreement]:
    """From the reviewers' last standing answers. By label: this label or any other, a row for each."""
    told = sa.func.coalesce(worklist.c.label, "nothing").label("told")
    key = worklist.c[by] if by in ("site", "device") else sa.literal("all")
    query = sa.select(key.label("key"), told, worklist.c.answer_label, sa.func.count().label("rows"))
    query = query.where(worklist.c.answer_label > "")  # not null, as a range that the index can give
    if since is not None:
        query = query.where(worklist.c.decided_at >= since)
    tables: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for row in connection.execute(query.group_by("key", told, worklist.c.answer_label)):
        tables[row.key][row.told, row.answer_label] += row.rows
    if by == "label":
        tables = _one_by_one(tables["all"])
    return [_agreement(name, table) for name, table in sorted(tables.items())]


def sample_state(connection: sa.Connection) -> SampleState:
    """How many stand where."""
    query = sa.select(sample.c.state, sa.func.count().label("rows")).group_by(sample.c.state)
    found = {row.state: row.rows for row in connection.execute(query)}
    answered = found.get("answered", 0) + found.get("urgent", 0)
    return SampleState(found.get("waiting", 0), found.get("blind", 0), answered, found.get("unblinded", 0))


def missed(
    connection: sa.Connection, specificity: float, rng: random.Random, by: Literal["all", "site", "device"] = "all"
) -> Mapping[str, Missed]:
    """Sensitivity at a fixed specificity, of the model as a whole, by the blind sample; by key. rng: resamples."""
    joined = sample.join(
        worklist, sa.and_(worklist.c.device == sample.c.device, worklist.c.encounter_id == sample.c.encounter_id)
    )
    columns = (sample.c.label, sample.c.probability, worklist.c.score, worklist.c.site, worklist.c.device)
    query = sa.select(*columns).select_from(joined)
    query = query.where(sample.c.state.in_(COUNTED), sample.c.label.is_not(None))
    people: dict[str, list[Answered]] = defaultdict(list)
    for row in connection.execute(query):
        key = "all" if by == "all" else row.site if by == "site" else row.device
        answered = Answered(row.device, row.score or 0.0, row.label != "nothing", 1 / row.probability)
        people[key].append(answered)
    return {key: _missed(rows, specificity, rng) for key, rows in sorted(people.items())}


def retakes(connection: sa.Connection, by: Literal["all", "site", "device"] = "all") -> list[Retakes]:
    """By key; a visit is the unit, since frames of one visit are alike."""
    pairs: Any = table_of_json(connection, encounters.c.retakes)
    again = sa.select(sa.func.coalesce(sa.func.sum(sa.cast(pairs.c.value, sa.BigInteger)), 0))
    again_count = again.select_from(pairs).correlate(encounters).scalar_subquery()
    key = encounters.c[by] if by != "all" else sa.literal("all")
    visits = (
        sa.select(
            key.label("key"),
            sa.cast(again_count, sa.Float).label("again"),
            (sa.cast(again_count, sa.Float) + encounters.c.shots).label("frames"),
        )
        .where(encounters.c.outcome == "completed")
        .subquery()
    )
    again_c, frames = visits.c.again, visits.c.frames
    sums = [sa.func.sum(each) for each in (again_c, frames, again_c * again_c, frames * frames, again_c * frames)]
    query = sa.select(visits.c.key, sa.func.count(), *sums).group_by(visits.c.key).order_by(visits.c.key)
    found = []
    for name, people, *totals in connection.execute(query):
        enough = people >= ROWS_MIN and totals[1] > 0
        found.append(Retakes(name, people, estimates.ratio(people, *totals) if enough else None))
    return found


def drifts(connection: sa.Connection, now: datetime) -> list[ModelDrift]:
    """Of every model whose findings are here. A card holds no distribution of scores to compare with."""
    names = (findings.c.card_sha256, findings.c.model_name, findings.c.model_version)
    query = sa.select(*names, sa.func.min(findings.c.received_at).label("first")).group_by(*names)
    found = []
    for row in connection.execute(query).all():
        before = _histogram(connection, row.card_sha256, row.first, row.first + DRIFT_WINDOW)
        start = max(now - DRIFT_WINDOW, row.first + DRIFT_WINDOW)
        recent = _histogram(connection, row.card_sha256, start, now + DRIFT_WINDOW)
        enough = min(sum(before), sum(recent)) >= DRIFT_ROWS_MIN
        told = estimates.drift(before, recent) if enough else None
        found.append(ModelDrift(row.model_name, row.model_version, row.card_sha256, sum(before), sum(recent), told))
    return sorted(found, key=lambda each: (each.name, each.version, each.card_sha256))


def feedback_table(connection: sa.Connection) -> Mapping[tuple[str, str], Cell]:
    """By role and question, every cell of them."""
    keys = feedback.c.role, feedback.c.question
    query = sa.select(*keys, sa.func.count(), sa.func.avg(feedback.c.value)).group_by(*keys)
    found = {(role, question): Cell(count, float(mean)) for role, question, count, mean in connection.execute(query)}
    return {(role, each): found.get((role, each), Cell(0, None)) for role in ROLES for each in QUESTIONS}


def _one_by_one(table: Mapping[tuple[str, str], int]) -> dict[str, Counter[tuple[str, str]]]:
    tables: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for label in {name for pair in table for name in pair}:
        for (told, answered), rows in table.items():
            tables[label][label if told == label else "", label if answered == label else ""] += rows
    return tables


def _agreement(key: str, table: Mapping[tuple[str, str], int]) -> Agreement:
    answered = sum(table.values())
    if answered < ROWS_MIN:
        return Agreement(key, answered, None, None)
    same = sum(rows for (told, said), rows in table.items() if told == said)
    return Agreement(key, answered, estimates.wilson(same, answered), estimates.kappa(table))


def _missed(people: Sequence[Answered], specificity: float, rng: random.Random) -> Missed:
    positives, clusters = sum(each.positive for each in people), len({each.cluster for each in people})
    enough = min(positives, len(people) - positives) >= ROWS_MIN and clusters >= CLUSTERS_MIN
    found = estimates.sensitivity(people, specificity, rng) if enough else None
    return Missed(len(people), positives, clusters, found)


def _histogram(connection: sa.Connection, card_sha256: str, start: datetime, end: datetime) -> list[int]:
    """Of scores, in BINS of equal width; the last has 1.0 too."""
    scaled = findings.c.score * BINS
    # SQLite's cast cuts off; PostgreSQL's rounds.
    place = sa.cast(scaled if connection.dialect.name == "sqlite" else sa.func.floor(scaled), sa.Integer)
    mine = findings.c.card_sha256 == card_sha256, findings.c.received_at >= start, findings.c.received_at < end
    counts = [0] * BINS
    for at, rows in connection.execute(sa.select(place, sa.func.count()).where(*mine).group_by(place)):
        counts[min(max(at, 0), BINS - 1)] += rows
    return counts
