"""Who may use the pages, and as what. There is no default account and no default password.

`dermedge hub account add` gives a one-time link; with it the person sets a password that nobody else has seen. All
functions work in the caller's transaction, and write the audit log.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

import sqlalchemy as sa

from edge.errors import UsageError
from edge.sealing import sha256
from hub.auditing import CONSOLE, audit
from hub.schema_accounts import account_links, account_sessions, accounts
from hub.settings import Settings

Role = Literal["viewer", "reviewer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may. A viewer sees numbers; a reviewer sees people, and decides; an admin exports,
erases, and sees the audit log."""
NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,31}")
LINK_LASTS = timedelta(hours=24)
TOKEN_BYTES = 32


@dataclass(frozen=True)
class Account:
    """has_password: the person has used a link. link_until: one waits to be used."""

    account: str
    role: Role
    added_at: datetime
    disabled_at: datetime | None
    has_password: bool
    link_until: datetime | None


def may(role: Role, needed: Role) -> bool:
    """Whether who has this role may do what that one may."""
    return ROLES.index(role) >= ROLES.index(needed)


def link_url(settings: Settings, token: str) -> str:
    """Where the pages take a one-time link. The token stands behind #, so that no log of a server has it."""
    return f"{settings.pages.origin}/link#{token}"


def add(connection: sa.Connection, name: str, role: Role, now: datetime, by: str = CONSOLE) -> str:
    """A new account; the token of its one-time link. Raises UsageError."""
    if not NAME.fullmatch(name) or name == CONSOLE:
        raise UsageError(f"expected a name of a-z, 0-9, - and ., at most 32, other than {CONSOLE}; got {name!r}")
    if _row(connection, name) is not None:
        raise UsageError(f"expected a new name, {name} has an account: `dermedge hub account link {name}` gives a link")
    connection.execute(sa.insert(accounts).values(account=name, role=role, added_at=now))
    audit(connection, now, by, "account.add", name, f"role {role}")
    return link(connection, name, now, by)


def link(connection: sa.Connection, name: str, now: datetime, by: str = CONSOLE) -> str:
    """The token of a new one-time link, in place of any before it; the password holds until it is used.

    Raises UsageError.
    """
    if _existing(connection, name).disabled_at is not None:
        raise UsageError(f"expected an account that is enabled, {name} is not: `dermedge hub account enable {name}`")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    connection.execute(sa.delete(account_links).where(account_links.c.account == name))
    row = {"token_sha256": sha256(token.encode()), "account": name, "expires_at": now + LINK_LASTS}
    connection.execute(sa.insert(account_links).values(row))
    audit(connection, now, by, "account.link", name)
    return token


def set_role(connection: sa.Connection, name: str, role: Role, now: datetime, by: str = CONSOLE) -> None:
    """Ends the account's sessions. Raises UsageError."""
    before = _existing(connection, name).role
    connection.execute(sa.update(accounts).where(accounts.c.account == name).values(role=role))
    _end_sessions(connection, name)
    audit(connection, now, by, "account.role", name, f"{before} to {role}")


def disable(connection: sa.Connection, name: str, now: datetime, by: str = CONSOLE) -> None:
    """Nobody signs in with it any more, and its sessions and links end. Raises UsageError."""
    _existing(connection, name)
    connection.execute(sa.update(accounts).where(accounts.c.account == name).values(disabled_at=now))
    connection.execute(sa.delete(account_links).where(account_links.c.account == name))
    _end_sessions(connection, name)
    audit(connection, now, by, "account.disable", name)


def enable(connection: sa.Connection, name: str, now: datetime, by: str = CONSOLE) -> None:
    """With its old password. Raises UsageError."""
    _existing(connection, name)
    connection.execute(sa.update(accounts).where(accounts.c.account == name).values(disabled_at=None))
    audit(connection, now, by, "account.enable", name)


def listed(connection: sa.Connection) -> Sequence[Account]:
    """All of them, by name."""
    joined = accounts.outerjoin(account_links, accounts.c.account == account_links.c.account)
    query = sa.select(accounts, account_links.c.expires_at).select_from(joined).order_by(accounts.c.account)
    return [
        Account(row.account, row.role, row.added_at, row.disabled_at, row.password_hash is not None, row.expires_at)
        for row in connection.execute(query)
    ]


def require_admin(connection: sa.Connection, name: str) -> None:
    """Raises UsageError where this is no account of an admin that is enabled."""
    row = _row(connection, name)
    if row is None or row.disabled_at is not None or row.role != "admin":
        raise UsageError(f"expected the account of an admin, got {name}: `dermedge hub account list` names them")


def end_everything(connection: sa.Connection) -> None:
    """All sessions and links, as after a backup was put back: what had ended since must not live again."""
    connection.execute(sa.delete(account_sessions))
    connection.execute(sa.delete(account_links))


def _end_sessions(connection: sa.Connection, name: str) -> None:
    connection.execute(sa.delete(account_sessions).where(account_sessions.c.account == name))


def _row(connection: sa.Connection, name: str) -> sa.Row[tuple[object, ...]] | None:
    return connection.execute(sa.select(accounts).where(accounts.c.account == name)).one_or_none()


def _existing(connection: sa.Connection, name: str) -> sa.Row[tuple[object, ...]]:
    row = _row(connection, name)
    if row is None:
        raise UsageError(f"expected the name of an account, got {name!r}: `dermedge hub account list` names them")
    return row
