"""Whatever comes instead of a message: it is refused by name, nobody falls over, and what is right goes on."""

from __future__ import annotations

import gc
import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import config, wire
from edge.errors import SealError, WireError
from edge.outbox import Outbox
from edge.publish.mqtt import MqttPublisher
from edge.sealing import unseal, verify
from tests.edge.tell.conftest import Deliver
from tests.faults.mutations import VALUES, damaged, field_paths, golden_json, golden_sealed, replaced
from tests.faults.pair import Pair
from tests.faults.test_restored import LINE
from tests.golden.keys import read_keys
from tests.golden.test_wire import kind_of
from tests.patience import wait_until

KEYS = read_keys()
JSON, SEALED = golden_json(), golden_sealed()
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
EACH = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", JSON)
def test_every_field_of_every_message_takes_what_it_should_and_refuses_the_rest_by_name(name: str) -> None:
    kind, message = kind_of(name), JSON[name]
    for path in field_paths(message):
        for value in VALUES:
            data = json.dumps(replaced(message, path, value)).encode()
            with suppress(WireError):
                taken: Any = wire.decode(data, kind)
                assert wire.decode(wire.encode(taken), kind) == taken


@EACH
@given(st.data())
def test_any_value_in_any_field_is_taken_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(JSON)))
    path = data.draw(st.sampled_from(list(field_paths(JSON[name]))))
    text = json.dumps(replaced(JSON[name], path, data.draw(ANYTHING)))
    with suppress(WireError):
        wire.decode(text.encode("utf-8", "surrogatepass"), kind_of(name))


@EACH
@given(st.binary(max_size=2000) | st.sampled_from(sorted(SEALED.values())), st.integers(0, 2**32))
def test_bytes_that_are_almost_a_sealed_message_are_refused(data: bytes, seed: int) -> None:
    chance = random.Random(seed)
    almost = damaged(data, chance) if data else data
    with suppress(WireError, SealError):
        message, header = wire.decode_sealed(almost)
        if almost not in SEALED.values():
            verify(message, KEYS.device_sign.public_key())
            assert isinstance(message, wire.Envelope)
            unseal(message, header, KEYS.hub_seal)


def test_noise_on_every_topic_stops_neither_the_hub_nor_the_device(pair: Pair) -> None:
    chance = random.Random(3)
    pair.start_hub()
    pair.start_device()
    pair.outbox.append_many([LINE] * 20)
    seeds = [*SEALED.values(), *(json.dumps(each).encode() for each in JSON.values()), b"", b"\x00" * 5000]
    topics = [
        wire.device_topic("village-3", "cam-1", leaf) for leaf in ("event", "ack", "cmd", "rsp", "status", "state")
    ]
    for number in range(600):
        data = chance.choice(seeds)
        topic = chance.choice([*topics, wire.HUB_TOPIC, "dermedge/v1/x/y/event", "dermedge/v1/village-3/cam-9/state"])
        pair.broker.route(topic, damaged(data, chance) if data else data, retain=number % 3 == 0)
        if number % 20 == 0:
            pair.outbox.append(LINE)
    pair.drained()
    assert pair.delivery is not None
    assert pair.ingest is not None
    assert pair.delivery._thread.is_alive()
    assert pair.ingest._thread.is_alive()


class Babbler:
    """A broker that is none: it takes every connection and answers with what it likes."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers, self.served = answers, 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection, suppress(OSError):
                    connection.recv(4096)
                    connection.sendall(self._answers[self.served % len(self._answers)])
                    connection.settimeout(0.3)
                    connection.recv(4096)
                self.served += 1

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)


CONNACK = b"\x20\x03\x00\x00\x00"
ANSWERS = [
    b"",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\xff" * 64,
    b"\x20\xff\xff\xff\xff\x01",
    CONNACK + b"\x30\x05\x00\xffab",
    CONNACK + b"\x30\x02\x00\x00",
    CONNACK + b"\x90\x01\x00",
    CONNACK + b"\xe0\x00",
    CONNACK + b"\x32\x06\x00\x01\xff\x00\x01\x00",
]


@pytest.fixture
def babbler() -> Iterator[Babbler]:
    made = Babbler(ANSWERS)
    yield made
    made.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_broker_that_babbles_ends_no_thread(
    babbler: Babbler, outbox: Outbox, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each answer the device connects again, and in the end keeps everything."""
    monkeypatch.setattr("edge.publish.mqtt.RECONNECT_MAX_S", 0.2)

    class Way:
        def open(self) -> MqttPublisher:
            return MqttPublisher(config.Broker(port=babbler.port))

    delivery = deliver(Way())
    outbox.append_many([LINE] * 5)
    wait_until(lambda: babbler.served >= 2 * len(ANSWERS), "two rounds of every answer", 60)
    assert delivery._thread.is_alive()
    assert outbox.status().backlog == 5
    delivery.stop(0)
    gc.collect()  # paho leaves the last socket to it
