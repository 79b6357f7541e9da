"""The hub's word that it takes events: one retained message, on a topic that anybody on the broker can write to.

Devices send while it stands. So it is published again when something else stands there, and every PUBLISH_EVERY_NS.
It keeps its time `ts` until the hub has been away: the same bytes are no reason for a device to send all again.
"""

from __future__ import annotations

import threading

from edge.clock import Clock
from edge.errors import WireError
from edge.publish.base import Publisher
from edge.wire import HUB_TOPIC, HubPresence, decode, encode
from hub.keys import HubIdentity

PUBLISH_EVERY_NS = 15_000_000_000
HEAL_EVERY_NS = 1_000_000_000
"""After an empty word, or one of nobody. Another hub's is left until our own is due again: of two hubs on one broker
each says its word every PUBLISH_EVERY_NS, and no device waits longer for its own."""
NOBODY = b""
"""An empty retained payload clears the topic: the hub is not here."""


class Presence:
    """Thread-safe. `heard` and `connected` come on the network thread, the rest on the ingest thread."""

    def __init__(self, publisher: Publisher, identity: HubIdentity, clock: Clock) -> None:
        self._publisher = publisher
        self._identity = identity
        self._clock = clock
        self._lock = threading.Lock()
        self._taking = True
        self._message = self._new()
        self._heal = False
        self._published_at_ns = clock.monotonic_ns()

    @property
    def taking(self) -> bool:
        """Whether the hub says that it takes events."""
        return self._taking

    def connected(self) -> None:
        """What the broker kept over the connection's end is not known: say it anew."""
        with self._lock:
            self._message = self._new()
        self._publish()

    def announce(self) -> None:
        """The hub takes events (again)."""
        with self._lock:
            self._taking = True
            self._message = self._new()
        self._publish()

    def withdraw(self) -> None:
        """The hub takes no events; devices keep theirs."""
        with self._lock:
            self._taking = False
        self._publish()

    def heard(self, payload: bytes) -> bool:
        """What stands on the topic now, our own word among it. False where it is not ours and must be put right."""
        with self._lock:
            is_foreign = self._taking and payload != self._message
            self._heal = is_foreign and not _is_a_hub_s(payload)
            return not is_foreign

    def tick(self) -> None:
        """To be called often: publishes again what should stand."""
        with self._lock:
            passed_ns = self._clock.monotonic_ns() - self._published_at_ns
            due = passed_ns >= (HEAL_EVERY_NS if self._heal else PUBLISH_EVERY_NS)
            if not (self._taking and due):
                return
            self._heal = False
        self._publish()

    def _publish(self) -> None:
        with self._lock:
            payload = self._message if self._taking else NOBODY
            self._published_at_ns = self._clock.monotonic_ns()
        # Not under the lock: the publisher has locks of its own, and calls `heard` and `connected`.
        self._publisher.publish(HUB_TOPIC, payload, qos=1, retain=True)

    def _new(self) -> bytes:
        return encode(HubPresence(ts=self._clock.now(), hub=self._identity.hub, key_id=self._identity.key_id))


def _is_a_hub_s(payload: bytes) -> bool:
    try:
        decode(payload, HubPresence)
    except WireError:
        return False
    return True
