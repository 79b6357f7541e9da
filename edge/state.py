"""The state message: what the outbox knows, and what the rest of the device says of itself. Never patient data."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import msgspec

from edge import __version__, wire
from edge.clock import Clock
from edge.outbox import OutboxStatus

APPLICATION = f"dermedge {__version__}"
TEXT_MAX = 200

_log = logging.getLogger(__name__)


def encode_state(status: OutboxStatus, clock: Clock, describe: Callable[[], dict[str, Any]]) -> bytes:
    """A wire.State as JSON. What `describe()` says and the message cannot carry is left out."""
    known = {
        "ts": clock.now(),
        "backlog": status.backlog,
        "oldest_s": round(status.oldest_s, 3),
        "outbox_bytes": status.used_bytes,
        "outbox_full": status.full,
        "clock_synced": clock.synchronised(),
        "epoch": status.epoch,
        "last_seq": status.last_seq,
        "quarantined": status.quarantined,
        "degraded": status.degraded,
        "withdrawn": status.withdrawn,
        "beyond_backup": status.beyond_backup,
    }
    told: dict[str, Any] = {}
    try:
        told = {name: value for name, value in describe().items() if _can_be_told(value)}
    except Exception:  # noqa: BLE001  (logged; a state with less in it is better than none)
        _log.exception("what the device says of itself could not be had")
    for name, value in told.items():
        if isinstance(value, str):
            told[name] = value[:TEXT_MAX]
    try:
        return wire.encode(msgspec.convert({"app": APPLICATION, **told, **known}, wire.State))
    except msgspec.ValidationError:
        _log.exception("a field of the state is not as docs/wire.md tells; the state goes without them")
        return wire.encode(msgspec.convert({"app": APPLICATION, **known}, wire.State))


def _can_be_told(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is not None and value is not msgspec.UNSET
