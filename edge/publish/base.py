"""The seam for brokers, and the table of publishers that ship. The hub uses it too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from edge import wire
from edge.config import Broker
from edge.errors import WireError
from edge.loading import open_named

PUBLISHERS = {"mqtt": "edge.publish.mqtt:MqttPublisher", "memory": "edge.publish.memory:MemoryPublisher"}
"""Name → "module:Class", imported only when chosen; a name with a colon of its own is imported as it is."""

OnConnected = Callable[[], None]
OnMessage = Callable[[str, bytes, bool], None]
"""(topic, payload, retained): retained is True for what the broker had kept, False for what was just published."""


class Publisher(Protocol):
    """A connection to one broker, kept up for ever. Constructed as Class(settings: edge.config.Broker).

    Nothing that it does is a receipt: a message that was handed over may be lost by the network or by the broker.
    Both callbacks come on one thread of the publisher, in the order of the connection; an exception in one is logged
    and ends nothing. Every connection starts clean: subscriptions are made again, retained messages come again.
    """

    def start(
        self,
        client_id: str,
        subscriptions: Sequence[tuple[str, int]],
        on_connected: OnConnected,
        on_message: OnMessage,
        will: tuple[str, bytes] | None = None,
    ) -> None:
        """Begin to connect, and return at once; a broker that is not there is tried again for ever.

        subscriptions: (topic filter, QoS). on_connected comes on every connection, after the subscriptions were
        asked for and before any message of it. will: (topic, payload), retained, published by the broker when this
        connection ends without `stop`. Raises ConfigError for an address that is none.
        """

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Hand a message to the network. False where that is not possible now; the caller tries again later.

        Raises WireError for a payload over wire.MESSAGE_BYTES_MAX: a broker would cut the connection for it. One over
        `payload_bytes_max` is not sent either: False, and `problem` says which size the broker takes.
        """

    def payload_bytes_max(self, topic: str) -> int:
        """The largest payload for this topic that the broker of this connection takes: MESSAGE_BYTES_MAX or less."""

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted this connection, and it has not been seen to end."""

    @property
    def problem(self) -> str:
        """Why there is no connection, or what the broker refused last, in words; "" when all is well."""

    def stop(self) -> None:
        """Send what was handed over, disconnect so that the will is not published, end the threads. At most 3 s."""


def open_publisher(name: str, settings: Broker) -> Publisher:
    """The publisher of this name. Raises ConfigError that names those there are."""
    publisher: Publisher = open_named("delivery.publisher", name, PUBLISHERS, Publisher, settings)
    return publisher


def check_size(topic: str, payload: bytes) -> None:
    """Raises WireError for a payload that a broker would not take."""
    if len(payload) > wire.MESSAGE_BYTES_MAX:
        raise WireError(f"expected at most {wire.MESSAGE_BYTES_MAX} bytes for {topic}, got {len(payload)}")
