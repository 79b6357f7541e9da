"""Passwords as Argon2id hashes (RFC 9106, its second recommended option: 64 MiB, three passes, four lanes)."""

from __future__ import annotations

import unicodedata
from functools import cache

import argon2

from edge.errors import DermedgeError

CHARACTERS_MIN = 15
"""NIST SP 800-63B-4, for a password that is the only factor; its other rule is to demand no kinds of characters."""
BYTES_MAX = 1024

_HASHER = argon2.PasswordHasher.from_parameters(argon2.profiles.RFC_9106_LOW_MEMORY)


class WeakPasswordError(DermedgeError, ValueError):
    """A password that is too short, too long, or the account's name."""


def hashed(password: str, account: str) -> str:
    """The hash to store. Raises WeakPasswordError."""
    text = _normal(password)
    if len(text) < CHARACTERS_MIN:
        raise WeakPasswordError(f"expected at least {CHARACTERS_MIN} characters, got {len(text)}")
    if len(text.encode()) > BYTES_MAX:
        raise WeakPasswordError(f"expected at most {BYTES_MAX} bytes, got more")
    if len(set(text)) < 5 or text.lower().replace(account, "") == "":
        raise WeakPasswordError("expected a password that is not the same few characters, nor the account's name")
    return _HASHER.hash(text)


def fits(password_hash: str | None, password: str) -> bool:
    """Whether it is the one. None, where there is no account or no password yet, never fits, and takes as long."""
    text = _normal(password)
    if len(text.encode()) > BYTES_MAX:
        return False
    try:
        return _HASHER.verify(password_hash or _nobodys(), text) and password_hash is not None
    except argon2.exceptions.VerificationError:
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with other parameters than ours now; then it is made again at the next sign-in."""
    return _HASHER.check_needs_rehash(password_hash)


@cache
def _nobodys() -> str:
    """What a password is compared with where there is no account."""
    return _HASHER.hash("nobody's")


def _normal(password: str) -> str:
    """Two keyboards may write one letter in two ways. Half a character, as a script may send, is no error of ours."""
    return unicodedata.normalize("NFC", password).encode(errors="replace").decode()
