"""What a hub tells its device in an episode of kills: of every kind, drawn from what the hub has stored.

Each order is noted, once it is committed, with what the recount needs to know of it.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from edge.clock import Clock, uuid7
from edge.events import ReferralReply
from edge.referrals import NEXT
from hub import commanding, schema, withdrawal

DEVICE = "handheld-7"
LEDGER = "commands.jsonl"
KINDS = ("reply",) * 10 + ("resend",) * 4 + ("tombstone",) * 3 + ("stranger",) * 2
RECENT = 30
"""A resend_from names one of so many of the last events: from the first, all would go again each time."""
WITHDRAWN_MAX = 12
"""Of the people in people.py: with all of them gone nothing would be left to say."""


def give(folder: Path, engine: sa.Engine, clock: Clock, seed: int) -> None:
    """One order, of a kind that the hub has something for; else a reply to a referral that nobody asked for."""
    chance = random.Random(seed)
    before = _known(engine)
    kind, about = chance.choice(KINDS), ""
    if kind == "reply":
        about = _reply(engine, clock, chance)
    elif kind == "resend":
        about = _resend(engine, clock, chance)
    elif kind == "tombstone":
        about = _withdraw(folder, engine, clock, chance)
    if not about:
        with engine.begin() as connection:
            now = clock.now()
            stranger = ReferralReply(at=now, referral_id=uuid7(now), step="accepted", place="clinic")
            commanding.queue(connection, DEVICE, stranger, now)
    descriptor = os.open(folder / LEDGER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for command_id in sorted(_known(engine) - before):
        line = {"what": "committed", "command_id": command_id, "about": about}
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    os.fsync(descriptor)
    os.close(descriptor)


def _reply(engine: sa.Engine, clock: Clock, chance: random.Random) -> str:
    """To a referral that the hub has; whose it is."""
    with engine.begin() as connection:
        query = sa.select(schema.events.c.body).where(schema.events.c.type == "referral_request")
        asked: list[Any] = list(connection.execute(query.order_by(schema.events.c.seq)).scalars())
        if not asked:
            return ""
        body = chance.choice(asked)
        now = clock.now()
        reply = ReferralReply(
            at=now,
            referral_id=body["referral_id"],
            step=chance.choice([*NEXT]),
            place="clinic",
            note="bring the letter",
        )
        commanding.queue(connection, DEVICE, reply, now)
    return str(body["encounter"]["participant"])


def _resend(engine: sa.Engine, clock: Clock, chance: random.Random) -> str:
    """From one of the last events that the hub has; which one."""
    with engine.begin() as connection:
        query = sa.select(schema.events.c.epoch, schema.events.c.seq).order_by(schema.events.c.seq.desc())
        recent = connection.execute(query.limit(RECENT)).all()
        if not recent:
            return ""
        row = chance.choice(recent)
        commanding.ask_again(connection, DEVICE, row.epoch, row.seq, clock.now())
    return str(row.seq)


def _withdraw(folder: Path, engine: sa.Engine, clock: Clock, chance: random.Random) -> str:
    """Somebody of whom the hub has events; who."""
    with engine.connect() as connection:
        gone = connection.execute(sa.select(sa.func.count()).select_from(schema.tombstones)).scalar_one()
        query = sa.select(schema.events.c.participant).where(schema.events.c.participant.is_not(None)).distinct()
        people = sorted(connection.execute(query).scalars())
    if not people or gone >= WITHDRAWN_MAX:
        return ""
    participant = chance.choice(people)
    withdrawal.withdraw(folder / "hub", engine, participant, clock.now())
    return str(participant)


def _known(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(sa.select(schema.commands.c.command_id)).scalars())
