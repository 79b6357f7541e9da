"""Failed sign-ins are limited per name and in total, and nobody is locked out for ever.

Every attempt owes time, before its password is looked at; a name that owes too much waits until it owes less. This is
the leaky bucket as a meter (the generic cell rate algorithm, ITU-T I.371): one instant a name is all that is kept. An
attempt that succeeds pays all that its name owes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from edge.errors import DermedgeError
from edge.sealing import sha256
from hub.database import upsert
from hub.schema_accounts import sign_in_debts


@dataclass(frozen=True)
class Limit:
    """at_once: attempts without waiting; then one every `each`."""

    at_once: int
    each: timedelta


PER_NAME = Limit(at_once=5, each=timedelta(minutes=1))
IN_TOTAL = Limit(at_once=60, each=timedelta(seconds=2))
"""Of all names together: somebody who tries many names tries no more than these."""
EVERYBODY = ""


class TooManyAttemptsError(DermedgeError):
    """Try again at `at`."""

    def __init__(self, at: datetime) -> None:
        super().__init__(f"expected fewer failed sign-ins; try again at {at.isoformat(timespec='seconds')}")
        self.at = at


def owe(connection: sa.Connection, name: str, now: datetime) -> None:
    """Count an attempt, before it is known to fail. Raises TooManyAttemptsError, and then counts nothing."""
    connection.execute(sa.delete(sign_in_debts).where(sign_in_debts.c.paid_at <= now))
    debts = []
    for key, limit in ((sha256(name.encode()), PER_NAME), (EVERYBODY, IN_TOTAL)):
        query = sa.select(sign_in_debts.c.paid_at).where(sign_in_debts.c.name_sha256 == key)
        paid_at = connection.execute(query).scalar_one_or_none() or now
        allowed_at = paid_at - (limit.at_once - 1) * limit.each
        if allowed_at > now:
            raise TooManyAttemptsError(allowed_at)
        debts.append((key, paid_at + limit.each))
    for key, paid_at in debts:
        statement = upsert(connection, sign_in_debts).values(name_sha256=key, paid_at=paid_at)
        connection.execute(
            statement.on_conflict_do_update(index_elements=[sign_in_debts.c.name_sha256], set_={"paid_at": paid_at})
        )


def forgive(connection: sa.Connection, name: str) -> None:
    """The attempt that was counted last succeeded."""
    settle(connection, name)
    everybody = sign_in_debts.c.name_sha256 == EVERYBODY
    paid_at = connection.execute(sa.select(sign_in_debts.c.paid_at).where(everybody)).scalar_one_or_none()
    if paid_at is not None:
        lower = paid_at - IN_TOTAL.each
        connection.execute(sa.update(sign_in_debts).where(everybody).values(paid_at=lower))


def settle(connection: sa.Connection, name: str) -> None:
    """This name owes nothing any more."""
    connection.execute(sa.delete(sign_in_debts).where(sign_in_debts.c.name_sha256 == sha256(name.encode())))
