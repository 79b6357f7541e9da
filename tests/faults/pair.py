"""A real device's tell wing and a real hub in one process, over a broker in memory and in any weather."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from edge import config, identity
from edge.clock import Clock, SystemClock
from edge.delivery import Delivery
from edge.events import CommandBody
from edge.ledger import Ledger
from edge.outbox import Outbox, open_database
from edge.publish.memory import MemoryBroker, MemoryPublisher
from hub import commanding, database, keys, registry, schema
from hub.ingest import Ingest
from tests.hub.sender import make_hub, now
from tests.patience import wait_until

NUMBERS = itertools.count(1)
QUICK = config.Delivery(resend_after_s=0.3, state_every_s=0.2)


class Weather:
    """What happens to messages on their way: lost, doubled, held back behind later ones. Fair unless told."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self.lost = self.doubled = self.held = 0.0
        self.recorded: list[tuple[str, bytes]] = []

    def send(self, publish: Callable[[bytes], bool], topic: str, payload: bytes) -> bool:
        self.recorded.append((topic, payload))
        if not topic.endswith(("/event", "/ack", "/cmd", "/rsp")):
            return publish(payload)
        if self._random.random() < self.lost:
            return True
        if self._random.random() < self.held:
            threading.Timer(self._random.uniform(0.0, 0.1), publish, (payload,)).start()
            return True
        if self._random.random() < self.doubled:
            publish(payload)
        return publish(payload)


class WeatherPublisher(MemoryPublisher):
    """A publisher in the weather."""

    def __init__(self, settings: config.Broker, weather: Weather) -> None:
        super().__init__(settings)
        self._weather = weather

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        real = super().publish
        return self._weather.send(lambda each: real(topic, each, qos=qos, retain=retain), topic, payload)


class Pair:
    """`start_hub`, `start_device`; each may be stopped and started again on what it left."""

    def __init__(self, folder: Path, clock: Clock | None = None, url: str | None = None, **outbox: Any) -> None:
        self.folder, self.weather, self.clock = folder, Weather(), clock or SystemClock()
        self.broker_settings = config.Broker(host=f"pair-{next(NUMBERS)}")
        self.broker = MemoryBroker.named(f"{self.broker_settings.host}:{self.broker_settings.port}")
        self.hub = make_hub(folder / "hub", url)
        identity.create(folder / "device", "village-3", "cam-1", self.hub / keys.PUBLIC_FILE)
        self.identity = identity.load(folder / "device")
        self.settings = config.Outbox(**outbox)
        engine = database.open_database(self.hub)
        registry.add(engine, registry.read_device_keys(folder / "device" / "device.json"), self.clock)
        engine.dispose()
        self.outbox: Outbox = None  # type: ignore[assignment]
        self.delivery: Delivery | None = None
        self.ingest: Ingest | None = None

    def start_hub(self) -> None:
        self.ingest = Ingest(self.hub, WeatherPublisher(self.broker_settings, self.weather), self.clock)
        self.ingest.start()

    def stop_hub(self) -> None:
        if self.ingest is not None:
            self.ingest.stop()
            self.ingest = None

    def open_outbox(self) -> Outbox:
        ledger = Ledger(self.folder / "ledger.jsonl")
        database_ = open_database(self.folder / "device" / "outbox.db")
        self.outbox = Outbox(database_, self.identity, self.clock, self.settings, ledger)
        return self.outbox

    def start_device(self, settings: config.Delivery = QUICK) -> None:
        self.open_outbox()
        publisher = WeatherPublisher(self.broker_settings, self.weather)
        self.delivery = Delivery(self.outbox, publisher, self.identity, settings, self.clock, lambda: {"app": "test"})
        self.delivery.start()

    def stop_device(self) -> None:
        if self.delivery is not None:
            self.delivery.stop(0)
            self.outbox.close()
            self.delivery = None

    def stop(self) -> None:
        self.stop_device()
        self.stop_hub()

    def drained(self) -> None:
        wait_until(lambda: self.outbox.status().backlog == 0, "the acknowledgement of every event", 20)

    def queue(self, body: CommandBody) -> str:
        with self.engine() as engine, engine.begin() as connection:
            return commanding.queue(connection, "cam-1", body, now())

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.engine() as engine, engine.begin() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def command(self, command_id: str) -> dict[str, Any]:
        (row,) = [row for row in self.rows(schema.commands) if row["command_id"] == command_id]
        return row

    def done_commands(self) -> list[str]:
        """What the device has recorded, in its order."""
        with self.outbox.opened() as database_:
            return [row[0] for row in database_.execute("SELECT command_id FROM commands ORDER BY number")]

    def engine(self) -> _Disposing:
        return _Disposing(database.open_database(self.hub))


class _Disposing:
    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __enter__(self) -> sa.Engine:
        return self._engine

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()
