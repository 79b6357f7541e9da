"""A broker inside this process, for tests and for trying things: publishers with the same host:port share it.

It keeps what a real one keeps (retained messages, wills) and forgets as one without persistence does: `stop` cuts every
connection, `start` begins with nothing.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence

from edge import wire
from edge.config import Broker
from edge.publish.base import OnConnected, OnMessage, check_size

_log = logging.getLogger(__name__)


class MemoryBroker:
    """Routes between its clients. Get the one of a name by `MemoryBroker.named`."""

    _brokers: dict[str, MemoryBroker] = {}  # noqa: RUF012  (one process-wide register is what makes it shared by name)
    _register_lock = threading.Lock()

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._retained: dict[str, bytes] = {}
        self._clients: list[MemoryPublisher] = []
        self.running = True

    @classmethod
    def named(cls, name: str) -> MemoryBroker:
        """The broker of this name, made when first asked for."""
        with cls._register_lock:
            return cls._brokers.setdefault(name, cls())

    def stop(self) -> None:
        """Go away: every connection ends, and all that was retained is forgotten."""
        with self._lock:
            self.running = False
            self._retained.clear()
            for client in self._clients:
                client.connection_lost("the broker in memory was stopped")

    def start(self) -> None:
        """Come back, with nothing; clients connect again."""
        with self._lock:
            self.running = True
            for client in self._clients:
                self._connect(client)

    def join(self, client: MemoryPublisher) -> None:
        """Take a client, now or when the broker runs; one of the same client id is thrown out, as MQTT has it."""
        with self._lock:
            for other in [each for each in self._clients if each.client_id == client.client_id]:
                self.lose(other)
            self._clients.append(client)
            if self.running:
                self._connect(client)
            else:
                client.connection_lost("the broker in memory does not run")

    def leave(self, client: MemoryPublisher) -> None:
        """A graceful disconnect: no will."""
        with self._lock:
            if client in self._clients:
                self._clients.remove(client)

    def lose(self, client: MemoryPublisher) -> None:
        """A connection that broke for good: the will is published."""
        with self._lock:
            self.leave(client)
            client.connection_lost("the connection was cut")
            if client.will is not None and self.running:
                self.route(client.will[0], client.will[1], retain=True)

    def route(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """To every subscriber; False where the broker does not run."""
        with self._lock:
            if not self.running:
                return False
            if retain:
                self._retained.pop(topic, None)
                if payload:
                    self._retained[topic] = payload
            for client in self._clients:
                if client.wants(topic):
                    client.deliver(topic, payload, retained=False)
            return True

    def _connect(self, client: MemoryPublisher) -> None:
        client.connection_made()
        for topic, payload in self._retained.items():
            if client.wants(topic):
                client.deliver(topic, payload, retained=True)


class MemoryPublisher:
    """A client of a MemoryBroker; the contract is told at edge.publish.base.Publisher."""

    def __init__(self, settings: Broker) -> None:
        self.broker = MemoryBroker.named(f"{settings.host}:{settings.port}")
        self.client_id = ""
        self.will: tuple[str, bytes] | None = None
        self._subscriptions: Sequence[tuple[str, int]] = ()
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connected = False
        self._problem = "not started"

    def start(
        self,
        client_id: str,
        subscriptions: Sequence[tuple[str, int]],
        on_connected: OnConnected,
        on_message: OnMessage,
        will: tuple[str, bytes] | None = None,
    ) -> None:
        self.client_id, self.will, self._subscriptions = client_id, will, subscriptions
        self._on_connected, self._on_message = on_connected, on_message
        self._thread = threading.Thread(target=self._call_back, name=f"memory-{client_id}", daemon=True)
        self._thread.start()
        self.broker.join(self)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:  # noqa: ARG002
        check_size(topic, payload)
        return self._connected and self.broker.route(topic, payload, retain=retain)

    def payload_bytes_max(self, topic: str) -> int:  # noqa: ARG002
        return wire.MESSAGE_BYTES_MAX

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def problem(self) -> str:
        return self._problem

    def stop(self) -> None:
        self.broker.leave(self)
        self.connection_lost("stopped")
        self._calls.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(3.0)

    def wants(self, topic: str) -> bool:
        """Whether one of its subscriptions covers this topic."""
        return self._connected and any(matches(each, topic) for each, _ in self._subscriptions)

    def deliver(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Called by the broker; the callback comes on the client's own thread."""
        self._calls.put(lambda: self._on_message(topic, payload, retained))

    def connection_made(self) -> None:
        """Called by the broker."""
        self._connected, self._problem = True, ""
        self._calls.put(self._on_connected)

    def connection_lost(self, why: str) -> None:
        """Called by the broker."""
        self._connected, self._problem = False, why

    def _call_back(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:  # noqa: BLE001  (logged; whatever it is, the thread goes on)
                _log.exception("a callback of %s failed", self.client_id)


def matches(topic_filter: str, topic: str) -> bool:
    """MQTT's rule: + is one level, # at the end is any number of levels, none included."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)] if len(levels) >= len(wanted) else levels
    return len(wanted) == len(levels) and all(w in {"+", level} for w, level in zip(wanted, levels, strict=True))
