"""Ways from a device to a hub: a broker in memory, a real mosquitto, and iotcore as the demo uses it."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

from benchmarks import loopback
from edge import config
from edge.publish.base import Publisher, open_publisher
from edge.publish.memory import MemoryBroker
from tests.broker import Mosquitto, free_port

NUMBERS = itertools.count(1)


class Way:
    """A broker of some kind, and publishers to it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.publisher = "memory" if kind == "memory" else "mqtt"
        self.settings = config.Broker(host=f"delivery-{next(NUMBERS)}")
        self.broker: Any
        if kind == "memory":
            self.broker = MemoryBroker.named(f"{self.settings.host}:{self.settings.port}")
            return
        if kind == "mosquitto":
            self.broker = Mosquitto(folder)
            self.settings = config.Broker(port=self.broker.port)
        else:
            port = free_port()
            self.broker = loopback.broker(folder / "iotcore.toml", port)
            self.settings = config.Broker(port=port)
        self.broker.start()

    def open(self) -> Publisher:
        return open_publisher(self.publisher, self.settings)

    def forget(self) -> None:
        """The broker is ended and comes back with nothing: no sessions, no retained messages."""
        self.broker.stop()
        time.sleep(0.1)
        self.broker.start()
