"""The hub's outbox to the devices: queued, sealed, sent, and kept until the device's sealed answer names it.

Any process of the hub queues a command, within its own transaction; `hub ingest` alone has the key to seal it. The
broker forgets, so what lacks its answer goes again: when a device says where it stands, which it does on every
connection, and every RESEND_AFTER. Devices do commands in the order of their numbers, each once.

The epochs of a device's commands count up, so that (epoch, seq) says of two commands which came later. That is how a
device which was set back is known: the hub has its answer to a later command than the last that it knows of.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import failpoints
from edge.chain import Chain as SealingChain
from edge.chain import Link
from edge.clock import uuid7
from edge.events import CommandApplied, CommandBody, ResendFrom, Resume, Tombstone
from edge.sealing import DeviceKeys, sha256
from edge.wire import FIRST_PREVIOUS, decode, encode
from hub import chains
from hub.database import upsert
from hub.quarantine import alarm
from hub.schema import commands, devices, links, tombstones

RESEND_AFTER = timedelta(seconds=30)
SENT_AT_ONCE = 16
"""Of one device's; it does them in order, and the next go when these are answered."""
GENERATION_MAX = 2**53
KEPT_BY_DEVICES = ("tombstone", "referral_reply", "referral_opened", "picture_request")
"""What a device that was set back has to be told again. What it lacks of events the hub sees otherwise."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Due:
    """A sealed command that is to be sent now."""

    command_id: str
    site: str
    device: str
    message: bytes


def queue(connection: sa.Connection, device: str, body: CommandBody, now: datetime) -> str:
    """A command for a device, to be sealed and sent; its id. Raises WireError for one that its device would refuse."""
    decode(encode(body), type(body))
    command_id = uuid7(now)
    connection.execute(
        sa.insert(commands).values(
            command_id=command_id,
            device=device,
            type=str(type(body).__struct_config__.tag),
            body=msgspec.to_builtins(body),
            queued_at=now,
        )
    )
    return command_id


def ask_again(connection: sa.Connection, device: str, epoch: str, seq: int, now: datetime) -> None:
    """Queue a resend_from. Its generation is above all before, also of a database that was set back since."""
    link = _link(connection, device, now)
    generation = min(max(link["generation"] + 1, int(now.timestamp() * 1000)), GENERATION_MAX)
    connection.execute(sa.update(links).where(links.c.device == device).values(generation=generation))
    queue(connection, device, ResendFrom(at=now, epoch=epoch, seq=seq, generation=generation), now)


def seal_queued(connection: sa.Connection, signer: Ed25519PrivateKey, now: datetime) -> None:
    """Seal what other processes have queued, each device's in the order of queueing.

    Where that fails, an alarm is raised once, and the commands of that device alone wait.
    """
    query = (
        sa.select(commands, devices.c.site, devices.c.seal_key)
        .join(devices, devices.c.device == commands.c.device)
        .where(commands.c.message.is_(None), commands.c.answered_at.is_(None))
        .order_by(commands.c.queued_at, commands.c.command_id)
    )
    waiting: set[str] = set()
    for row in connection.execute(query).mappings().all():
        device = row["device"]
        if device in waiting:
            continue
        link = _link(connection, device, now)
        try:
            sealed = _sealed(row, link, signer, now)
        except Exception as error:  # noqa: BLE001  (whatever it is about this device or command: the others go on)
            waiting.add(device)
            _note_unsealed(connection, row, error, now)
            continue
        place = {"epoch": link["command_epoch"], "seq": sealed.seq, "message": sealed.message, "detail": None}
        mine = commands.c.command_id == row["command_id"]
        connection.execute(sa.update(commands).where(mine).values(place))
        end = {"command_seq": sealed.seq, "command_hash": sealed.ciphertext_sha256}
        connection.execute(sa.update(links).where(links.c.device == device).values(end))


def _sealed(row: sa.RowMapping, link: Mapping[str, Any], signer: Ed25519PrivateKey, now: datetime) -> Link:
    keys = DeviceKeys(v=1, site=row["site"], device=row["device"], seal_key=row["seal_key"], sign_key=b"")
    chain = SealingChain("command", row["device"], link["command_epoch"], (keys.recipient,), signer)
    body: CommandBody = msgspec.convert(row["body"], CommandBody)
    return chain.link(link["command_seq"] + 1, link["command_hash"], body, "live", now, row["command_id"])


def _note_unsealed(connection: sa.Connection, row: sa.RowMapping, error: Exception, now: datetime) -> None:
    """On the command, which is tried again with every step; an alarm the first time."""
    detail = f"cannot be sealed ({type(error).__name__}): provision the device anew, under another name"
    if row["detail"] != detail:
        mine = commands.c.command_id == row["command_id"]
        connection.execute(sa.update(commands).where(mine).values(detail=detail))
        alarm(connection, "command_not_sealed", row["device"], now, f"{row['type']} {row['command_id']}: {detail}")


def take_due(connection: sa.Connection, now: datetime) -> list[Due]:
    """What is to be sent now; it counts as sent, and goes again after RESEND_AFTER."""
    number = sa.func.row_number().over(partition_by=commands.c.device, order_by=commands.c.seq)
    waiting = (
        sa.select(
            commands.c.command_id, commands.c.device, commands.c.message, commands.c.sent_at, number.label("place")
        )
        .where(commands.c.answered_at.is_(None), commands.c.message.is_not(None))
        .subquery()
    )
    is_due = waiting.c.sent_at.is_(None) | (waiting.c.sent_at <= now - RESEND_AFTER)
    query = (
        sa.select(waiting.c.command_id, devices.c.site, waiting.c.device, waiting.c.message)
        .join(devices, devices.c.device == waiting.c.device)
        .where(waiting.c.place <= SENT_AT_ONCE, is_due)
        .order_by(waiting.c.device, waiting.c.place)
    )
    due = [Due(*row) for row in connection.execute(query)]
    if due:
        ids = [each.command_id for each in due]
        connection.execute(sa.update(commands).where(commands.c.command_id.in_(ids)).values(sent_at=now))
        failpoints.hit("hub.before_command")
    return due


def answered(connection: sa.Connection, device: str, body: CommandApplied, at: datetime) -> None:
    """The device has dealt with it; said again, it changes nothing.

    It may have done it under a number of before a new epoch: nobody would then do the one that it has now, and the next
    would wait behind it. So what waits is numbered anew.
    """
    mine = commands.c.command_id == body.command_id, commands.c.device == device
    row = connection.execute(sa.select(commands).where(*mine, commands.c.answered_at.is_(None))).mappings().first()
    if row is None:
        return
    values = {"answered_at": at, "outcome": body.outcome, "detail": body.detail}
    connection.execute(sa.update(commands).where(*mine).values(values))
    if row["seq"] not in (None, body.seq):
        begin_anew(connection, device, at)
    if body.outcome == "refused":
        alarm(connection, "command_refused", device, at, f"{row['type']} {body.command_id}: {body.detail}")
    elif row["type"] == "resend_from":
        chains.note_unheld(connection, device, row["body"]["epoch"], body.lacking, at)


def resumed(connection: sa.Connection, device: str, body: Resume, at: datetime) -> None:
    """A device has connected: what it did not answer goes again; what the hub lacks of its events is asked for.

    Where it names a command that this hub does not know, the hub was set back; where the hub has answers to later ones,
    the device was, or it has begun a new outbox. Either way the hub begins a new epoch of commands. And it goes above
    the generation that the device has seen, or the device would take none of its acknowledgements.
    """
    link = _link(connection, device, at)
    if body.command_epoch is not None and not _knows(connection, device, body):
        _log.warning("device %s has done a command that this hub does not know of: a backup was put back", device)
        begin_anew(connection, device, at, body.command_epoch)
    if again := _queue_forgotten(connection, device, body):
        begin_anew(connection, device, at)
        detail = f"it came with a new outbox, or with an older one of its own: {again} commands go again"
        alarm(connection, "outbox_set_back", device, at, detail)
    if body.generation > link["generation"]:
        generation = min(body.generation + 1, GENERATION_MAX)
        connection.execute(sa.update(links).where(links.c.device == device).values(generation=generation))
    waits = commands.c.device == device, commands.c.answered_at.is_(None)
    connection.execute(sa.update(commands).where(*waits).values(sent_at=None))
    chain = chains.read(connection, device, body.epoch)
    chains.keep(connection, chain, told_to=max(chain.told_to, body.last_seq))
    lacks = chain.whole_to + 1
    if body.acknowledged_to >= lacks and chain.asked_from != lacks:
        chains.keep(connection, chains.read(connection, device, body.epoch), asked_from=lacks)
        ask_again(connection, device, body.epoch, lacks, at)
        detail = f"events {lacks} to {body.acknowledged_to} of epoch {body.epoch} at most: they are asked for again"
        alarm(connection, "events_missing", device, at, detail)
    _tell_of_the_withdrawn(connection, device, at)


def _tell_of_the_withdrawn(connection: sa.Connection, device: str, now: datetime) -> None:
    """To a device that was registered since they withdrew."""
    mine = commands.c.device == device, commands.c.type == "tombstone"
    told = {body["participant"] for body in connection.execute(sa.select(commands.c.body).where(*mine)).scalars()}
    for participant in connection.execute(sa.select(tombstones.c.participant)).scalars().all():
        if participant not in told:
            queue(connection, device, Tombstone(at=now, participant=participant), now)


def begin_anew(connection: sa.Connection, device: str, now: datetime, above: str = "") -> None:
    """A new epoch of commands to this device, later than all before and than `above`: no number is given out twice."""
    epoch = _later_epoch(now, _link(connection, device, now)["command_epoch"], above)
    anew = {"command_epoch": epoch, "command_seq": 0, "command_hash": FIRST_PREVIOUS}
    connection.execute(sa.update(links).where(links.c.device == device).values(anew))
    waits = commands.c.device == device, commands.c.answered_at.is_(None)
    connection.execute(sa.update(commands).where(*waits).values(epoch=None, seq=None, message=None, sent_at=None))


def _queue_forgotten(connection: sa.Connection, device: str, body: Resume) -> int:
    """Queue again what this device has answered and cannot know of any more; how many commands it has forgotten.

    Each keeps its id: what the device has done all the same it answers, and does not do again.
    """
    epoch, seq = body.command_epoch or "", body.command_seq
    is_later = sa.or_(commands.c.epoch > epoch, sa.and_(commands.c.epoch == epoch, commands.c.seq > seq))
    forgotten = (commands.c.device == device, commands.c.answered_at.is_not(None), is_later)
    count: int = connection.execute(sa.select(sa.func.count()).select_from(commands).where(*forgotten)).scalar_one()
    if count:
        is_kept = commands.c.type.in_(KEPT_BY_DEVICES), commands.c.outcome == "applied"
        anew = {"answered_at": None, "outcome": None, "detail": None}
        connection.execute(sa.update(commands).where(*forgotten, *is_kept).values(anew))
    return count


def _later_epoch(now: datetime, *before: str) -> str:
    """32 hex digits: 12 of the wall clock in ms, or one more than of any before; the rest random."""
    number = max(int(now.timestamp() * 1000), *(int(each[:12] or "0", 16) + 1 for each in before))
    return f"{min(number, 2**48 - 1):012x}{os.urandom(10).hex()}"


def listed(engine: sa.Engine) -> Sequence[sa.RowMapping]:
    """device, type, queued_at, answered_at, outcome and detail of every command, oldest first."""
    names = ("device", "type", "queued_at", "answered_at", "outcome", "detail")
    query = sa.select(*(commands.c[name] for name in names)).order_by(commands.c.queued_at, commands.c.command_id)
    with engine.connect() as connection:
        return connection.execute(query).mappings().all()


def _knows(connection: sa.Connection, device: str, body: Resume) -> bool:
    """Whether the command that this device did last is the one that this hub has under its number."""
    same = commands.c.device == device, commands.c.epoch == body.command_epoch, commands.c.seq == body.command_seq
    message = connection.execute(sa.select(commands.c.message).where(*same)).scalar_one_or_none()
    return message is not None and sha256(message) == body.command_sha256


def generations(connection: sa.Connection, names: Sequence[str]) -> Mapping[str, int]:
    """Of these devices, those that were ever asked to send again."""
    rows = connection.execute(sa.select(links.c.device, links.c.generation).where(links.c.device.in_(names)))
    return {row.device: row.generation for row in rows}


def _link(connection: sa.Connection, device: str, now: datetime) -> Mapping[str, Any]:
    query = sa.select(links).where(links.c.device == device)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        values = {"generation": 0, "command_epoch": _later_epoch(now, ""), "command_seq": 0}
        connection.execute(upsert(connection, links).values(device=device, command_hash=FIRST_PREVIOUS, **values))
        row = connection.execute(query).mappings().one()
    return dict(row)
