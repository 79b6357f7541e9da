"""What every Publisher must do: MqttPublisher against a real mosquitto, MemoryPublisher against its own broker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge import wire
from edge.config import Broker
from edge.errors import ConfigError, WireError
from edge.publish.base import PUBLISHERS, open_publisher
from edge.publish.memory import matches
from tests.contracts.publishing import PATIENCE_S, Listener, MemoryWorld, MqttWorld, World, wait_until

Listen = Callable[..., Listener]


@pytest.fixture(params=sorted(PUBLISHERS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made: MqttWorld | MemoryWorld = MqttWorld(tmp_path) if request.param == "mqtt" else MemoryWorld()
    yield made
    made.stop()


@pytest.fixture
def listen(world: World) -> Iterator[Listen]:
    with ExitStack() as stack:

        def start(client_id: str, *topics: str, will: tuple[str, bytes] | None = None) -> Listener:
            listener = Listener(world.open(), client_id, *topics, will=will)
            stack.callback(listener.publisher.stop)
            wait_until(lambda: listener.connections == 1)
            if topics:
                # Subscribed once a message of its own comes back to it.
                probe = topics[0].replace("#", "probe").replace("+", "probe")
                listener.publisher.publish(probe, b"probe", qos=1)
                wait_until(lambda: bool(listener.came))
                listener.came.clear()
            return listener

        yield start


def test_a_message_reaches_every_subscriber_and_nobody_else(listen: Listen) -> None:
    one, two, other = listen("one", "t/+/event"), listen("two", "t/#"), listen("three", "u/#")
    assert one.publisher.publish("t/a/event", b"\x00\xff", qos=0)
    wait_until(lambda: bool(one.came and two.came))
    assert one.came == two.came == [("t/a/event", b"\x00\xff", False)]
    assert other.came == []


def test_messages_of_one_client_come_in_their_order_on_one_thread(listen: Listen) -> None:
    sender, receiver = listen("sender"), listen("receiver", "t/#")
    for number in range(200):
        assert sender.publisher.publish("t/a", str(number).encode())
    wait_until(lambda: len(receiver.came) == 200)
    assert [int(payload) for _, payload, _ in receiver.came] == list(range(200))
    assert len(receiver.threads) == 1
    assert threading.get_ident() not in receiver.threads


def test_a_retained_message_comes_to_who_subscribes_later_and_says_so(world: World, listen: Listen) -> None:
    sender, early = listen("sender"), listen("early", "t/#")
    sender.publisher.publish("t/status", b"old", qos=1, retain=True)
    sender.publisher.publish("t/status", b"new", qos=1, retain=True)
    wait_until(lambda: len(early.came) == 2)
    assert [retained for _, _, retained in early.came] == [False, False]
    late = Listener(world.open(), "late", "t/#")
    wait_until(lambda: bool(late.came))
    assert late.came == [("t/status", b"new", True)]
    assert late.connections == 1
    late.publisher.stop()


def test_an_empty_retained_message_clears_the_topic(world: World, listen: Listen) -> None:
    sender, early = listen("sender"), listen("early", "t/#")
    sender.publisher.publish("t/status", b"here", qos=1, retain=True)
    sender.publisher.publish("t/status", b"", qos=1, retain=True)
    sender.publisher.publish("t/other", b"kept", qos=1, retain=True)
    wait_until(lambda: len(early.came) == 3)
    assert early.came[1] == ("t/status", b"", False)
    late = Listener(world.open(), "late", "t/#")
    wait_until(lambda: bool(late.came))
    assert late.came == [("t/other", b"kept", True)]
    late.publisher.stop()


@pytest.mark.parametrize("last_words", [b"gone", b""])
def test_the_will_is_published_when_the_connection_is_cut(world: World, listen: Listen, last_words: bytes) -> None:
    watcher = listen("watcher", "t/#")
    mortal = listen("mortal", will=("t/status", last_words))
    mortal.publisher.publish("t/status", b"here", qos=1, retain=True)
    wait_until(lambda: bool(watcher.came))
    world.cut(mortal.publisher)
    wait_until(lambda: len(watcher.came) == 2)
    assert watcher.came[1] == ("t/status", last_words, False)


def test_the_will_is_not_published_by_a_stop(listen: Listen) -> None:
    watcher = listen("watcher", "t/#")
    polite = listen("polite", will=("t/status", b"gone"))
    assert polite.publisher.publish("t/status", b"goodbye")
    polite.publisher.stop()
    polite.publisher.stop()
    watcher.publisher.publish("t/after", b"")
    wait_until(lambda: any(topic == "t/after" for topic, _, _ in watcher.came))
    assert [(topic, payload) for topic, payload, _ in watcher.came] == [("t/status", b"goodbye"), ("t/after", b"")]
    assert not polite.publisher.connected
    assert not polite.publisher.publish("t/status", b"from the grave")


def test_a_broker_that_is_away_is_told_and_comes_back(world: World, listen: Listen) -> None:
    sender, receiver = listen("sender"), listen("receiver", "t/#")
    world.stop()
    wait_until(lambda: not sender.publisher.connected and not receiver.publisher.connected)
    assert sender.publisher.problem
    for qos in (0, 1):
        assert not sender.publisher.publish("t/a", b"stale", qos=qos)
    world.start()
    wait_until(lambda: sender.connections == receiver.connections == 2)
    assert sender.publisher.connected
    assert sender.publisher.problem == ""
    # Subscribed again, and what was refused while it was away does not come out of some queue.
    deadline = time.monotonic() + PATIENCE_S
    while not receiver.came:
        sender.publisher.publish("t/a", b"fresh")
        time.sleep(0.02)
        assert time.monotonic() < deadline
    assert {payload for _, payload, _ in receiver.came} == {b"fresh"}


def test_a_broker_that_was_never_there_may_come_later(world: World) -> None:
    world.stop()
    late = Listener(world.open(), "early-bird")
    assert not late.publisher.connected
    assert not late.publisher.publish("t/a", b"x")
    assert late.publisher.problem
    world.start()
    wait_until(lambda: late.connections == 1)
    assert late.publisher.connected
    late.publisher.stop()


def test_an_exception_in_a_callback_is_logged_and_ends_nothing(
    world: World, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    came: list[bytes] = []

    def broken(_topic: str, payload: bytes, _retained: bool) -> None:
        came.append(payload)
        raise RuntimeError("a bug of the caller")

    def broken_connected() -> None:
        raise RuntimeError("another bug")

    publisher = world.open()
    publisher.start("fragile", [("t/#", 1)], broken_connected, broken)
    sender = listen("sender")
    with caplog.at_level(logging.ERROR):
        sender.publisher.publish("t/kept", b"first", qos=1, retain=True)
        wait_until(lambda: b"first" in came)
        sender.publisher.publish("t/a", b"second")
        wait_until(lambda: b"second" in came)
    assert publisher.connected
    publisher.stop()
    assert "a bug of the caller" in caplog.text
    assert "another bug" in caplog.text


def test_a_message_may_be_published_from_a_callback(world: World, listen: Listen) -> None:
    asker = listen("asker", "t/answer")
    answering = world.open()
    subscribed: list[bool] = []

    def answer(topic: str, payload: bytes, _retained: bool) -> None:
        subscribed.append(True)
        if topic == "t/question":
            answering.publish("t/answer", payload.upper(), qos=1)

    answering.start("answering", [("t/question", 1), ("t/hello", 1)], lambda: None, answer)
    asker.publisher.publish("t/hello", b"hello", qos=1, retain=True)
    wait_until(lambda: bool(subscribed))
    asker.publisher.publish("t/question", b"who", qos=1)
    wait_until(lambda: bool(asker.came))
    assert asker.came == [("t/answer", b"WHO", False)]
    answering.stop()


def test_what_is_published_on_connecting_finds_the_own_subscriptions(world: World) -> None:
    """A hub says that it is here in on_connected; what devices answer must reach it."""
    publisher = world.open()
    came: list[tuple[str, bytes]] = []

    def connected() -> None:
        came.append(("connected", b""))
        publisher.publish("t/hello", b"x")

    publisher.start("eager", [("t/#", 1)], connected, lambda topic, payload, _retained: came.append((topic, payload)))
    wait_until(lambda: len(came) == 2)
    assert came == [("connected", b""), ("t/hello", b"x")]
    publisher.stop()


def test_the_largest_message_passes_and_a_larger_one_is_refused(listen: Listen) -> None:
    sender, receiver = listen("sender"), listen("receiver", "t/#")
    with pytest.raises(WireError, match="expected at most 262144 bytes for t/a, got 262145"):
        sender.publisher.publish("t/a", bytes(wire.MESSAGE_BYTES_MAX + 1))
    assert sender.publisher.publish("t/a", bytes(wire.MESSAGE_BYTES_MAX))
    wait_until(lambda: bool(receiver.came))
    assert len(receiver.came[0][1]) == wire.MESSAGE_BYTES_MAX
    assert sender.publisher.connected


def test_the_same_client_id_throws_the_other_out(world: World, listen: Listen) -> None:
    first = listen("twin")
    second = Listener(world.open(), "twin")
    wait_until(lambda: second.connections == 1)
    wait_until(lambda: not first.publisher.connected or first.connections > 1)
    first.publisher.stop()
    second.publisher.stop()


def test_an_unknown_publisher_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"expected delivery\.publisher out of memory, mqtt"):
        open_publisher("carrier-pigeon", Broker())


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("+/b/#", "a/b/c/d", True),
        ("a/#", "b/a", False),
        ("#", "a/b", True),
        ("a/b", "a", False),
        ("a/b/#", "a", False),
    ],
)
def test_memory_matches_topics_as_mqtt_does(topic_filter: str, topic: str, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected
