"""The hub on the broker: takes what devices send, says that it is here, sends acknowledgements.

QoS 0 both ways for events and acknowledgements: the receipt that counts is ours, signed, after the commit.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from edge.clock import Clock
from edge.publish.base import Publisher
from edge.sealing import sign
from edge.wire import HUB_TOPIC, TOPIC_ROOT, Acknowledgement, Receipt, device_topic, encode
from hub.commanding import Due
from hub.inbox import Inbox, Report
from hub.keys import HubIdentity
from hub.opening import Arrival
from hub.presence import NOBODY, Presence
from hub.store import Outcome

SUBSCRIPTIONS = (
    *((f"{TOPIC_ROOT}/+/+/{leaf}", qos) for leaf, qos in (("event", 0), ("rsp", 0), ("status", 1), ("state", 1))),
    (HUB_TOPIC, 1),
)

_log = logging.getLogger(__name__)


class Subscription:
    """What the network thread calls only queues; it never touches the database."""

    def __init__(self, publisher: Publisher, inbox: Inbox, identity: HubIdentity, clock: Clock) -> None:
        self._publisher = publisher
        self._inbox = inbox
        self._identity = identity
        self._clock = clock
        self.presence = Presence(publisher, identity, clock)

    @property
    def connected(self) -> bool:
        return self._publisher.connected

    @property
    def problem(self) -> str:
        return self._publisher.problem

    def start(self) -> None:
        """Connects, for ever; the will takes the hub's presence away when this process dies."""
        self._publisher.start(
            f"dermedge-hub-{self._identity.hub}",
            SUBSCRIPTIONS,
            self._connected,
            self._take,
            (HUB_TOPIC, NOBODY),
        )

    def stop(self) -> None:
        """Takes the presence away, then disconnects."""
        self.presence.withdraw()
        self._publisher.stop()

    def acknowledge(self, outcomes: Sequence[Outcome]) -> None:
        """One signed acknowledgement a device and epoch. What does not reach the network, the device asks for again."""
        for site, device, signed in acknowledgements(outcomes, self._identity, self._clock.now()):
            if not self._publisher.publish(device_topic(site, device, "ack"), signed):
                _log.info("receipts for %s found no connection; it will send its events again", device)

    def command(self, due: Sequence[Due]) -> None:
        """What does not reach the network goes again, as what is not answered."""
        for each in due:
            if not self._publisher.publish(device_topic(each.site, each.device, "cmd"), each.message, qos=1):
                _log.info("a command for %s found no connection; it goes again", each.device)

    def _connected(self) -> None:
        self.presence.connected()
        _log.info("connected to the broker as hub %s", self._identity.hub)

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        now = self._clock.now()
        leaf = topic.rpartition("/")[2]
        if topic == HUB_TOPIC:
            # Our own of an earlier connection and an empty one are put right without a word.
            if not self.presence.heard(payload) and payload and self._identity.hub.encode() not in payload:
                self._inbox.count("foreign_presence")
        elif leaf in {"event", "rsp"}:
            self._inbox.put_event(Arrival(payload, now))
        else:
            self._inbox.put_report(Report(topic, payload, now, retained))


def acknowledgements(
    outcomes: Sequence[Outcome], identity: HubIdentity, now: datetime
) -> Iterator[tuple[str, str, bytes]]:
    """Site, device and the signed acknowledgement; one a device and epoch."""
    groups: dict[tuple[str, str, str], list[Outcome]] = defaultdict(list)
    for each in outcomes:
        groups[each.device.site, each.device.device, each.epoch].append(each)
    for (site, device, epoch), group in groups.items():
        receipts = tuple(
            Receipt(event_id=each.event_id, seq=each.seq, message_sha256=each.message_sha256, outcome=each.outcome)
            for each in group
        )
        message = Acknowledgement(
            device=device,
            epoch=epoch,
            generation=group[0].generation,
            ts=now,
            receipts=receipts,
            backed_up_to=group[0].backed_up_to,
        )
        yield site, device, sign("acknowledgement", encode(message), identity.signing_key)
