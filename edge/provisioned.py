"""What only a provisioned device has: an identity, an outbox, and a way to its hub."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from edge import identity
from edge.clock import Clock
from edge.config import Config
from edge.delivery import Delivery
from edge.durable import make_folder
from edge.errors import RunningError, StoreError
from edge.ledger import Ledger
from edge.outbox import Outbox, open_database
from edge.publish.base import Publisher, open_publisher

OUTBOX_FILE = "outbox.db"
LOCK_SUFFIX = ".lock"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """folder: where the outbox's file lies. last_seq, backlog: as they were at the start of the run.

    lock: held open, so that no second process delivers as this device.
    """

    outbox: Outbox
    delivery: Delivery
    publisher: Publisher
    folder: Path
    last_seq: int
    backlog: int
    lock: BinaryIO
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
        self.lock.close()


def outbox_path(config: Config) -> Path:
    """The outbox's file: outbox.path, or outbox.db beside the keys."""
    return Path(config.outbox.path) if config.outbox.path else Path(config.identity.directory) / OUTBOX_FILE


def open_provisioned(config: Config, clock: Clock, describe: Callable[[], dict[str, Any]]) -> Provisioned | None:
    """None for a device that is not provisioned (identity.directory is empty).

    Raises ConfigError for an identity that cannot be read, StoreError for an outbox that cannot be opened,
    RunningError where another process has this outbox.
    """
    if not config.identity.directory:
        return None
    who = identity.load(Path(config.identity.directory))
    path = outbox_path(config)
    with ExitStack() as undoing:
        lock = undoing.enter_context(hold(path))
        ledger = Ledger(Path(config.outbox.ledger)) if config.outbox.ledger else None
        outbox = Outbox(open_database(path), who, clock, config.outbox, ledger)
        publisher = open_publisher(config.delivery.publisher, config.broker)
        delivery = Delivery(outbox, publisher, who, config.delivery, clock, describe)
        status = outbox.status()
        undoing.pop_all()
    return Provisioned(outbox, delivery, publisher, path.parent, status.last_seq, status.backlog, lock, ledger)


def hold(outbox: Path) -> BinaryIO:
    """This process's alone until it closes the file or ends, however it ends. Raises RunningError, StoreError.

    A file of its own beside the outbox: to open and close the database would take SQLite's own locks away. Beside the
    outbox itself, whatever links lead to it.
    """
    real = outbox.resolve()
    path = real.with_name(real.name + LOCK_SUFFIX)
    try:
        make_folder(path.parent)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    except OSError as error:
        raise StoreError(f"expected an outbox that can be written in {path.parent}; {error}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise RunningError(
            f"already running: another process has {real.name} in {real.parent} to write; stop it first, or name "
            "another --identity"
        ) from error
    except OSError as error:
        file.close()
        raise StoreError(f"expected a file system with locks at {path}; {error}: use a local disk") from error
    return file
