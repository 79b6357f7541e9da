"""The audit log: who did what, to what, when. Added to within the transaction that does it; never changed.

Each row's hash covers its content and the row before, so that a row which was changed, taken out or moved is found by
`entries`. Rows that were cut off at the end are not: compare with the last hash that `dermedge hub audit` printed, or
with a backup. What is about a participant who withdraws is erased, and its place in the chain stays
(hub/schema_accounts.py).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

import msgspec
import sqlalchemy as sa

from edge.errors import printable
from edge.sealing import sha256
from hub.schema_accounts import audit_contents, audit_log

FIRST_PREVIOUS = "0" * 64
CONSOLE = "console"
"""Who acts by a command on the hub's machine; no account has this name."""
SUBJECT_MAX, DETAIL_MAX = 100, 500
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins with one of these is a formula to spreadsheets."""


@dataclass(frozen=True)
class Entry:
    """One row. subject and detail are None where they were erased with their participant."""

    number: int
    at: datetime
    account: str
    action: str
    subject: str | None
    detail: str | None
    hash: str
    fits: bool
    """Whether it follows the row before, and its content is what was written."""


def audit(
    connection: sa.Connection,
    now: datetime,
    account: str,
    action: str,
    subject: str = "",
    detail: str = "",
    *,
    participant: str | None = None,
) -> None:
    """Add a row, in the caller's transaction.

    participant: whom subject and detail are about; required wherever they name an encounter, a finding or a referral of
    somebody who agreed, since by it they are erased.
    """
    newest = sa.select(audit_log.c.number, audit_log.c.hash).order_by(audit_log.c.number.desc()).limit(1)
    before = connection.execute(newest).one_or_none()
    number, previous = (1, FIRST_PREVIOUS) if before is None else (before.number + 1, before.hash)
    salt = os.urandom(16).hex()
    subject, detail = printable(subject)[:SUBJECT_MAX], printable(detail)[:DETAIL_MAX]
    content = _content_hash(salt, subject, detail)
    row = {"number": number, "at": now, "account": account, "action": action, "content_sha256": content}
    chained = {"previous_hash": previous, "hash": _hash(number, now, account, action, content, previous)}
    connection.execute(sa.insert(audit_log).values(row | chained))
    kept = {"number": number, "participant": participant, "salt": salt, "subject": subject, "detail": detail}
    connection.execute(sa.insert(audit_contents).values(kept))


def entries(connection: sa.Connection) -> Iterator[Entry]:
    """All of them, in order, each with the verdict on its place in the chain."""
    joined = audit_log.outerjoin(audit_contents, audit_log.c.number == audit_contents.c.number)
    columns = (*audit_log.c, audit_contents.c.salt, audit_contents.c.subject, audit_contents.c.detail)
    number, previous = 0, FIRST_PREVIOUS
    for row in connection.execute(sa.select(*columns).select_from(joined).order_by(audit_log.c.number)):
        expected = _hash(row.number, row.at, row.account, row.action, row.content_sha256, previous)
        follows = (row.number, row.previous_hash, row.hash) == (number + 1, previous, expected)
        intact = row.salt is None or _content_hash(row.salt, row.subject, row.detail) == row.content_sha256
        yield Entry(
            row.number, row.at, row.account, row.action, row.subject, row.detail, row.hash, fits=follows and intact
        )
        number, previous = row.number, row.hash


def export(connection: sa.Connection, file: TextIO) -> list[int]:
    """The log as CSV; the numbers of the rows that do not fit."""
    lines = csv.writer(file)
    lines.writerow(("number", "at", "account", "action", "subject", "detail", "hash"))
    wrong = []
    for each in entries(connection):
        erased = "(erased)" if each.subject is None else each.subject
        texts = (each.account, each.action, erased, each.detail or "")
        lines.writerow((each.number, each.at.isoformat(), *(_no_formula(text) for text in texts), each.hash))
        if not each.fits:
            wrong.append(each.number)
    return wrong


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _content_hash(salt: str, subject: str, detail: str) -> str:
    return sha256(msgspec.json.encode((salt, subject, detail)))


def _hash(number: int, at: datetime, account: str, action: str, content_sha256: str, previous: str) -> str:
    return sha256(
        msgspec.json.encode((number, at.astimezone(UTC).isoformat(), account, action, content_sha256, previous))
    )
