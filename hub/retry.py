"""What is held in quarantine is tried again when the hub starts: a new version may understand it, a key may be back."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from hub.database import passes
from hub.keys import HubIdentity
from hub.opening import Arrival, Opened, open_message
from hub.registry import Registry
from hub.schema import quarantine
from hub.store import Store

WORTH_A_TRY = ("bad_signature", "does_not_open", "body_not_understood", "not_storable")
"""The others stay what they are: the bytes are of nobody, or another event has their place."""

_log = logging.getLogger(__name__)


def retry_held(engine: sa.Engine, store: Store, registry: Registry, identity: HubIdentity) -> int:
    """Store as events what can be opened now; how many. Raises what the database raises."""
    held = quarantine.c.reason.in_(WORTH_A_TRY), quarantine.c.message.is_not(None)
    with engine.connect() as connection:
        query = sa.select(quarantine.c.message_sha256).where(*held).order_by(quarantine.c.first_at)
        digests = connection.execute(query).scalars().all()
    stored = 0
    for digest in digests:
        same = quarantine.c.message_sha256 == digest
        with engine.connect() as connection:
            row = connection.execute(sa.select(quarantine.c.message, quarantine.c.first_at).where(same)).one()
        opened = open_message(Arrival(row.message, row.first_at), registry, identity)
        if not isinstance(opened, Opened):
            continue
        try:
            outcomes = store.write([opened])
        except Exception as error:
            if passes(error):
                raise
            _log.warning("a message in quarantine cannot be stored: %s", type(error).__name__)
            continue
        if any(each.outcome == "stored" for each in outcomes) or opened.header.kind == "response":
            with engine.begin() as connection:
                connection.execute(sa.delete(quarantine).where(same))
            stored += 1
    if stored:
        _log.warning("%d messages from quarantine are stored as events now", stored)
    return stored
