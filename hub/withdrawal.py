"""Who has withdrawn: erased here and at the devices, and never taken again, whichever way it comes.

The list stands in two places: a table, which every event is checked against, and a file beside the database, which no
restored backup takes back. `hub ingest` and `hub import` bring the two together when they start.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec
import sqlalchemy as sa

from edge import pseudonym
from edge.errors import StoreError, UsageError
from edge.events import Tombstone
from edge.wire import Participant, Time
from hub import commanding, person
from hub.auditing import CONSOLE, audit
from hub.database import empty_log, erase_for_good, upsert
from hub.desk.erasing import erase_encounter, erase_person
from hub.disk import to_disk
from hub.lock import beside
from hub.opening import Opened
from hub.projection import project
from hub.schema import commands, devices, encounters, events, findings, tombstones

FILE = "tombstones.jsonl"


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the file."""

    participant: Participant
    at: Time


@dataclass(frozen=True)
class Withdrawn:
    """erased: events here. told: devices that have answered. waiting: those that have not yet."""

    participant: str
    at: datetime
    erased: int
    told: int
    waiting: Sequence[str]


def listed(engine: sa.Engine) -> list[Withdrawn]:
    """All of them, oldest first."""
    told: Counter[str] = Counter()
    waiting: dict[str, list[str]] = defaultdict(list)
    with engine.connect() as connection:
        query = sa.select(commands.c.body, commands.c.device, commands.c.answered_at)
        for row in connection.execute(query.where(commands.c.type == "tombstone").order_by(commands.c.device)):
            if row.answered_at is None:
                waiting[row.body["participant"]].append(row.device)
            else:
                told[row.body["participant"]] += 1
        rows = connection.execute(sa.select(tombstones).order_by(tombstones.c.at)).all()
    return [
        Withdrawn(row.participant, row.at, row.erased, told[row.participant], waiting[row.participant]) for row in rows
    ]


def withdraw(directory: Path, engine: sa.Engine, participant: str, now: datetime) -> int:
    """Erase all that is about this participant, here and on every device, for ever; how many events that were.

    Raises UsageError where the check symbol does not fit, StoreError where the list cannot be written,
    AlreadyRunningError beside a restore.
    """
    name = pseudonym.normal(participant)
    if name is None:
        raise UsageError(
            f"expected a participant's pseudonym such as 7K3PQV, got {participant!r}: its check symbol does not fit, "
            "read it again"
        )
    with beside(directory):
        if name not in {line.participant for line in read(directory)}:
            _append(directory, Line(name, now))
        return bring_together(directory, engine, now)[name]


def bring_together(directory: Path, engine: sa.Engine, now: datetime) -> dict[str, int]:
    """Erase what the list names and this database still has or has not heard of; erased events by participant.

    Raises StoreError for a list that cannot be read or written, and what the database raises.
    """
    listed = {line.participant: line.at for line in read(directory)}
    with engine.begin() as connection:
        known = {row.participant: row for row in connection.execute(sa.select(tombstones))}
        # Heard of, and here all the same: a part of a database from before was put in this one's place.
        back = sa.select(events.c.participant).where(events.c.participant.in_(sa.select(tombstones.c.participant)))
        returned = set(connection.execute(back.distinct()).scalars())
    for participant in known.keys() - listed.keys():
        _append(directory, Line(participant, known[participant].at))
    at = {participant: row.at for participant, row in known.items()} | listed
    erased = {participant: row.erased for participant, row in known.items()}
    for participant in (listed.keys() - known.keys()) | returned:
        with engine.begin() as connection:
            erase_for_good(connection)
            count = erase(connection, participant)
            row = {"participant": participant, "at": at[participant], "erased": count, "swept": False}
            statement = upsert(connection, tombstones).values(row)
            again = {"erased": tombstones.c.erased + count, "swept": False}
            connection.execute(statement.on_conflict_do_update(index_elements=[tombstones.c.participant], set_=again))
            audit(connection, now, CONSOLE, "person.withdraw", detail=f"{count} events")
            for device in connection.execute(sa.select(devices.c.device)).scalars().all():
                commanding.queue(connection, device, Tombstone(at=now, participant=participant), now)
        erased[participant] = erased.get(participant, 0) + count
        empty_log(engine)
    return erased


def erase(connection: sa.Connection, participant: str) -> int:
    """What the pages and the tables hold of a participant; the places in the chain stay. How many events."""
    which = person.about(events, participant, person.encounters_of(connection, participant))
    mine = connection.execute(sa.select(events).where(which)).mappings().all()
    for row in mine:
        _erase_event(connection, row)
    erase_person(connection, participant)
    return len(mine)


def without_withdrawn(connection: sa.Connection, opened: Sequence[Opened]) -> list[Opened]:
    """What is about a participant who has withdrawn has lost its body, as if the device had sent its void."""
    about = {each.participant for each in opened} - {None}
    if not about:
        return list(opened)
    query = sa.select(tombstones.c.participant).where(tombstones.c.participant.in_(about))
    gone = set(connection.execute(query).scalars())
    return [
        replace(each, body=None, void_reason="consent_withdrawn", withdrawn=each.participant)
        if each.participant in gone
        else each
        for each in opened
    ]


def replace_content(connection: sa.Connection, opened: Opened) -> None:
    """An event that is here came again as its void, or its void as the event.

    A withdrawn consent takes the body away, whatever came first. A picture that was given up is taken where it comes
    after all, as from a file that was exported before.
    """
    mine = events.c.device == opened.device.device, events.c.event_id == opened.header.event_id
    row = connection.execute(sa.select(events).where(*mine)).mappings().one()
    if opened.void_reason == "consent_withdrawn":
        _erase_event(connection, row)
    elif opened.body is not None and row["void_reason"] == "picture_degraded":
        values = {
            "type": opened.type,
            "participant": opened.participant,
            "encounter_id": opened.encounter_id,
            "void_reason": None,
            "body": msgspec.to_builtins(opened.body),
        }
        connection.execute(sa.update(events).where(*mine).values(values))
        project(connection, [opened])


def read(directory: Path) -> list[Line]:
    """The list. Raises StoreError for one that is damaged."""
    path = directory / FILE
    try:
        return [msgspec.json.decode(line, type=Line) for line in _whole(path.read_bytes()).splitlines()]
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(
            f"expected the list of withdrawn participants at {path}; {error}; put it back from its backup: without it "
            "events of people who have withdrawn would be taken"
        ) from error


def _append(directory: Path, line: Line) -> None:
    """On the disk when this returns, before anything is erased."""
    path = directory / FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.ftruncate(descriptor, len(_whole(path.read_bytes())))
            os.write(descriptor, msgspec.json.encode(line) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        to_disk(directory)
    except OSError as error:
        raise StoreError(f"expected to write the list of withdrawn participants at {path}; {error}") from error


def _whole(data: bytes) -> bytes:
    """Without a last line that a power cut has torn: nothing was erased for it yet."""
    return data[: data.rfind(b"\n") + 1]


def _erase_event(connection: sa.Connection, row: sa.RowMapping) -> None:
    device, encounter_id = row["device"], row["encounter_id"]
    if row["type"] == "finding":
        mine = findings.c.device == device, findings.c.event_id == row["event_id"]
        connection.execute(sa.delete(findings).where(*mine))
    if encounter_id is not None:
        mine = encounters.c.device == device, encounters.c.encounter_id == encounter_id
        connection.execute(sa.delete(encounters).where(*mine))
        erase_encounter(connection, device, encounter_id)
    gone = dict.fromkeys(("participant", "encounter_id", "body"))
    values = {**gone, "type": "void", "void_reason": "consent_withdrawn"}
    same = events.c.device == device, events.c.event_id == row["event_id"]
    connection.execute(sa.update(events).where(*same).values(values))
