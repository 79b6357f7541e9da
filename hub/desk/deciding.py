"""What a reviewer decides on an item of the worklist. Every decision is a row that stays; an undo is one more.

    open ──accept──▶ accepted      open ──refer──▶ referred      open ──another_picture──▶ picture_asked
         ──reject──▶ rejected      blind: ──answer──▶ open, or answered where there is no more to it
                                          ──cannot_tell──▶ open, with the model's output, out of the sample
    any of these ──undo──▶ what the decisions before it make of it

A reviewer says which version they saw. Of two on one item the second is told who was first, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from edge.errors import UsageError
from edge.events import PictureRequest
from edge.terms import groups
from edge.wire import Tier
from hub.auditing import audit
from hub.desk import items, referring
from hub.desk.people import participant_of
from hub.desk.urgency import URGENCY
from hub.schema_desk import decisions, referrals, sample

Action = Literal["accept", "reject", "refer", "another_picture", "answer", "cannot_tell", "undo"]
NOTHING = "nothing"
"""A reviewer's label where there is nothing to be seen."""
OTHER = "other"
AFTER: Mapping[Action, str] = {
    "accept": "accepted",
    "reject": "rejected",
    "refer": "referred",
    "another_picture": "picture_asked",
}
"""The state that a decision leads to; of the others it depends on the item."""
OF_BLIND: tuple[Action, ...] = ("answer", "cannot_tell")
OF_OPEN: tuple[Action, ...] = ("accept", "reject", "refer", "another_picture")


def reviewer_labels() -> list[str]:
    """What a reviewer may say that it is: the six groups, something else, nothing."""
    return [*groups(), OTHER, NOTHING]


@dataclass(frozen=True)
class Decision:
    """label, tier: the reviewer's own; None of an `accept` takes the model's. place, note: for the device to hear."""

    action: Action
    label: str | None = None
    tier: Tier | None = None
    place: str = ""
    note: str = ""
    finding_id: str | None = None


@dataclass(frozen=True)
class Decided:
    """Done. version: for the next decision."""

    version: int
    state: str


@dataclass(frozen=True)
class Meanwhile:
    """Nothing was done: somebody else answered first. by: None where the item is gone, as by a withdrawal."""

    by: str | None
    at: datetime | None
    state: str | None


@dataclass(frozen=True)
class Impossible:
    """Nothing was done: this decision is none for the item as it stands. reason: a key of words."""

    reason: Literal["not_now", "no_consent", "nothing_to_undo"]
    possible: Sequence[Action]


Outcome = Decided | Meanwhile | Impossible


def decide(
    connection: sa.Connection,
    device: str,
    encounter_id: str,
    version: int,
    decision: Decision,
    account: str,
    now: datetime,
) -> Outcome:
    """Within the caller's transaction, which is the only one that writes.

    Raises UsageError for a label or tier that is none, or that the action lacks, WireError for a text that is too long.
    """
    _check(decision)
    row = items.find(connection, device, encounter_id)
    if row is None:
        return Meanwhile(None, None, None)
    if row["version"] != version:
        return Meanwhile(row["decided_by"], row["decided_at"], row["state"])
    possible = _possible(row)
    if decision.action not in possible:
        return Impossible("nothing_to_undo" if decision.action == "undo" else "not_now", possible)
    participant = participant_of(connection, device, encounter_id)
    if decision.action in {"refer", "another_picture"} and participant is None:
        return Impossible("no_consent", possible)
    if decision.action == "undo":
        undoing = _undo(connection, row, account, now)
        if undoing is None:
            return Impossible("nothing_to_undo", possible)
        record = undoing
    else:
        record = _take(row, decision)
        record["referral_id"] = _tell_the_device(connection, row, decision, participant, account, now)
    record |= {"encounter_id": encounter_id, "device": device, "number": version + 1, "at": now, "account": account}
    connection.execute(sa.insert(decisions).values(record))
    state = stand(connection, row)
    audit(connection, now, account, f"decided_{decision.action}", encounter_id, state, participant=participant)
    return Decided(version + 1, state)


def stand(connection: sa.Connection, row: dict[str, Any]) -> str:
    """Bring an item to where its decisions lead, all of them in order; its state."""
    history = _history(connection, row)
    if not history:
        return str(row["state"])
    standing = _standing(history)
    _answer_sample(connection, row, history, standing)
    last = standing[-1] if standing else None
    values: dict[str, Any] = {
        "version": history[-1]["number"],
        "decided_by": history[-1]["account"],
        "decided_at": history[-1]["at"],
        "answer_label": last["label"] if last else None,
        "answer_tier": last["tier"] if last else None,
        "blind": False,  # what was decided on has been shown
        "state": _state(row, last),
    }
    values["urgency"] = items.urgency({**row, **values})
    items.change(connection, row["device"], row["encounter_id"], **values)
    return str(values["state"])


def _check(decision: Decision) -> None:
    if decision.label is not None and decision.label not in reviewer_labels():
        raise UsageError(f"expected a label out of {', '.join(reviewer_labels())}; got {decision.label!r}")
    if decision.tier is not None and decision.tier not in URGENCY:
        raise UsageError(f"expected a tier out of {', '.join(URGENCY)}; got {decision.tier!r}")
    if decision.action == "answer" and decision.label is None:
        raise UsageError("expected a label with an answer; got none: say what it is, or that there is nothing")


def _possible(row: dict[str, Any]) -> Sequence[Action]:
    undo: tuple[Action, ...] = ("undo",) if row["version"] else ()
    if row["state"] == "open":
        return (*(OF_BLIND if row["blind"] else OF_OPEN), *undo)
    return undo


def _take(row: dict[str, Any], decision: Decision) -> dict[str, Any]:
    """Label and tier as they stand in the history: an accepted one says what was accepted."""
    label, tier = decision.label, decision.tier
    if decision.action in {"accept", "refer"}:
        label, tier = label or row["label"] or OTHER, tier or row["tier"]
    elif decision.action in {"reject", "answer"}:
        label = label or NOTHING
        tier = tier or ("self_care" if label == NOTHING else "person")
    return {"action": decision.action, "label": label, "tier": tier, "blind": row["blind"], "undoes": None}


def _state(row: dict[str, Any], last: sa.RowMapping | None) -> str:
    if last is None:
        return "open"
    if last["action"] in AFTER:
        return AFTER[last["action"]]
    more_to_it = items.needs_eyes({**row, "version": 0}) or last["label"] != NOTHING
    return "open" if last["action"] == "cannot_tell" or more_to_it else "answered"


def _counts_for_sample(each: sa.RowMapping) -> bool:
    return bool(each["action"] == "answer" if each["blind"] else each["action"] in {"accept", "reject", "refer"})


def _answer_sample(
    connection: sa.Connection, row: dict[str, Any], history: Sequence[sa.RowMapping], standing: Sequence[sa.RowMapping]
) -> None:
    """The first standing answer is the sample's: blind, or in the open where the case was urgent."""
    answer = next((each for each in standing if _counts_for_sample(each)), None)
    names = {"label": "label", "tier": "tier", "answered_at": "at"}
    values = {name: answer[of] if answer is not None else None for name, of in names.items()}
    if any(each["blind"] for each in history):
        values["state"] = "answered" if answer is not None and answer["blind"] else "unblinded"
    mine = sample.c.device == row["device"], sample.c.encounter_id == row["encounter_id"]
    connection.execute(sa.update(sample).where(*mine).values(values))
    # Decided on in the open before it was known to be drawn.
    hidden = sample.c.state.in_(("waiting", "blind"))
    connection.execute(sa.update(sample).where(*mine, hidden).values(state="unblinded"))


def _history(connection: sa.Connection, row: dict[str, Any]) -> Sequence[sa.RowMapping]:
    mine = decisions.c.device == row["device"], decisions.c.encounter_id == row["encounter_id"]
    return connection.execute(sa.select(decisions).where(*mine).order_by(decisions.c.number)).mappings().all()


def _standing(history: Sequence[sa.RowMapping]) -> list[sa.RowMapping]:
    """Those that were not undone."""
    undone = {each["undoes"] for each in history}
    return [each for each in history if each["number"] not in undone and each["action"] != "undo"]


def _undo(connection: sa.Connection, row: dict[str, Any], account: str, now: datetime) -> dict[str, Any] | None:
    """Of the last decision that still stands; None where none does. What was hidden and then shown stays shown."""
    standing = _standing(_history(connection, row))
    if not standing:
        return None
    last = standing[-1]
    if last["referral_id"] is not None:
        referring.reply(connection, row["device"], last["referral_id"], "declined", account, now)
    return {"action": "undo", "label": None, "tier": None, "blind": False, "undoes": last["number"]}


def _tell_the_device(
    connection: sa.Connection,
    row: dict[str, Any],
    decision: Decision,
    participant: str | None,
    account: str,
    now: datetime,
) -> str | None:
    """The device that saw this person, and only it; the referral's id, if it is about one."""
    device, encounter_id = row["device"], row["encounter_id"]
    if decision.action == "another_picture" and participant is not None:
        body = PictureRequest(
            at=now,
            encounter_id=encounter_id,
            participant=participant,
            finding_id=decision.finding_id,
            note=decision.note,
        )
        referring.tell(connection, device, encounter_id, body, now)
    if decision.action != "refer":
        return None
    said = {"place": decision.place, "note": decision.note}
    mine = referrals.c.device == device, referrals.c.encounter_id == encounter_id, referrals.c.step == "requested"
    asked = connection.execute(sa.select(referrals.c.referral_id).where(*mine).order_by(referrals.c.since)).scalars()
    if (referral_id := asked.first()) is not None:
        referring.reply(connection, device, referral_id, "accepted", account, now, **said)
        return str(referral_id)
    tier: Tier = decision.tier or row["tier"]
    finding_ids = () if decision.finding_id is None else (decision.finding_id,)
    return referring.begin(connection, device, encounter_id, tier, finding_ids, account, now, **said)
