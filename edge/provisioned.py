"""What only a provisioned device has: an identity, an outbox, and a way to its hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import identity
from edge.clock import Clock
from edge.config import Config
from edge.delivery import Delivery
from edge.ledger import Ledger
from edge.outbox import Outbox, open_database
from edge.publish.base import Publisher, open_publisher

OUTBOX_FILE = "outbox.db"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """folder: where the outbox's file lies. last_seq, backlog: as they were at the start of the run."""

    outbox: Outbox
    delivery: Delivery
    publisher: Publisher
    folder: Path
    last_seq: int
    backlog: int
    ledger: Ledger | None = None

    def acknowledged(self) -> int:
        """Events acknowledged since the start of the run."""
        status = self.outbox.status()
        return self.backlog + status.last_seq - self.last_seq - status.backlog

    def close(self) -> None:
        """Close the files; the delivery has stopped by then."""
        self.outbox.close()
        if self.ledger is not None:
            self.ledger.close()


def outbox_path(config: Config) -> Path:
    """The outbox's file: outbox.path, or outbox.db beside the keys."""
    return Path(config.outbox.path) if config.outbox.path else Path(config.identity.directory) / OUTBOX_FILE


def open_provisioned(config: Config, clock: Clock, describe: Callable[[], dict[str, Any]]) -> Provisioned | None:
    """None for a device that is not provisioned (identity.directory is empty).

    Raises ConfigError for an identity that cannot be read, StoreError for an outbox that cannot be opened.
    """
    if not config.identity.directory:
        return None
    who = identity.load(Path(config.identity.directory))
    path = outbox_path(config)
    ledger = Ledger(Path(config.outbox.ledger)) if config.outbox.ledger else None
    outbox = Outbox(open_database(path), who, clock, config.outbox, ledger)
    publisher = open_publisher(config.delivery.publisher, config.broker)
    delivery = Delivery(outbox, publisher, who, config.delivery, clock, describe)
    status = outbox.status()
    return Provisioned(outbox, delivery, publisher, path.parent, status.last_seq, status.backlog, ledger)
