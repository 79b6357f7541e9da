"""How far each device's chain of events is whole, and what is wrong with it. Within the caller's transaction.

Each event names the hash of the one before, so a hub that has them all in their order can prove it. A place counts as
filled by the event, by its void, and by bytes that its device signed and that are in quarantine; a range that its
device holds no more is skipped, and stays named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from edge.events import Reconcile
from edge.wire import FIRST_PREVIOUS
from hub.database import upsert
from hub.quarantine import alarm
from hub.schema import chains, events, quarantine, reconciliations, unheld

STEP_ROWS = 500


@dataclass(frozen=True)
class Chain:
    """As stored; see hub/schema.py."""

    device: str
    epoch: str
    whole_to: int = 0
    whole_hash: str | None = FIRST_PREVIOUS
    told_to: int = 0
    asked_from: int | None = None
    backed_up_to: int | None = None


def read(connection: sa.Connection, device: str, epoch: str) -> Chain:
    """What is known of this chain; its beginning where nothing is."""
    query = sa.select(chains).where(chains.c.device == device, chains.c.epoch == epoch)
    row = connection.execute(query).mappings().one_or_none()
    return Chain(device, epoch) if row is None else Chain(**row)


def keep(connection: sa.Connection, chain: Chain, **changes: object) -> None:
    """Store this chain with these changes."""
    row = {**vars(chain), **changes}
    statement = upsert(connection, chains).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=[chains.c.device, chains.c.epoch], set_=row))


def advance(connection: sa.Connection, device: str, epoch: str, at: datetime) -> None:
    """After new events: follow the chain as far as it is whole. An event that does not fit raises an alarm, once."""
    chain = read(connection, device, epoch)
    whole_to, whole_hash = chain.whole_to, chain.whole_hash
    while True:
        rows, has_gap = _after(connection, device, epoch, whole_to), False
        for seq, prev_hash, ciphertext_sha256 in rows:
            if seq == whole_to:
                continue  # a second event of this number has its own alarm
            if has_gap := seq > whole_to + 1:
                break
            if whole_hash is not None and prev_hash != whole_hash:
                detail = f"event {seq} of epoch {epoch} does not follow event {whole_to}"
                alarm(connection, "chain_broken", device, at, detail)
            whole_to, whole_hash = seq, ciphertext_sha256
        if has_gap or (len(rows) < STEP_ROWS and chain.told_to > whole_to):
            skip_to = _filled_otherwise(connection, device, epoch, whole_to + 1)
            if not skip_to:
                break
            whole_to, whole_hash = skip_to, None
        elif len(rows) < STEP_ROWS:
            break
    if whole_to != chain.whole_to:
        keep(connection, chain, whole_to=whole_to, whole_hash=whole_hash, told_to=max(chain.told_to, whole_to))


def note_reconciliation(connection: sa.Connection, device: str, epoch: str, body: Reconcile) -> None:
    """Keep what the device said at the end of a day; `hub/reconcile.py` holds it against what is here."""
    row = {"device": device, "epoch": epoch, "last_seq": body.last_seq, "first_seq": body.first_seq}
    statement = upsert(connection, reconciliations).values(row | {"last_hash": body.last_hash, "at": body.at})
    connection.execute(statement.on_conflict_do_nothing())
    chain = read(connection, device, epoch)
    keep(connection, chain, told_to=max(chain.told_to, body.last_seq))


def note_unheld(
    connection: sa.Connection, device: str, epoch: str, lacking: Iterable[Sequence[int]], at: datetime
) -> None:
    """These ranges the device has freed; those that the hub has not either are lost, and raise an alarm."""
    for first, last in lacking:
        for start, end in missing_in(connection, device, epoch, first, last):
            row = {"device": device, "epoch": epoch, "first_seq": start, "last_seq": end}
            connection.execute(upsert(connection, unheld).values(row).on_conflict_do_nothing())
            detail = f"events {start} to {end} of epoch {epoch}: the hub lacks them, and the device holds them no more"
            alarm(connection, "events_lost", device, at, detail, end - start + 1)
    advance(connection, device, epoch, at)


def missing_in(connection: sa.Connection, device: str, epoch: str, first: int, last: int) -> list[tuple[int, int]]:
    """The ranges of seq in first … last that no event fills."""
    query = (
        sa.select(events.c.seq)
        .where(events.c.device == device, events.c.epoch == epoch, events.c.seq.between(first, last))
        .order_by(events.c.seq)
    )
    ranges, expected = [], first
    for seq in (*connection.execute(query).scalars(), last + 1):
        if seq > expected:
            ranges.append((expected, seq - 1))
        expected = seq + 1
    return ranges


def _after(connection: sa.Connection, device: str, epoch: str, seq: int) -> list[tuple[int, str, str]]:
    query = (
        sa.select(events.c.seq, events.c.prev_hash, events.c.ciphertext_sha256)
        .where(events.c.device == device, events.c.epoch == epoch, events.c.seq > seq)
        .order_by(events.c.seq)
        .limit(STEP_ROWS)
    )
    return [(row.seq, row.prev_hash, row.ciphertext_sha256) for row in connection.execute(query)]


def _filled_otherwise(connection: sa.Connection, device: str, epoch: str, seq: int) -> int:
    """Up to where this place is no hole that an event may still fill; 0 where it is one."""
    of_chain = unheld.c.device == device, unheld.c.epoch == epoch
    query = sa.select(unheld.c.last_seq).where(*of_chain, unheld.c.first_seq <= seq, unheld.c.last_seq >= seq)
    if (last := connection.execute(query.limit(1)).scalar()) is not None:
        return int(last)
    held = (quarantine.c.device == device, quarantine.c.epoch == epoch, quarantine.c.seq == seq)
    query = sa.select(quarantine.c.seq).where(*held, quarantine.c.trust == "verified")
    return seq if connection.execute(query.limit(1)).first() is not None else 0
