"""After a withdrawal, what quarantine holds about that participant loses its bytes, and so does what nobody can read.

Only a process with the private key can tell, so `hub withdraw` leaves it to `hub ingest`, which does it at its next
step, or to the next `hub import`. The row stays: its place in the chain, and what its device was told of it. What comes
later is looked at when it is held (hub/quarantine.py).
"""

from __future__ import annotations

import sqlalchemy as sa

from hub.database import empty_log, erase_for_good
from hub.keys import HubIdentity
from hub.opening import Arrival, Refused, open_message
from hub.registry import Registry
from hub.schema import quarantine, tombstones

CHUNK_ROWS = 500


def sweep(engine: sa.Engine, registry: Registry, identity: HubIdentity) -> int:
    """For every withdrawal that it was not done for yet; how many messages lost their bytes.

    Raises what the database raises; it is done whole or again.
    """
    with engine.connect() as connection:
        query = sa.select(tombstones.c.participant).where(tombstones.c.swept.is_(False))
        gone = set(connection.execute(query).scalars())
        if not gone:
            return 0
        held = sa.select(quarantine.c.message_sha256).where(quarantine.c.message.is_not(None))
        digests = connection.execute(held).scalars().all()
    emptied = [digest for digest in digests if _is_about(engine, digest, gone, registry, identity)]
    with engine.begin() as connection:
        erase_for_good(connection)
        for start in range(0, len(emptied), CHUNK_ROWS):
            these = quarantine.c.message_sha256.in_(emptied[start : start + CHUNK_ROWS])
            connection.execute(sa.update(quarantine).where(these).values(message=None, message_bytes=0))
        connection.execute(sa.update(tombstones).where(tombstones.c.participant.in_(gone)).values(swept=True))
    empty_log(engine)
    return len(emptied)


def _is_about(engine: sa.Engine, digest: str, gone: set[str], registry: Registry, identity: HubIdentity) -> bool:
    """Whether it is about one of them, as far as can be known."""
    with engine.connect() as connection:
        query = sa.select(quarantine.c.message, quarantine.c.first_at).where(quarantine.c.message_sha256 == digest)
        row = connection.execute(query).one_or_none()
    if row is None or row.message is None:
        return False
    opened = open_message(Arrival(row.message, row.first_at), registry, identity)
    if isinstance(opened, Refused):
        return opened.participants is None or not gone.isdisjoint(opened.participants)
    return opened.participant in gone
