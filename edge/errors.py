"""Errors with an exit code. A message says what was expected, what came, and what to do.

Only the command turns an error into one line and an exit code (sysexits.h numbers).
"""

from __future__ import annotations

EX_USAGE = 64
EX_DATA = 65
EX_UNAVAILABLE = 69
EX_SOFTWARE = 70
EX_IO = 74
EX_CONFIG = 78


class DermedgeError(Exception):
    """Base of every error that we raise on purpose."""

    exit_code: int = EX_SOFTWARE
    retryable: bool = False


class UsageError(DermedgeError, ValueError):
    """The command line asks for something that cannot be."""

    exit_code = EX_USAGE


class ConfigError(DermedgeError, ValueError):
    """A setting, a profile or a named component is wrong."""

    exit_code = EX_CONFIG


class BundleError(DermedgeError, ValueError):
    """A model bundle is damaged, or its card does not describe its model."""

    exit_code = EX_DATA


class PictureError(DermedgeError, ValueError):
    """A file is not a whole picture that we can look at."""

    exit_code = EX_DATA


class WireError(DermedgeError, ValueError):
    """Bytes that came from outside do not hold the message that they should."""

    exit_code = EX_DATA


class SealError(DermedgeError, ValueError):
    """A seal does not open, or a signature does not verify."""

    exit_code = EX_DATA


class SessionError(DermedgeError, RuntimeError):
    """Something happened in an encounter that cannot happen in its state."""


class CameraError(DermedgeError, OSError):
    """The camera cannot be opened, or vanished."""

    exit_code = EX_UNAVAILABLE
    retryable = True


class RunningError(DermedgeError, RuntimeError):
    """Another process does already what this one was asked to."""

    exit_code = EX_UNAVAILABLE


class BrokerError(DermedgeError, ConnectionError):
    """The broker cannot be reached, or refuses us."""

    exit_code = EX_UNAVAILABLE
    retryable = True


class StoreError(DermedgeError, OSError):
    """The disk or the database does not take, or does not give, what it should."""

    exit_code = EX_IO
    retryable = True


class OutboxFullError(StoreError):
    """The outbox has reached its quota: capturing stops, nothing is dropped."""


def printable(text: str) -> str:
    """One line that is safe on a terminal: line ends as spaces, control characters and stray bytes as escapes."""
    line = " ".join(text.split())
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)
