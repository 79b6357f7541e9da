"""From the outbox to a hub and back: over a broker in memory, a real mosquitto, and iotcore as the demo uses it."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import config, events, wire
from edge.outbox import Outbox, OutboxStatus
from edge.sealing import sign
from tests.edge.tell.conftest import Deliver, OpenHub
from tests.edge.tell.test_commands import command, opened
from tests.edge.tell.ways import Way
from tests.golden import messages
from tests.golden.keys import DEVICE, SITE, Keys
from tests.patience import wait_until

LINE = messages.EVENTS[-1]
ACK = wire.device_topic(SITE, DEVICE, "ack")


def test_every_event_arrives_and_is_acknowledged(way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub) -> None:
    hub = open_hub(way)
    delivery = deliver(way)
    ids = [outbox.append(body) for body in messages.EVENTS]
    ids += outbox.append_many([LINE] * 200)
    wait_until(lambda: delivery.idle, "the acknowledgement of every event")
    assert set(hub.arrivals) == set(ids)
    assert [wire.decode(hub.bodies[event_id], events.EventBody) for event_id in ids[:12]] == list(messages.EVENTS)
    assert delivery.stop(5)


def test_a_broker_that_forgets_everything_loses_nothing(
    way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub
) -> None:
    hub = open_hub(way)
    delivery = deliver(way)
    ids = outbox.append_many([LINE] * 20)
    wait_until(lambda: len(hub.arrivals) > 5, "the first events")
    hub.acknowledging = False
    ids += outbox.append_many([LINE] * 40)
    way.forget()
    ids += outbox.append_many([LINE] * 10)
    hub.acknowledging = True
    wait_until(lambda: delivery.idle, "the acknowledgement of every event")
    assert set(hub.arrivals) == set(ids)


def test_while_the_broker_is_away_events_wait(
    mosquitto_way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub
) -> None:
    mosquitto_way.broker.stop()
    delivery = deliver(mosquitto_way)
    ids = outbox.append_many([LINE] * 3)
    assert not delivery.stop(0.3)
    assert outbox.status().backlog == 3
    mosquitto_way.broker.start()
    hub = open_hub(mosquitto_way)
    again = deliver(mosquitto_way)
    wait_until(lambda: again.idle, "the acknowledgement after the broker came")
    assert set(hub.arrivals) == set(ids)


def test_nothing_is_sent_while_no_hub_is_present(way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub) -> None:
    sent: list[bytes] = []
    watcher = way.open()
    watcher.start("watcher", [("dermedge/v1/+/+/event", 0)], lambda: None, lambda _t, payload, _r: sent.append(payload))
    delivery = deliver(way)
    wait_until(lambda: delivery._publisher.connected and watcher.connected, "the connections")
    outbox.append(LINE)
    time.sleep(0.5)
    assert sent == []
    assert not delivery.hub_present
    hub = open_hub(way)
    wait_until(lambda: delivery.idle, "the acknowledgement once the hub is here")
    assert delivery.hub_present
    hub.stop()
    wait_until(lambda: not delivery.hub_present, "the hub's absence to be seen")
    outbox.append(LINE)
    time.sleep(0.4)
    assert len(hub.arrivals) == 1
    watcher.stop()


def test_a_hub_that_announces_itself_again_gets_all_that_is_unacknowledged(
    way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub
) -> None:
    hub = open_hub(way)
    hub.acknowledging = False
    delivery = deliver(way, config.Delivery(resend_after_s=60))
    ids = outbox.append_many([LINE] * 40)
    wait_until(lambda: len(hub.arrivals) == 32, "a window of events, and no more")
    time.sleep(0.2)
    assert len(hub.arrivals) == 32
    hub.acknowledging = True
    hub.announce()
    wait_until(lambda: delivery.idle, "the acknowledgement of every event", 5)
    assert [hub.arrivals[event_id] for event_id in ids] == [2] * 32 + [1] * 8


def test_what_lacks_its_acknowledgement_goes_again(
    way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub
) -> None:
    hub = open_hub(way)
    hub.acknowledging = False
    delivery = deliver(way)
    event_id = outbox.append(LINE)
    wait_until(lambda: hub.arrivals[event_id] >= 2, "the event to come again")
    hub.acknowledging = True
    wait_until(lambda: delivery.idle, "its acknowledgement")


def test_what_presses_goes_first_and_the_backlog_goes_on(
    memory_way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub
) -> None:
    ids: dict[wire.Priority, list[str]] = {}
    priorities: list[wire.Priority] = ["backlog", "live", "urgent"]
    for priority in priorities:
        ids[priority] = outbox.append_many([LINE] * 100, priority)
    hub = open_hub(memory_way)
    delivery = deliver(memory_way)
    wait_until(lambda: delivery.idle, "the acknowledgement of every event")
    place = {event_id: number for number, event_id in enumerate(hub.order)}
    for each in ids.values():
        assert [place[event_id] for event_id in each] == sorted(place[event_id] for event_id in each)
    last_urgent = place[ids["urgent"][-1]]
    assert last_urgent < 135, "the urgent ones had four of five places"
    assert place[ids["live"][-1]] < 250, "the live ones came before most of the backlog"
    assert place[ids["backlog"][0]] < last_urgent, "yet the backlog did not wait for the end of them"


def test_forged_foreign_and_replayed_acknowledgements_mark_nothing(
    mosquitto_way: Way,
    outbox: Outbox,
    deliver: Deliver,
    open_hub: OpenHub,
    keys: Keys,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub = open_hub(mosquitto_way)
    delivery = deliver(mosquitto_way)
    outbox.append(LINE)
    wait_until(lambda: delivery.idle, "the first acknowledgement")
    hub.acknowledging = False
    (replayed,) = hub.acknowledgements
    event_id = outbox.append(LINE)
    wait_until(lambda: hub.arrivals[event_id] > 0, "the second event")
    (row,) = outbox.pending(0, 10)
    genuine = hub.acknowledgement(row.message)
    payload = wire.decode(genuine, wire.Signed).payload.encode()
    other_bytes = wire.Receipt(event_id=row.event_id, seq=row.seq, message_sha256="0" * 64, outcome="stored")
    bad = [
        b"",
        b"not json",
        sign("acknowledgement", payload, Ed25519PrivateKey.generate()),
        sign("acknowledgement", payload, keys.device_sign),
        sign("offer", payload, keys.hub_sign),
        genuine.replace(b'\\"seq\\":2', b'\\"seq\\":3'),
        hub.acknowledgement(row.message, device="handheld-8"),
        hub.acknowledgement(row.message, epoch="f" * 32),
        hub.acknowledgement(row.message, receipts=(other_bytes,)),
        replayed,
    ]
    assert genuine not in bad
    # Each of its lines is told, else one of a kind would.
    delivery._repeats._every_ns = outbox._repeats._every_ns = 0
    with caplog.at_level(logging.WARNING):
        for message in bad:
            assert hub.publisher.publish(ACK, message)
        wait_until(lambda: caplog.text.count("was refused") + caplog.text.count("marks nothing") == 8, "eight warnings")
        time.sleep(0.2)
    assert outbox.status().backlog == 1
    hub.publisher.publish(ACK, genuine)
    wait_until(lambda: delivery.idle, "the genuine acknowledgement to count")


def test_status_and_state_are_told_and_kept(way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub) -> None:
    hub = open_hub(way)
    delivery = deliver(way, describe=lambda: {"app": "test", "fps": 12.5})
    wait_until(lambda: len(hub.words.get("state", [])) >= 2, "two states")
    state = wire.decode(hub.words["state"][-1], wire.State)
    assert (state.app, state.fps, state.epoch, state.backlog) == ("test", 12.5, outbox.epoch, 0)
    assert wire.decode(hub.words["status"][-1], wire.Status).online
    hub.words.clear()
    way.forget()
    wait_until(lambda: "status" in hub.words and "state" in hub.words, "both again, for a broker that forgot them")
    assert wire.decode(hub.words["status"][-1], wire.Status).online
    delivery.stop(1)
    wait_until(lambda: not wire.decode(hub.words["status"][-1], wire.Status).online, "the goodbye")


def test_a_command_is_answered_over_the_broker(
    way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub, keys: Keys
) -> None:
    hub = open_hub(way)
    outbox.append(messages.EVENTS[6])
    deliver(way)
    wait_until(lambda: "status" in hub.words, "the device")
    message = command(keys, messages.COMMANDS[0])
    topic = wire.device_topic(SITE, DEVICE, "cmd")
    for expected in (1, 2):
        hub.publisher.publish(topic, message, qos=1)
        wait_until(lambda count=expected: len(hub.responses) == count, "a response")
    assert hub.responses[0] == hub.responses[1]
    assert opened(keys, hub.responses[0])[1].outcome == "applied"


def test_what_a_restored_hub_lacks_goes_again_on_the_same_connection(
    way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub, keys: Keys
) -> None:
    hub = open_hub(way)
    delivery = deliver(way, config.Delivery(resend_after_s=60))
    priorities: list[wire.Priority] = ["live", "urgent", "backlog", "live"]
    ids = [outbox.append(LINE, priority) for priority in priorities]
    wait_until(lambda: delivery.idle, "the first acknowledgements")
    assert [hub.arrivals[event_id] for event_id in ids] == [1, 1, 1, 1]
    resend = events.ResendFrom(at=messages.AT, epoch=outbox.epoch, seq=2, generation=hub.generation + 1)
    hub.generation += 1
    hub.publisher.publish(wire.device_topic(SITE, DEVICE, "cmd"), command(keys, resend), qos=1)
    wait_until(lambda: [hub.arrivals[event_id] for event_id in ids] == [1, 2, 2, 2], "the rows from seq 2 on", 5)
    wait_until(lambda: delivery.idle, "their acknowledgement", 5)
    assert opened(keys, hub.responses[0])[1].detail == "3 events go again"
    event_id = outbox.append(LINE)
    wait_until(lambda: hub.arrivals[event_id] == 1, "the next event, as before", 5)


def test_stop_looks_at_the_outbox_a_few_times_only(
    memory_way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look holds up the append of an event."""
    hub = open_hub(memory_way)
    hub.acknowledging = False
    delivery = deliver(memory_way, config.Delivery(resend_after_s=0.02))
    outbox.append_many([LINE] * 8)
    wait_until(lambda: bool(hub.arrivals), "the first events")
    looks: list[str] = []
    status = outbox.status

    def counted() -> OutboxStatus:
        looks.append(threading.current_thread().name)
        return status()

    monkeypatch.setattr(outbox, "status", counted)
    began = time.monotonic()
    assert not delivery.stop(0.5)
    assert 0.5 <= time.monotonic() - began < 2
    assert 2 <= looks.count(threading.current_thread().name) <= 8


def test_stop_drains(memory_way: Way, outbox: Outbox, deliver: Deliver, open_hub: OpenHub) -> None:
    hub = open_hub(memory_way)
    delivery = deliver(memory_way)
    outbox.append_many([LINE] * 300)
    assert delivery.stop(15)
    assert len(hub.arrivals) == 300
    assert outbox.status().backlog == 0


def test_delivery_goes_on_after_an_error_of_its_own(
    memory_way: Way,
    outbox: Outbox,
    deliver: Deliver,
    open_hub: OpenHub,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("edge.failpoints._hits", {})
    monkeypatch.setenv("DERMEDGE_FAILPOINTS", "delivery.after_publish=raise@2,delivery.after_acknowledgement=raise")
    hub = open_hub(memory_way)
    delivery = deliver(memory_way)
    ids = outbox.append_many([LINE] * 4)
    wait_until(lambda: delivery.idle, "every acknowledgement though two steps failed")
    assert set(hub.arrivals) == set(ids)
    assert "delivery goes on" in caplog.text
