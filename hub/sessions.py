"""Signing in and out. A session is a row that the hub can end; the browser has its token, the hub the token's hash."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from edge.errors import DermedgeError
from edge.sealing import sha256
from hub import passwords
from hub.accounts import TOKEN_BYTES, Role
from hub.attempts import forgive, owe, settle
from hub.auditing import audit
from hub.schema_accounts import account_links, account_sessions, accounts
from hub.settings import Sessions

SEEN_EVERY = timedelta(minutes=1)


class SignInError(DermedgeError):
    """The name, the password or the link is not the one. It does not say which."""


@dataclass(frozen=True)
class Session:
    """csrf: what every form of this session has to bring back; a page of another site cannot know it."""

    account: str
    role: Role
    csrf: str
    seen_at: datetime
    until: datetime


def sign_in(engine: sa.Engine, name: str, password: str, now: datetime) -> str:
    """A new session's token. Raises SignInError, TooManyAttemptsError, and what the database raises."""
    with engine.begin() as connection:
        owe(connection, name, now)
        query = sa.select(accounts.c.password_hash).where(accounts.c.account == name, accounts.c.disabled_at.is_(None))
        password_hash = connection.execute(query).scalar_one_or_none()
    is_right = passwords.fits(password_hash, password)  # not in a transaction: it takes its time on purpose
    with engine.begin() as connection:
        # It may have been disabled or given another password meanwhile.
        if is_right and connection.execute(query).scalar_one_or_none() == password_hash:
            forgive(connection, name)
            if passwords.is_outdated(str(password_hash)):
                _store(connection, name, passwords.hashed(password, name))
            return _begin(connection, name, now)
        if password_hash is not None:
            audit(connection, now, name, "sign_in.failed")
    raise SignInError("expected an account's name and its password; got others")


def use_link(engine: sa.Engine, token: str, password: str, now: datetime) -> str:
    """Set the password by a one-time link, end the account's other sessions; a new session's token.

    Raises SignInError for a link that is used, replaced or too old; WeakPasswordError, and then the link holds.
    """
    mine = account_links.c.token_sha256 == sha256(token.encode())
    current = sa.select(account_links.c.account).where(mine, account_links.c.expires_at > now)
    with engine.connect() as connection:
        name = connection.execute(current).scalar_one_or_none()
    if name is None:
        raise SignInError("expected a link that is not used and not older than a day; ask for a new one")
    password_hash = passwords.hashed(password, name)
    with engine.begin() as connection:
        if not connection.execute(sa.delete(account_links).where(mine)).rowcount:
            raise SignInError("expected a link that is not used; ask for a new one")
        _store(connection, name, password_hash)
        connection.execute(sa.delete(account_sessions).where(account_sessions.c.account == name))
        settle(connection, name)
        audit(connection, now, name, "account.password", name)
        return _begin(connection, name, now)


def find(reading: sa.Engine, token: str, limits: Sessions, now: datetime) -> Session | None:
    """The session of this token, if it is alive; None where it has ended. Raises what the database raises."""
    mine = account_sessions.c.token_sha256 == sha256(token.encode())
    joined = account_sessions.join(accounts, accounts.c.account == account_sessions.c.account)
    columns = (accounts.c.account, accounts.c.role, account_sessions.c.started_at, account_sessions.c.seen_at)
    query = sa.select(*columns).select_from(joined).where(mine, accounts.c.disabled_at.is_(None))
    with reading.connect() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    until = row.started_at + timedelta(hours=limits.absolute_hours)
    if now >= min(until, row.seen_at + timedelta(minutes=limits.idle_minutes)):
        return None
    return Session(row.account, row.role, csrf(token), row.seen_at, until)


def note_seen(engine: sa.Engine, token: str, session: Session, now: datetime) -> None:
    """That its person is still there, written once a minute at most. Raises what the database raises."""
    if now - session.seen_at >= SEEN_EVERY:
        mine = account_sessions.c.token_sha256 == sha256(token.encode())
        with engine.begin() as connection:
            connection.execute(sa.update(account_sessions).where(mine).values(seen_at=now))


def csrf(token: str) -> str:
    """Of a session's token; it tells nothing about it."""
    return sha256(b"csrf:" + token.encode())


def csrf_fits(session: Session, brought: str) -> bool:
    """Whether a form brought back what its session gave it."""
    return hmac.compare_digest(session.csrf.encode(), brought.encode())


def sign_out(engine: sa.Engine, token: str, now: datetime) -> None:
    """Ends the session at the hub, whatever the browser keeps."""
    mine = account_sessions.c.token_sha256 == sha256(token.encode())
    with engine.begin() as connection:
        name = connection.execute(sa.select(account_sessions.c.account).where(mine)).scalar_one_or_none()
        if name is not None:
            connection.execute(sa.delete(account_sessions).where(mine))
            audit(connection, now, name, "sign_out")


def forget_ended(connection: sa.Connection, limits: Sessions, now: datetime) -> None:
    """Remove sessions and links whose time has passed; once a day is enough, since `find` does not take them."""
    oldest, idle = now - timedelta(hours=limits.absolute_hours), now - timedelta(minutes=limits.idle_minutes)
    ended = sa.or_(account_sessions.c.started_at <= oldest, account_sessions.c.seen_at <= idle)
    connection.execute(sa.delete(account_sessions).where(ended))
    connection.execute(sa.delete(account_links).where(account_links.c.expires_at <= now))


def _begin(connection: sa.Connection, name: str, now: datetime) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row = {"token_sha256": sha256(token.encode()), "account": name, "started_at": now, "seen_at": now}
    connection.execute(sa.insert(account_sessions).values(row))
    audit(connection, now, name, "sign_in")
    return token


def _store(connection: sa.Connection, name: str, password_hash: str) -> None:
    connection.execute(sa.update(accounts).where(accounts.c.account == name).values(password_hash=password_hash))
