"""The hub's tables of those who sign in, and of what they did. No password, token or link stands here, only hashes."""

from __future__ import annotations

import sqlalchemy as sa

from hub.instant import Instant
from hub.schema import metadata

# password_hash: Argon2id, with its parameters and salt; null until the person has set a password.
accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account", sa.String(32), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password_hash", sa.String(200)),
    sa.Column("added_at", Instant, nullable=False),
    sa.Column("disabled_at", Instant),
)

# One-time links by which a person sets a password; a row goes when it is used, replaced, or too old.
account_links = sa.Table(
    "account_links",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(32), nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Index("account_links_by_account", "account"),
)

# Who is signed in; a row goes when the session ends.
account_sessions = sa.Table(
    "account_sessions",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(32), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("seen_at", Instant, nullable=False),
    sa.Index("account_sessions_by_account", "account"),
)

# Failed sign-ins as debts that time pays off (hub/attempts.py), by the hash of the name that was typed, and "" for all.
sign_in_debts = sa.Table(
    "sign_in_debts",
    metadata,
    sa.Column("name_sha256", sa.String(64), primary_key=True),
    sa.Column("paid_at", Instant, nullable=False),
)

# What was done, by whom; only ever added to. Each row's hash covers the row before (hub/auditing.py).
audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("account", sa.String(32), nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# What it was done to. Apart, because what is about a participant who withdraws is erased, and the chain stays whole:
# it has only the hash of this, and of a random salt that goes with it.
audit_contents = sa.Table(
    "audit_contents",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("participant", sa.String(16)),
    sa.Column("salt", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(100), nullable=False),
    sa.Column("detail", sa.String(500), nullable=False),
    sa.Index("audit_contents_by_participant", "participant"),
)
