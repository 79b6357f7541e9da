"""Whatever is done to an outbox in whatever order: what was appended and not acknowledged is there, in order, once."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge import config, wire
from edge.outbox import Outbox, open_database
from tests.edge.tell.conftest import HandClock
from tests.golden import messages
from tests.golden.keys import read_keys

KEYS = read_keys()
PRIORITIES = st.sampled_from(["urgent", "live", "backlog"])


class OutboxMachine(RuleBasedStateMachine):
    """The model: a dict of seq → (event_id, priority, acknowledged)."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = HandClock()
        self.held: dict[int, tuple[str, str]] = {}
        self.done: dict[int, tuple[str, str]] = {}
        self.generation = 1
        self.open()
        self.epoch = self.outbox.epoch

    def open(self) -> None:
        path = Path(self.folder.name) / "outbox.db"
        self.outbox = Outbox(open_database(path), KEYS.identity(), self.clock, config.Outbox(max_bytes=2**20))

    def teardown(self) -> None:
        self.outbox.close()
        self.folder.cleanup()

    @rule(priority=PRIORITIES, count=st.integers(1, 4))
    def append(self, priority: wire.Priority, count: int) -> None:
        highest = max([0, *self.held, *self.done])
        ids = self.outbox.append_many([messages.EVENTS[-1]] * count, priority)
        for seq, event_id in enumerate(ids, highest + 1):
            self.held[seq] = (event_id, priority)

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        rows = {row.seq: row for row in self.outbox.pending(0, 1000)}
        chosen = data.draw(st.sets(st.sampled_from(sorted(rows)))) if rows else set()
        receipts = tuple(
            wire.Receipt(
                event_id=rows[seq].event_id, seq=seq, message_sha256=rows[seq].message_sha256, outcome="stored"
            )
            for seq in chosen
        )
        acknowledgement = wire.Acknowledgement(
            device="handheld-7", epoch=self.epoch, generation=1, ts=messages.AT, receipts=receipts
        )
        assert self.outbox.acknowledge(acknowledgement) == len(chosen)
        assert self.outbox.acknowledge(acknowledgement) == 0
        for seq in chosen:
            self.done[seq] = self.held.pop(seq)

    @rule(seq=st.integers(1, 30))
    def resend_from(self, seq: int) -> None:
        again = [each for each in self.done if each >= seq]
        assert self.outbox.unacknowledge_from(seq, self.generation) == (len(again), ())
        for each in again:
            self.held[each] = self.done.pop(each)

    @rule()
    def reopen(self) -> None:
        self.outbox.close()
        self.open()
        assert self.outbox.epoch == self.epoch

    @rule(seconds=st.integers(-1000, 1000))
    def move_the_clock(self, seconds: int) -> None:
        self.clock.time += timedelta(seconds=seconds)

    @invariant()
    def what_is_unacknowledged_is_there_in_order_once(self) -> None:
        rows = self.outbox.pending(0, 1000)
        assert [(row.seq, row.event_id) for row in rows] == [(seq, self.held[seq][0]) for seq in sorted(self.held)]
        by_priority = [row for each in ("urgent", "live", "backlog") for row in self.outbox.pending(0, 1000, each)]  # type: ignore[arg-type]
        assert sorted(row.seq for row in by_priority) == sorted(self.held)
        assert all(self.held[row.seq][1] == row.priority for row in by_priority)

    @invariant()
    def the_chain_has_no_gap(self) -> None:
        status = self.outbox.status()
        assert status.backlog == len(self.held)
        assert status.last_seq == max([0, *self.held, *self.done])


TestOutboxSequences = OutboxMachine.TestCase
TestOutboxSequences.settings = settings(max_examples=12, stateful_step_count=12, deadline=None, derandomize=True)
