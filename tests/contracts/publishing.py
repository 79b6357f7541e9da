"""Brokers that a test may take away, and a publisher with what came to it."""

from __future__ import annotations

import itertools
import socket
import threading
from functools import partial
from pathlib import Path
from typing import Protocol

from edge.config import Broker
from edge.publish.base import Publisher, open_publisher
from edge.publish.memory import MemoryBroker, MemoryPublisher
from edge.publish.mqtt import MqttPublisher
from tests import patience
from tests.broker import Mosquitto

PATIENCE_S = 10.0
NAMES = itertools.count(1)


class World(Protocol):
    """One broker that a test may take away."""

    def open(self) -> Publisher: ...
    def stop(self) -> None: ...
    def start(self) -> None: ...
    def cut(self, publisher: Publisher) -> None: ...


class MqttWorld:
    def __init__(self, folder: Path) -> None:
        self.broker = Mosquitto(folder)
        self.broker.start()
        self.settings = Broker(host="127.0.0.1", port=self.broker.port)

    def open(self) -> Publisher:
        return open_publisher("mqtt", self.settings)

    def stop(self) -> None:
        self.broker.stop()

    def start(self) -> None:
        self.broker.start()

    def cut(self, publisher: Publisher) -> None:
        """As a process that dies: the socket is closed, and nothing is said."""
        assert isinstance(publisher, MqttPublisher)
        assert publisher._client is not None
        connection = publisher._client.socket()
        assert isinstance(connection, socket.socket)
        connection.shutdown(socket.SHUT_RDWR)


class MemoryWorld:
    def __init__(self) -> None:
        self.settings = Broker(host=f"memory-{next(NAMES)}")
        self.broker = MemoryBroker.named(f"{self.settings.host}:{self.settings.port}")

    def open(self) -> Publisher:
        return open_publisher("memory", self.settings)

    def stop(self) -> None:
        self.broker.stop()

    def start(self) -> None:
        self.broker.start()

    def cut(self, publisher: Publisher) -> None:
        assert isinstance(publisher, MemoryPublisher)
        self.broker.lose(publisher)


class Listener:
    """A started publisher and what came to it."""

    def __init__(
        self, publisher: Publisher, client_id: str, *topics: str, will: tuple[str, bytes] | None = None
    ) -> None:
        self.publisher = publisher
        self.connections = 0
        self.came: list[tuple[str, bytes, bool]] = []
        self.threads: set[int] = set()
        publisher.start(client_id, [(topic, 1) for topic in topics], self._connected, self._message, will)

    def _connected(self) -> None:
        self.threads.add(threading.get_ident())
        self.connections += 1

    def _message(self, topic: str, payload: bytes, retained: bool) -> None:
        self.threads.add(threading.get_ident())
        self.came.append((topic, payload, retained))


wait_until = partial(patience.wait_until, within_s=PATIENCE_S)
