"""Which events go when: lanes, ageing, the window, and doubled waits. The publisher is a list."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from edge import config, events, wire
from edge.outbox import Outbox
from edge.repeats import Repeats
from edge.sending import Sending
from edge.shares import LIVE_S
from tests.edge.tell.conftest import HandClock, MakeOutbox
from tests.edge.tell.test_outbox import LINE, acknowledge
from tests.golden import messages

PART = messages.EVENTS[4]
TOPIC = wire.device_topic("village-3", "handheld-7", "event")


class Link:
    """A double of a publisher: a list of what was handed over, and how much it still takes."""

    def __init__(self) -> None:
        self.sent: list[wire.Header] = []
        self.room = 10_000

    def publish(self, topic: str, payload: bytes, **_: object) -> bool:
        assert topic == TOPIC
        if self.room == 0:
            return False
        self.room -= 1
        self.sent.append(wire.decode_sealed(payload)[1])
        return True

    def payload_bytes_max(self, topic: str) -> int:
        del topic
        return wire.MESSAGE_BYTES_MAX

    def take(self) -> list[int]:
        """The seqs that were sent since the last look."""
        seqs = [header.seq for header in self.sent]
        self.sent.clear()
        return seqs


class Bench:
    def __init__(self, outbox: Outbox, clock: HandClock, **settings: float) -> None:
        self.outbox, self.link = outbox, Link()
        repeats = Repeats(logging.getLogger("bench"), clock)
        values = config.Delivery(**settings)  # type: ignore[arg-type]
        self.sending = Sending(outbox, self.link, TOPIC, values, clock, repeats)  # type: ignore[arg-type]

    def step(self) -> list[int]:
        self.sending.step()
        return self.link.take()

    def acknowledge(self, *seqs: int) -> None:
        rows = [row for row in self.outbox.pending(0, 1000) if row.seq in seqs]
        receipts = tuple(
            wire.Receipt(event_id=row.event_id, seq=row.seq, message_sha256=row.message_sha256, outcome="stored")
            for row in rows
        )
        acknowledge(self.outbox, rows)
        self.sending.acknowledged(receipts)


@pytest.fixture
def bench(make_outbox: MakeOutbox, clock: HandClock) -> Bench:
    return Bench(make_outbox(max_bytes=2**24), clock)


def part(size_bytes: int) -> events.PicturePart:
    assert isinstance(PART, events.PicturePart)
    fields = {name: getattr(PART, name) for name in PART.__struct_fields__}
    return events.PicturePart(**{**fields, "content": bytes(size_bytes)})


def test_what_happens_now_does_not_wait_for_yesterday(bench: Bench, clock: HandClock) -> None:
    bench.outbox.append_many([LINE] * 200)
    clock.forward(LIVE_S + 1)
    assert len(bench.step()) == 32
    new = bench.outbox.append(LINE)
    bench.acknowledge(1)
    assert bench.step() == [201], "the first free place is the new event's"
    bench.acknowledge(*range(2, 33))
    assert bench.step() == list(range(33, 64)), "and what is old goes on, oldest first"
    assert new


def test_a_live_event_that_waits_for_a_minute_joins_the_old_ones(bench: Bench, clock: HandClock) -> None:
    bench.link.room = 0
    bench.outbox.append_many([LINE] * 40)
    assert bench.step() == []
    clock.forward(LIVE_S + 1)
    bench.outbox.append_many([LINE] * 40)
    bench.link.room = 50
    sent = bench.step()
    assert len(sent) == 32
    old = [seq for seq in sent if seq <= 40]
    assert 4 <= len(old) <= 8, "a fifth"
    assert old == list(range(1, len(old) + 1))


def test_nothing_goes_twice_while_it_ages_on_its_way(bench: Bench, clock: HandClock) -> None:
    bench.outbox.append_many([LINE] * 60)
    sent = Counter(bench.step())
    for _ in range(80):
        clock.forward(1)
        bench.sending._flights = {s: f._replace(due_ns=2**62) for s, f in bench.sending._flights.items()}
        sent.update(bench.step())
        bench.acknowledge(min((row.seq for row in bench.outbox.pending(0, 1)), default=0))
    assert sorted(sent) == list(range(1, 61))
    assert set(sent.values()) == {1}


@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_is_set_leaves_nothing_behind(bench: Bench, clock: HandClock, days: int) -> None:
    bench.outbox.append_many([LINE] * 50)
    sent = bench.step()
    clock.time = clock.time.replace(year=clock.time.year + (1 if days > 0 else -1))
    clock.elapsed_ns += 2_000_000_000
    bench.outbox.append_many([LINE] * 50)
    while bench.outbox.status().backlog:
        bench.acknowledge(*sent)
        sent = bench.step()
    assert bench.outbox.status().last_seq == 100


def test_pictures_on_a_slow_link_are_one_at_a_time(bench: Bench) -> None:
    for _ in range(4):
        bench.outbox.append(part(180_000), "backlog")
    assert bench.step() == [1]
    bench.outbox.append(LINE, "urgent")
    assert bench.step() == [5], "there is room for what presses"
    bench.acknowledge(1)
    assert bench.step() == [2]


def test_each_wait_for_an_acknowledgement_is_twice_as_long(make_outbox: MakeOutbox, clock: HandClock) -> None:
    bench = Bench(make_outbox(), clock, resend_after_s=5)
    bench.outbox.append(LINE)
    sent_at = []
    for second in range(80):
        sent_at += [second] * len(bench.step())
        clock.forward(1)
    assert sent_at == [0, 5, 15, 35, 75]
    bench.sending.start_over()
    assert bench.step() == [1], "a new connection begins anew"


def test_what_is_in_another_s_place_goes_once_it_is_told(bench: Bench) -> None:
    finding = messages.EVENTS[3]
    assert isinstance(finding, events.Finding)
    bench.outbox.append(finding)
    bench.outbox.on_rewind(bench.sending.start_over)
    assert bench.step() == [1]
    assert finding.encounter.participant is not None
    bench.outbox.withdraw(finding.encounter.participant)
    assert bench.step() == [1], "the void"
    bench.acknowledge(1)
    assert bench.outbox.status().backlog == 0


def test_a_slow_link_is_given_the_time_that_it_takes(make_outbox: MakeOutbox, clock: HandClock) -> None:
    bench = Bench(make_outbox(), clock, resend_after_s=5)
    bench.outbox.append_many([LINE] * 100)
    copies: Counter[int] = Counter()
    for _ in range(400):  # each acknowledgement takes 20 s
        on_way = bench.step()
        copies.update(on_way)
        clock.forward(20)
        bench.acknowledge(*on_way)
        if not bench.outbox.status().backlog:
            break
    assert bench.outbox.status().backlog == 0
    assert sum(copies.values()) == 100
    for _ in range(200):  # and now none takes any time
        bench.outbox.append(LINE)
        bench.acknowledge(*bench.step())
    assert bench.sending._patience_s == 5


@pytest.mark.parametrize("others", ["live", "backlog"])
def test_what_presses_starts_at_once_whatever_is_on_its_way(bench: Bench, others: wire.Priority) -> None:
    bench.outbox.append_many([LINE] * 50, others)
    assert len(bench.step()) == 32
    bench.outbox.append(LINE, "urgent")
    assert bench.step() == [51]
    bench.outbox.append_many([LINE] * 40, "urgent")
    assert bench.step() == list(range(52, 83)), "as many as the window has places"
    bench.acknowledge(*range(1, 31))
    assert bench.step() == list(range(33, 39)), "and the others keep a quarter of them"
    bench.acknowledge(*range(51, 83))
    assert sorted(bench.step()) == [*range(39, 51), *range(83, 92)]


def test_what_goes_again_does_not_stand_before_what_presses(bench: Bench, clock: HandClock) -> None:
    bench.outbox.append_many([LINE] * 32)
    bench.step()
    clock.forward(LIVE_S + 1)
    bench.link.room = 4
    bench.outbox.append(LINE, "urgent")
    sent = bench.step()
    assert 33 in sent[:2], "the lanes' shares hold for what goes again, too"
    assert len(sent) == 4


def test_urgent_events_without_end_starve_nothing(bench: Bench, clock: HandClock) -> None:
    bench.outbox.append_many([LINE] * 8, "backlog")
    seen: set[int] = set()
    for _ in range(200):
        bench.outbox.append_many([LINE] * 4, "urgent")
        bench.link.room = 4
        sent = bench.step()
        seen.update(seq for seq in sent if seq <= 8)
        bench.acknowledge(*sent)
        clock.forward(0.1)
    assert seen == set(range(1, 9))
