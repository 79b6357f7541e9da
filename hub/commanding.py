"""The hub's outbox to the devices: queued, sealed, sent, and kept until the device's sealed answer names it.

Any process of the hub queues a command, within its own transaction; `hub ingest` alone has the key to seal it. The
broker forgets, so what lacks its answer goes again: when a device says where it stands, which it does on every
connection, and every RESEND_AFTER. Devices do commands in the order of their numbers, each once.
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
    link = _link(connection, device)
    generation = max(link["generation"] + 1, int(now.timestamp() * 1000))
    connection.execute(sa.update(links).where(links.c.device == device).values(generation=generation))
    queue(connection, device, ResendFrom(at=now, epoch=epoch, seq=seq, generation=generation), now)


def seal_queued(connection: sa.Connection, signer: Ed25519PrivateKey, now: datetime) -> None:
    """Seal what other processes have queued, each device's in the order of queueing."""
    query = (
        sa.select(commands.c.command_id, commands.c.device, commands.c.body, devices.c.site, devices.c.seal_key)
        .join(devices, devices.c.device == commands.c.device)
        .where(commands.c.message.is_(None), commands.c.answered_at.is_(None))
        .order_by(commands.c.queued_at, commands.c.command_id)
    )
    for row in connection.execute(query).all():
        link = _link(connection, row.device)
        keys = DeviceKeys(v=1, site=row.site, device=row.device, seal_key=row.seal_key, sign_key=b"")
        chain = SealingChain("command", row.device, link["command_epoch"], (keys.recipient,), signer)
        body: CommandBody = msgspec.convert(row.body, CommandBody)
        seq = link["command_seq"] + 1
        sealed = chain.link(seq, link["command_hash"], body, "live", now, row.command_id)
        connection.execute(
            sa.update(commands)
            .where(commands.c.command_id == row.command_id)
            .values(epoch=link["command_epoch"], seq=seq, message=sealed.message)
        )
        end = {"command_seq": seq, "command_hash": sealed.ciphertext_sha256}
        connection.execute(sa.update(links).where(links.c.device == row.device).values(end))


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
    """The device has dealt with it; said again, it changes nothing."""
    mine = commands.c.command_id == body.command_id, commands.c.device == device
    row = connection.execute(sa.select(commands).where(*mine, commands.c.answered_at.is_(None))).mappings().first()
    if row is None:
        return
    values = {"answered_at": at, "outcome": body.outcome, "detail": body.detail}
    connection.execute(sa.update(commands).where(*mine).values(values))
    if body.outcome == "refused":
        alarm(connection, "command_refused", device, at, f"{row['type']} {body.command_id}: {body.detail}")
    elif row["type"] == "resend_from":
        chains.note_unheld(connection, device, row["body"]["epoch"], body.lacking, at)


def resumed(connection: sa.Connection, device: str, body: Resume, at: datetime) -> None:
    """A device has connected: what it did not answer goes again; what the hub lacks of its events is asked for."""
    link = _link(connection, device)
    if body.command_epoch == link["command_epoch"] and not _knows(connection, device, body):
        _log.warning("device %s has done a command that this hub does not know of: a backup was put back", device)
        begin_anew(connection, device)
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


def begin_anew(connection: sa.Connection, device: str) -> None:
    """A new epoch of commands to this device: numbers that an earlier database gave out are not given out again."""
    _link(connection, device)
    anew = {"command_epoch": os.urandom(16).hex(), "command_seq": 0, "command_hash": FIRST_PREVIOUS}
    connection.execute(sa.update(links).where(links.c.device == device).values(anew))
    waits = commands.c.device == device, commands.c.answered_at.is_(None)
    connection.execute(sa.update(commands).where(*waits).values(epoch=None, seq=None, message=None, sent_at=None))


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


def _link(connection: sa.Connection, device: str) -> Mapping[str, Any]:
    query = sa.select(links).where(links.c.device == device)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        values = {"generation": 0, "command_epoch": os.urandom(16).hex(), "command_seq": 0}
        connection.execute(upsert(connection, links).values(device=device, command_hash=FIRST_PREVIOUS, **values))
        row = connection.execute(query).mappings().one()
    return dict(row)
