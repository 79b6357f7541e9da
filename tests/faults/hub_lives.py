"""What a hub does in one life: making its folder, queueing commands, ingesting; and the control that must lose."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from edge import identity
from edge.clock import SystemClock
from edge.config import Broker
from edge.events import Resume
from edge.publish.mqtt import MqttPublisher
from hub import commanding, database, ingest, keys, registry, schema
from hub.opening import Arrival, Opened
from hub.store import Outcome
from tests.faults import orders


def make(folder: str) -> int:
    """A hub and a device that is registered with it."""
    root, clock = Path(folder), SystemClock()
    keys.create(root / "hub", clock)
    database.create(root / "hub")
    identity.create(root / "device", "village-3", orders.DEVICE, root / "hub" / keys.PUBLIC_FILE)
    engine = database.open_database(root / "hub")
    registry.add(engine, registry.read_device_keys(root / "device" / identity.PUBLIC_FILE), clock)
    return 0


def queue(folder: str, seed: int) -> int:
    """Give the device an order, and note it."""
    root = Path(folder)
    orders.give(root, database.open_database(root / "hub"), SystemClock(), seed)
    return 0


def serve(folder: str, port: int) -> int:
    """`hub ingest`, until SIGTERM or a kill."""
    return _serve(folder, port)


def serve_carelessly(folder: str, port: int) -> int:
    """The control: acknowledged before it is committed, and deaf to what devices say of themselves."""
    commanding.resumed = _hear_nothing
    ingest.Ingest = CarelessIngest  # type: ignore[misc]
    return _serve(folder, port)


class CarelessIngest(ingest.Ingest):
    """A fault on purpose: the receipt goes out before the commit."""

    def _write(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        outcomes = []
        for each in map(self._open, arrivals):
            if isinstance(each, Opened) and each.header.kind == "event":
                header = each.header
                outcomes.append(
                    Outcome(each.device, header.epoch, header.seq, header.event_id, each.message_sha256, "stored")
                )
        if not outcomes:
            return []  # what devices say of themselves comes first, and the kill is for events
        self._parts.subscription.acknowledge(outcomes)
        time.sleep(0.02)  # it is on its way
        return super()._write(arrivals)


def answered(folder: str) -> int:
    """Wait until every command has its answer; 1 where that does not come."""
    engine = database.open_database(Path(folder) / "hub", read_only=True)
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            query = sa.select(sa.func.count()).where(schema.commands.c.answered_at.is_(None))
            if connection.execute(query).scalar_one() == 0:
                return 0
        time.sleep(0.05)
    return 1


def _hear_nothing(connection: sa.Connection, device: str, body: Resume, at: object) -> None:
    del connection, device, body, at


def _serve(folder: str, port: int) -> int:
    logging.basicConfig(level=logging.CRITICAL)
    until = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: until.set())
    ingest.run(Path(folder) / "hub", MqttPublisher(Broker(port=port)), SystemClock(), until)
    return 0


LIVES = {
    "make": make,
    "queue": queue,
    "serve": serve,
    "serve_carelessly": serve_carelessly,
    "answered": answered,
}
