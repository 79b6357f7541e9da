"""Named places where a test makes this process die, wait or fail. Nothing happens unless the environment asks for it.

DERMEDGE_FAILPOINTS is a comma list of `name=action[@n]`; the action is taken at the n-th hit only (default: the first).

    kill        SIGKILL to this very process, as a power cut would end it
    hold:PATH   create PATH, then wait until somebody removes it, at most 30 s
    raise       OSError, as a failing disk would
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path

from edge.errors import ConfigError

ENVIRONMENT = "DERMEDGE_FAILPOINTS"
HOLD_MAX_S = 30.0
NAMES = frozenset(
    {
        "outbox.before_commit",
        "outbox.after_commit",
        "delivery.after_publish",
        "delivery.after_acknowledgement",
        "commands.before_record",
        "commands.after_record",
        "hub.before_commit",
        "hub.after_commit",
        "hub.before_command",
        "hub.after_command",
    }
)

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_hits: dict[str, int] = {}
"""How often each armed name was hit in this process; global, for a failpoint is reached from anywhere."""


def hit(name: str) -> None:
    """Do what the environment asks for at this place. Raises ConfigError for a text that is not as told above."""
    text = os.environ.get(ENVIRONMENT)
    if not text:
        return
    armed = parse(text).get(name)
    if armed is None:
        return
    action, nth = armed
    with _lock:
        _hits[name] = _hits.get(name, 0) + 1
        due = _hits[name] == nth
    if due:
        _act(name, action)


def parse(text: str) -> dict[str, tuple[str, int]]:
    """Name → (action, n). Raises ConfigError for an unknown name or action."""
    armed: dict[str, tuple[str, int]] = {}
    for item in text.split(","):
        name, separator, action = item.strip().partition("=")
        head, at, tail = action.rpartition("@")
        nth = 1
        if at and tail.isdigit():
            action, nth = head, int(tail)
        known = action in {"kill", "raise"} or action.startswith("hold:")
        if not separator or name not in NAMES or not known or nth < 1:
            names = ", ".join(sorted(NAMES))
            raise ConfigError(
                f"expected {ENVIRONMENT} as name=kill|hold:PATH|raise[@n], names {names}; got {item!r}: unset it"
            )
        armed[name] = (action, nth)
    return armed


def _act(name: str, action: str) -> None:
    _log.warning("failpoint %s: %s", name, action)
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "raise":
        raise OSError(f"failpoint {name}")
    path = Path(action.removeprefix("hold:"))
    path.touch()
    deadline = time.monotonic() + HOLD_MAX_S
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
