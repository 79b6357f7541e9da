"""A provisioned device with an outbox in a folder of its own, and a clock that stands still until it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge import config
from edge.clock import Clock, SystemClock
from edge.delivery import Delivery
from edge.identity import Identity
from edge.ledger import Ledger
from edge.outbox import Outbox, open_database
from tests.edge.tell.tiny_hub import TinyHub
from tests.edge.tell.ways import Way
from tests.golden.keys import Keys, read_keys
from tests.patience import wait_until

MakeOutbox = Callable[..., Outbox]
Deliver = Callable[..., Delivery]
OpenHub = Callable[[Way], TinyHub]
QUICK = config.Delivery(resend_after_s=0.3, state_every_s=0.2)


class HandClock:
    """A Clock that tests move."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
        self.elapsed_ns = 0

    def now(self) -> datetime:
        return self.time

    def monotonic_ns(self) -> int:
        return self.elapsed_ns

    def synchronised(self) -> bool:
        return True

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.elapsed_ns += int(seconds * 1e9)


@pytest.fixture(scope="session")
def keys() -> Keys:
    return read_keys()


@pytest.fixture
def identity(keys: Keys) -> Identity:
    return keys.identity()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def make_outbox(tmp_path: Path, identity: Identity, clock: HandClock) -> Iterator[MakeOutbox]:
    """Opens `outbox.db` of the test's folder, again and again if asked; everything is closed at the end."""
    with ExitStack() as closing:

        def make(
            max_bytes: int = 2**20, ledger: Ledger | None = None, name: str = "outbox.db", by: Clock = clock
        ) -> Outbox:
            outbox = Outbox(open_database(tmp_path / name), identity, by, config.Outbox(max_bytes=max_bytes), ledger)
            closing.callback(outbox.close)
            return outbox

        yield make


@pytest.fixture(params=["memory", "mosquitto", "iotcore"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    made = Way(request.param, tmp_path)
    yield made
    made.broker.stop()


@pytest.fixture
def mosquitto_way(tmp_path: Path) -> Iterator[Way]:
    made = Way("mosquitto", tmp_path)
    yield made
    made.broker.stop()


@pytest.fixture
def memory_way(tmp_path: Path) -> Way:
    return Way("memory", tmp_path)


@pytest.fixture
def outbox(make_outbox: MakeOutbox) -> Outbox:
    return make_outbox(by=SystemClock())


@pytest.fixture
def deliver(outbox: Outbox, identity: Identity) -> Iterator[Deliver]:
    """Starts a delivery over a way; it is stopped at the end unless the test did."""
    with ExitStack() as stack:

        def start(way: Way, settings: config.Delivery = QUICK, describe: Any = lambda: {"app": "test"}) -> Delivery:
            delivery = Delivery(outbox, way.open(), identity, settings, SystemClock(), describe)
            delivery.start()
            stack.callback(delivery.stop, 0)
            return delivery

        yield start


@pytest.fixture
def open_hub(keys: Keys) -> Iterator[Callable[[Way], TinyHub]]:
    with ExitStack() as stack:

        def start(way: Way) -> TinyHub:
            hub = TinyHub(way.open(), keys)
            hub.start()
            stack.callback(hub.stop)
            wait_until(lambda: hub.publisher.connected, "the hub to connect")
            return hub

        yield start
