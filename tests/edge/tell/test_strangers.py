"""What anybody else says on the broker neither starts nor ends a delivery, and does not fill the log."""

from __future__ import annotations

import logging

import pytest

from edge import wire
from edge.outbox import Outbox
from tests.edge.tell.conftest import Deliver, OpenHub
from tests.edge.tell.test_delivery import ACK, LINE
from tests.edge.tell.ways import Way
from tests.golden import messages
from tests.golden.keys import DEVICE, SITE
from tests.patience import wait_until


def test_another_hubs_presence_starts_nothing(
    memory_way: Way, outbox: Outbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    other = memory_way.open()
    other.start("other-hub", [], lambda: None, lambda *_: None)
    presence = wire.HubPresence(ts=messages.AT, hub=messages.an_id(99), key_id="0" * 16)
    delivery = deliver(memory_way)
    outbox.append(LINE)
    with caplog.at_level(logging.WARNING):
        for payload in (wire.encode(presence), b"not a presence"):
            other.publish(wire.HUB_TOPIC, payload, retain=True)
        wait_until(lambda: "is no hub's presence" in caplog.text, "both to be read")
    assert "is on this broker too" in caplog.text
    assert not delivery.hub_present
    other.stop()


def test_another_hubs_presence_ends_nothing(
    way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub, caplog: pytest.LogCaptureFixture
) -> None:
    hub = open_hub(way)
    delivery = deliver(way)
    wait_until(lambda: delivery.hub_present, "the hub to be seen")
    other = way.open()
    other.start("other-hub", [], lambda: None, lambda *_: None)
    wait_until(lambda: other.connected, "the other hub to connect")
    with caplog.at_level(logging.WARNING):
        for number in (99, 98, 99, 98, 99):
            presence = wire.HubPresence(ts=messages.AT, hub=messages.an_id(number), key_id="0" * 16)
            other.publish(wire.HUB_TOPIC, wire.encode(presence), qos=1, retain=True)
        other.publish(wire.HUB_TOPIC, b"not a presence", qos=1)
        wait_until(lambda: "is no hub's presence" in caplog.text, "all to be read")
    assert caplog.text.count("is on this broker too") == 2, "one line a hub"
    assert delivery.hub_present
    event_id = outbox.append(LINE)
    wait_until(lambda: delivery.idle, "the acknowledgement all the same")
    assert event_id in hub.arrivals
    other.publish(wire.HUB_TOPIC, b"", qos=1, retain=True)
    wait_until(lambda: not delivery.hub_present, "the word that it has gone")
    other.stop()


def test_refusals_without_end_are_one_line(
    memory_way: Way, deliver: Deliver, open_hub: OpenHub, caplog: pytest.LogCaptureFixture
) -> None:
    hub = open_hub(memory_way)
    delivery = deliver(memory_way)
    wait_until(lambda: delivery.hub_present, "the hub to be seen")
    command_topic = wire.device_topic(SITE, DEVICE, "cmd")
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            for topic in (ACK, command_topic, wire.HUB_TOPIC):
                hub.publisher.publish(topic, b"nonsense")
        hub.publisher.publish(wire.HUB_TOPIC, b"")
        wait_until(lambda: not delivery.hub_present, "all to be read")
    assert caplog.text.count("an acknowledgement was refused") == 1
    assert caplog.text.count("a command was refused") == 1
    assert caplog.text.count("is no hub's presence") == 1
