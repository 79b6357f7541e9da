"""What MqttPublisher does beyond the contract: it says what is wrong, and does not pile up."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from edge.config import Broker
from edge.errors import ConfigError
from edge.publish.mqtt import PENDING_BYTES_MAX, MqttPublisher
from tests.broker import Mosquitto, free_port
from tests.contracts.publishing import wait_until


def test_mqtt_tells_why_there_is_no_connection() -> None:
    publisher = MqttPublisher(Broker(port=free_port()))
    assert publisher.problem == "not started"
    publisher.start("lonely", [], lambda: None, lambda *_: None)
    wait_until(lambda: "no broker answers at 127.0.0.1" in publisher.problem)
    began = time.monotonic()
    publisher.stop()
    assert time.monotonic() - began < 3.5
    assert publisher.problem == "stopped"


def test_an_address_that_is_none_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"expected broker\.host"):
        MqttPublisher(Broker(host="a" * 70)).start("lonely", [], lambda: None, lambda *_: None)


def test_mqtt_tells_a_message_that_the_broker_refuses(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    (tmp_path / "acl").write_text("topic readwrite allowed/#\n")
    with (tmp_path / "mosquitto.conf").open("a") as configuration:
        configuration.write(f"acl_file {tmp_path / 'acl'}\n")
    broker.start()
    publisher = MqttPublisher(Broker(port=broker.port))
    publisher.start("curious", [("allowed/#", 1)], lambda: None, lambda *_: None)
    wait_until(lambda: publisher.connected)
    assert publisher.publish("allowed/a", b"x", qos=1)
    assert publisher.publish("forbidden/a", b"x", qos=1)
    wait_until(lambda: "refused a message" in publisher.problem)
    assert publisher.connected
    publisher.stop()
    broker.stop()


def test_mqtt_does_not_pile_up_what_a_slow_link_cannot_take() -> None:
    """A listener that speaks MQTT's first word and then reads nothing: a link that stalled. A double of a broker."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        publisher = MqttPublisher(Broker(port=server.getsockname()[1]))
        publisher.start("fast", [], lambda: None, lambda *_: None)
        connection, _ = server.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(b"\x20\x03\x00\x00\x00")
            wait_until(lambda: publisher.connected)
            taken = 0
            while publisher.publish("t/a", bytes(64 * 1024)):
                taken += 1
                assert taken < 2000, "it took everything"
                time.sleep(0.001)
            waiting = publisher._pending_bytes
            assert 0 < waiting <= PENDING_BYTES_MAX
        wait_until(lambda: not publisher.connected)
        assert publisher._pending_bytes == 0
        publisher.stop()


@pytest.mark.parametrize(
    ("connack", "suback", "problem"),
    [
        (b"\x20\x03\x00\x87\x00", None, "refused the connection: Not authorized"),
        (b"\x20\x03\x00\x00\x00", 0x87, "refused the subscription to t/#: Not authorized"),
        (b"\x20\x03\x00\x00\x00", 0x01, ""),
    ],
)
def test_mqtt_tells_what_the_broker_refuses(connack: bytes, suback: int | None, problem: str) -> None:
    """A listener that answers one CONNECT and one SUBSCRIBE as told. A double: mosquitto grants, then withholds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = MqttPublisher(Broker(port=server.getsockname()[1]))
        connected: list[bool] = []
        publisher.start("curious", [("t/#", 1)], lambda: connected.append(True), lambda *_: None)
        connection, _ = server.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(connack)
            if suback is not None:
                packet_id = connection.recv(1024)[2:4]
                connection.sendall(b"\x90\x04" + packet_id + b"\x00" + bytes([suback]))
                wait_until(lambda: bool(connected))
                wait_until(lambda: not publisher._subscribed)
            wait_until(lambda: problem in publisher.problem)
            assert bool(connected) == publisher.connected == (suback is not None)
        publisher.stop()
