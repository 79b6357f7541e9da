"""Events into the database, once by device and event_id, many in one transaction; and what devices say of themselves.

Nothing is acknowledged here. `write` returns after the commit, with the outcomes that may now be told to the devices.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol

import msgspec
import sqlalchemy as sa

from edge import failpoints
from edge.wire import State, Status
from hub import chains, commanding
from hub.database import upsert
from hub.opening import Opened, Refused
from hub.projection import project, store_responses
from hub.quarantine import alarm, hold, release_strangers
from hub.registry import Device
from hub.schema import device_states, events, ingest_state
from hub.withdrawal import replace_content, without_withdrawn


@dataclass(frozen=True)
class Outcome:
    """What a device may be told of one of its messages."""

    device: Device
    epoch: str
    seq: int
    event_id: str
    message_sha256: str
    outcome: Literal["stored", "quarantined"]
    is_new: bool = False
    generation: int = 0
    backed_up_to: int | None = None


@dataclass(frozen=True)
class DeviceReport:
    """A status or state of a registered device, as it came."""

    device: Device
    content: Status | State
    received_at: datetime
    retained: bool


@dataclass(frozen=True)
class Alarm:
    """What somebody should look at; `device` is "" where it is not registered."""

    kind: str
    device: str
    at: datetime
    detail: str
    count: int = 1


@dataclass(frozen=True)
class IngestState:
    """How `hub ingest` itself is doing."""

    at: datetime
    connected: bool
    problem: str
    waiting: int


class Database(Protocol):
    """Where transactions begin: an Engine, or a Mark on one."""

    def begin(self) -> AbstractContextManager[sa.Connection]: ...


class Store:
    """Writes; used from one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, messages: Sequence[Opened | Refused]) -> list[Outcome]:
        """All of them in one transaction, committed when this returns. Raises what the database raises."""
        refused = [each for each in messages if isinstance(each, Refused)]
        opened = [each for each in messages if isinstance(each, Opened)]
        with self._database.begin() as connection:
            told = without_withdrawn(connection, [each for each in opened if each.header.kind == "event"])
            present, new, other = _store_events(connection, told)
            held = hold(connection, [*refused, *other])
            for device, epoch in {(each.device.device, each.header.epoch) for each in told}:
                chains.advance(connection, device, epoch, told[-1].arrival.received_at)
            store_responses(connection, [each for each in opened if each.header.kind == "response"])
            outcomes = _outcomes(present, new, [*refused, *other], held)
            standing = _with_standing(connection, outcomes)
            failpoints.hit("hub.before_commit")
        return standing

    def note(self, reports: Sequence[DeviceReport], alarms: Sequence[Alarm], state: IngestState) -> None:
        """What devices and this process say of themselves; newest wins. And what was noticed."""
        with self._database.begin() as connection:
            for each in reports:
                _note_report(connection, each)
            for one in alarms:
                alarm(connection, one.kind, one.device, one.at, one.detail, one.count)
            row = {**vars(state), "problem": state.problem[:200]}
            connection.execute(
                upsert(connection, ingest_state)
                .values(id=1, **row)
                .on_conflict_do_update(index_elements=[ingest_state.c.id], set_=row)
            )


def _store_events(
    connection: sa.Connection, opened: Sequence[Opened]
) -> tuple[list[Opened], list[Opened], list[Refused]]:
    """Those that are in the database now; of them the new ones; and those whose id belongs to other bytes."""
    if not opened:
        return [], [], []
    ids = {each.header.event_id for each in opened}
    columns = (events.c.device, events.c.event_id, events.c.content_sha256, events.c.void_reason)
    rows = connection.execute(sa.select(*columns).where(events.c.event_id.in_(ids))).all()
    content: dict[tuple[str, str], str] = {(row.device, row.event_id): row.content_sha256 for row in rows}
    voids = {(row.device, row.event_id): row.void_reason for row in rows}
    new: list[Opened] = []
    present: list[Opened] = []
    other: list[Refused] = []
    changed: list[Opened] = []
    again: Counter[tuple[str, str]] = Counter()
    for each in opened:
        key = each.device.device, each.header.event_id
        if key not in content:
            content[key], voids[key] = each.content_sha256, each.void_reason
            new.append(each)
            present.append(each)
        elif content[key] == each.content_sha256:
            again[key] += 1
            present.append(each)
            if each.void_reason != voids[key]:
                changed.append(each)
        else:
            other.append(_other_bytes(each))
    if new:
        connection.execute(sa.insert(events), [_event_row(each) for each in new])
        project(connection, new)
        _alarm_repeated_seqs(connection, new)
        release_strangers(connection, [each.message_sha256 for each in new])
    for each in changed:
        replace_content(connection, each)
    if again:
        connection.execute(
            sa.update(events)
            .where(events.c.device == sa.bindparam("device_"), events.c.event_id == sa.bindparam("id_"))
            .values(received_count=events.c.received_count + sa.bindparam("times")),
            [{"device_": device, "id_": event_id, "times": times} for (device, event_id), times in again.items()],
        )
    return present, new, other


def _alarm_repeated_seqs(connection: sa.Connection, new: Sequence[Opened]) -> None:
    """Two events under one number of one device: its outbox was copied or set back, or its key is used elsewhere.

    Both are kept. Nothing tells which of them is the device's own history.
    """
    chains: dict[tuple[str, str], dict[int, Opened]] = defaultdict(dict)
    for each in new:
        chains[each.device.device, each.header.epoch][each.header.seq] = each
    for (device, epoch), by_seq in chains.items():
        same = (events.c.device == device, events.c.epoch == epoch, events.c.seq.in_(by_seq))
        query = sa.select(events.c.seq).where(*same).group_by(events.c.seq).having(sa.func.count() > 1)
        for seq in connection.execute(query).scalars().all():
            newest = by_seq[seq]
            detail = f"a second event, {newest.header.event_id}, has number {seq} of epoch {epoch}; both are kept"
            alarm(connection, "seq_repeated", device, newest.arrival.received_at, detail)


def _event_row(opened: Opened) -> dict[str, object]:
    header = opened.header
    return {
        "event_id": header.event_id,
        "device": opened.device.device,
        "site": opened.device.site,
        "epoch": header.epoch,
        "seq": header.seq,
        "type": opened.type,
        "priority": header.priority,
        "message_sha256": opened.message_sha256,
        "ciphertext_sha256": opened.ciphertext_sha256,
        "content_sha256": opened.content_sha256,
        "prev_hash": header.prev_hash,
        "received_at": opened.arrival.received_at,
        "received_count": 1,
        "participant": opened.participant,
        "encounter_id": opened.encounter_id,
        "void_reason": opened.void_reason,
        "body": msgspec.to_builtins(opened.body) if opened.body is not None else None,
    }


def _other_bytes(opened: Opened) -> Refused:
    detail = f"event {opened.header.event_id} is stored with other bytes; the first ones stay"
    return Refused(
        arrival=opened.arrival,
        reason="other_bytes",
        detail=detail,
        message_sha256=opened.message_sha256,
        claimed_device=opened.device.device,
        device=opened.device,
        header=opened.header,
        verified=True,
        participants=frozenset(each for each in (opened.participant, opened.withdrawn) if each is not None),
    )


def not_storable(opened: Opened, why: str) -> Refused:
    """An event that the database refuses on its own account, whatever else is in the batch."""
    return replace(_other_bytes(opened), reason="not_storable", detail=why)


def _outcomes(
    present: Sequence[Opened], new: Sequence[Opened], refused: Sequence[Refused], held: set[str]
) -> list[Outcome]:
    found: dict[str, Outcome] = {}
    first = {each.message_sha256 for each in new}
    for each in present:
        header, digest = each.header, each.message_sha256
        found[digest] = Outcome(
            each.device, header.epoch, header.seq, header.event_id, digest, "stored", is_new=digest in first
        )
    for one in refused:
        if one.device is not None and one.header is not None and one.message_sha256 in held:
            header = one.header
            found[one.message_sha256] = Outcome(
                one.device, header.epoch, header.seq, header.event_id, one.message_sha256, "quarantined"
            )
    return list(found.values())


def _with_standing(connection: sa.Connection, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """With what their acknowledgement says besides: the hub's generation, and how far its backup goes."""
    generations = commanding.generations(connection, [each.device.device for each in outcomes])
    backups = {
        (device, epoch): chains.read(connection, device, epoch).backed_up_to
        for device, epoch in {(each.device.device, each.epoch) for each in outcomes}
    }
    return [
        replace(
            each,
            generation=generations.get(each.device.device, 0),
            backed_up_to=backups[each.device.device, each.epoch],
        )
        for each in outcomes
    ]


def _note_report(connection: sa.Connection, each: DeviceReport) -> None:
    row: dict[str, object]
    if isinstance(each.content, Status):
        row = {"online": each.content.online, "status_at": each.content.ts}
    else:
        row = {"state": msgspec.to_builtins(each.content), "state_at": each.content.ts}
    spoke = isinstance(each.content, State) or each.content.online
    if spoke and not each.retained:
        row["last_seen_at"] = each.received_at
    connection.execute(
        upsert(connection, device_states)
        .values(device=each.device.device, **row)
        .on_conflict_do_update(index_elements=[device_states.c.device], set_=row)
    )
