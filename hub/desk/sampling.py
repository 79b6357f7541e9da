"""The blind sample: who is drawn at random, and answered by a reviewer who has not seen what the model said.

Without it only what the model found would be looked at, and nobody could tell what it misses (verification bias: Begg
and Greenes 1983, Biometrics 39:207). Two draws, one after the other: the device draws whose whole view it sends, with
or without findings, and says with which probability (Consent.sample_share); the hub draws of these by an HMAC of the
encounter's id under a secret of its own, which neither device nor reviewer can foretell. The product is kept with the
encounter, and its inverse is the weight (Horvitz and Thompson 1952, JASA 47:663).

An urgent finding is never hidden: people come first, and such an encounter counts with the answer that it gets in the
open. One whose picture does not come is shown like any other, and does not count.
"""

from __future__ import annotations

import hmac
import os
from datetime import datetime

import sqlalchemy as sa

from hub.database import upsert
from hub.schema_desk import sample_key, sample_shares

DEFAULT_SHARE = 0.05
"""As hub/settings.py has it; until `set_share` says otherwise."""
KEY_BYTES = 32


def set_share(connection: sa.Connection, share: float, now: datetime) -> None:
    """From now on. Who was drawn before stays drawn, with the probability of that day."""
    if share_at(connection, now) != share:
        row = {"since": now, "share": share}
        statement = upsert(connection, sample_shares).values(row)
        connection.execute(statement.on_conflict_do_update(index_elements=[sample_shares.c.since], set_=row))


def share_at(connection: sa.Connection, at: datetime) -> float:
    """The share that was in force then."""
    query = sa.select(sample_shares.c.share).where(sample_shares.c.since <= at)
    found = connection.execute(query.order_by(sample_shares.c.since.desc()).limit(1)).scalar_one_or_none()
    return DEFAULT_SHARE if found is None else float(found)


def draw(connection: sa.Connection, device: str, encounter_id: str, device_share: float, at: datetime) -> float | None:
    """The probability with which this encounter is in the sample; None where it is not. Repeated, the same."""
    share = share_at(connection, at)
    if not 0 < device_share <= 1 or not _lot(_key(connection), device, encounter_id) < share:
        return None
    return device_share * share


def _lot(key: bytes, device: str, encounter_id: str) -> float:
    """Uniform in [0, 1)."""
    digest = hmac.digest(key, f"{device}/{encounter_id}".encode(), "sha256")
    return int.from_bytes(digest[:6], "big") / 2**48


def _key(connection: sa.Connection) -> bytes:
    query = sa.select(sample_key.c.key)
    key = connection.execute(query).scalar_one_or_none()
    if key is None:
        key = os.urandom(KEY_BYTES)
        connection.execute(sa.insert(sample_key).values(id=1, key=key))
    return bytes(key)
