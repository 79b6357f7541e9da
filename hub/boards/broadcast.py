"""What is kept retained on the broker: a summary of each site, and Home Assistant's discovery where it is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from edge.clock import Clock, uuid7
from edge.publish.base import Publisher
from edge.wire import Summary, encode, site_topic
from hub.boards import discovery
from hub.boards.reading import Reading
from hub.boards.released import ReleasedCounts


class Broadcast:
    """`start`, then `tell` again and again, then `stop`. `tell` and `stop` belong to one thread."""

    def __init__(self, publisher: Publisher, clock: Clock, *, home_assistant: bool) -> None:
        self._publisher = publisher
        self._clock = clock
        self._home_assistant = home_assistant
        self._counts: dict[str, ReleasedCounts] = {}
        self._payloads: dict[str, bytes] = {}
        self._told: dict[str, bytes] = {}
        self._connections = self._told_on = 0

    def start(self) -> None:
        """Connects, for ever. The name is new each time: two of us say the same, and must not cut each other off."""
        name = f"dermedge-boards-{uuid7(self._clock.now())}"
        self._publisher.start(name, (), self._connected, lambda *_: None)

    def stop(self) -> None:
        """What is retained stays."""
        self._publisher.stop()

    def tell(self, reading: Reading) -> None:
        """Publish what is new, and after a new connection everything: the broker may have lost it."""
        self._renew(reading, self._clock.now())
        connections = self._connections
        if connections != self._told_on:
            self._told, self._told_on = {}, connections
        for topic, payload in self._payloads.items():
            if self._told.get(topic) != payload and self._publisher.publish(topic, payload, qos=1, retain=True):
                self._told[topic] = payload

    def _connected(self) -> None:
        """On the publisher's thread; `tell` looks at the number."""
        self._connections += 1

    def _renew(self, reading: Reading, now: datetime) -> None:
        for counts in reading.sites:
            if self._counts.get(counts.site) != counts:  # the same counts keep their time, and are no news
                self._counts[counts.site] = counts
                self._payloads[site_topic(counts.site, "summary")] = encode(_summary(counts, now))
        if self._home_assistant and reading.standing is not None:
            self._payloads.update(_announcements(reading))


def _summary(counts: ReleasedCounts, now: datetime) -> Summary:
    return Summary(
        ts=now,
        site=counts.site,
        screened=counts.screened,
        findings=counts.findings,
        urgent=counts.tiers["urgent"],
        routine=counts.tiers["routine"],
        person=counts.tiers["person"],
    )


def _announcements(reading: Reading) -> Iterator[tuple[str, bytes]]:
    assert reading.standing is not None
    for device in reading.standing.devices:
        yield discovery.topic(device), discovery.payload(device)
