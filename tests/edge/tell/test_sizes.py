"""MQTT's Maximum Packet Size in both directions, against a real mosquitto: ours is told, the broker's is kept."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge import wire
from edge.config import Broker
from edge.outbox import Outbox
from edge.publish.mqtt import MqttPublisher
from tests.broker import Mosquitto
from tests.edge.tell.conftest import Deliver, OpenHub
from tests.edge.tell.ways import Way
from tests.golden import messages
from tests.patience import wait_until

LINE = messages.EVENTS[-1]


def limit(folder: Path, packet_bytes: int) -> None:
    """Have the mosquitto of this folder take packets of this size, from its next start on."""
    configuration = folder / "mosquitto.conf"
    text = configuration.read_text().replace("max_packet_size 270000", f"max_packet_size {packet_bytes}")
    assert f"max_packet_size {packet_bytes}" in text
    configuration.write_text(text)


def test_what_is_too_large_never_comes_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = Mosquitto(tmp_path)
    limit(tmp_path, 2_000_000)
    broker.start()
    came: list[int] = []
    publisher = MqttPublisher(Broker(port=broker.port))
    publisher.start("listener", [("t/#", 1)], lambda: None, lambda _t, payload, _r: came.append(len(payload)))
    wait_until(lambda: publisher.connected, "the connection")
    stranger = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    stranger.connect("127.0.0.1", broker.port)
    stranger.loop_start()
    with caplog.at_level(logging.WARNING):
        for size in (wire.PACKET_BYTES_MAX + 1, 1_000_000, wire.MESSAGE_BYTES_MAX + 1, wire.MESSAGE_BYTES_MAX, 5):
            stranger.publish("t/a", bytes(size), qos=1).wait_for_publish(5)
        wait_until(lambda: 5 in came, "the last of them")
    stranger.disconnect()
    stranger.loop_stop()
    assert came == [wire.MESSAGE_BYTES_MAX, 5]
    # The broker kept the two that exceed the packet size; the third fitted in and was dropped here.
    assert caplog.text.count("was dropped") == 1
    assert "a message of 262145 bytes on t/a was dropped" in caplog.text
    publisher.stop()
    broker.stop()


def test_what_the_broker_does_not_take_is_not_sent(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    limit(tmp_path, 20_000)
    broker.start()
    publisher, connections = MqttPublisher(Broker(port=broker.port)), []
    publisher.start("sender", [], lambda: connections.append(True), lambda *_: None)
    wait_until(lambda: publisher.connected, "the connection")
    largest = publisher.payload_bytes_max("t/a")
    assert 19_900 < largest < 20_000
    for qos in (0, 1):
        assert not publisher.publish("t/a", bytes(largest + 1), qos=qos)
        assert f"takes at most {largest} bytes" in publisher.problem
        assert publisher.publish("t/a", bytes(largest), qos=qos)
    time.sleep(0.3)
    assert publisher.connected
    assert len(connections) == 1, "the broker did not cut the connection"
    publisher.stop()
    broker.stop()


def test_a_row_that_the_broker_does_not_take_holds_up_no_other(
    tmp_path: Path, mosquitto_way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub
) -> None:
    mosquitto_way.broker.stop()
    limit(tmp_path, 20_000)
    mosquitto_way.broker.start()
    hub = open_hub(mosquitto_way)
    part = messages.EVENTS[4]
    large = outbox.append(
        type(part)(**{**{n: getattr(part, n) for n in part.__struct_fields__}, "content": bytes(50_000)})
    )
    ids = outbox.append_many([LINE] * 40)
    delivery = deliver(mosquitto_way)
    wait_until(lambda: outbox.status().backlog == 1, "all but the large one")
    assert set(hub.arrivals) == set(ids)
    mosquitto_way.broker.stop()
    limit_again = (tmp_path / "mosquitto.conf").read_text().replace("max_packet_size 20000", "max_packet_size 270000")
    (tmp_path / "mosquitto.conf").write_text(limit_again)
    mosquitto_way.broker.start()
    wait_until(lambda: delivery.idle, "the large one, now that the broker takes it")
    assert large in hub.arrivals


def test_the_first_failure_and_the_recovery_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = Mosquitto(tmp_path)
    publisher, connected = MqttPublisher(Broker(port=broker.port)), threading.Event()
    with caplog.at_level(logging.WARNING):
        publisher.start("lonely", [], connected.set, lambda *_: None)
        wait_until(lambda: "no broker answers" in caplog.text, "the first failure")
        time.sleep(1.0)
        assert caplog.text.count("no broker answers") == 1, "of several tries, one line"
        broker.start()
        assert connected.wait(15)
        assert f"connected to the broker at 127.0.0.1:{broker.port}" in caplog.text
        broker.stop()
        wait_until(lambda: "was ended" in caplog.text, "the end of the connection")
    publisher.stop()
