"""`hub ingest`: opens, verifies, stores exactly once, acknowledges after the commit. Alone reads the private key.

A database that is locked, full or gone stops nothing but this: events wait, unacknowledged, and it is tried again.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from edge import failpoints
from edge.clock import Clock
from edge.errors import StoreError
from edge.publish.base import Publisher
from hub import database, keys
from hub.commanding import Due, seal_queued, take_due
from hub.desk.rounds import Rounds
from hub.inbox import Inbox, Report
from hub.lock import sole
from hub.mark import Mark, ReplacedError
from hub.opening import Arrival, Opened, Refused, open_message
from hub.registry import Registry
from hub.reports import Reports
from hub.retry import retry_held
from hub.store import IngestState, Outcome, Store, not_storable
from hub.subscribe import Subscription
from hub.sweep import sweep
from hub.tally import Tally
from hub.withdrawal import bring_together

BATCH_MESSAGES_MAX = 100
NOTE_EVERY_NS = 1_000_000_000
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)
STOP_WITHIN_S = 10.0
WITHDRAW_AFTER_NS = 10_000_000_000
"""Writes that fail this long: the hub says that it takes no events, so that devices and `doctor` know."""
AWAY_AFTER_NS = 2_000_000_000
NOTICED = {
    "too_large": "dropped a message that is larger than any of ours",
    "no_room": "no room for a message, the database is slow or away; its device sends it again",
    "foreign_presence": "another hub's word stood on this broker's topic of the hub; ours is put back",
}
"""What the network thread counts; all but the lack of room, which mends itself, is an alarm."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Parts:
    engine: sa.Engine
    registry: Registry
    identity: keys.HubIdentity
    mark: Mark
    store: Store
    inbox: Inbox
    subscription: Subscription


class Ingest:
    """One thread between the inbox and the database. `start`, then `stop`."""

    def __init__(self, directory: Path, publisher: Publisher, clock: Clock) -> None:
        """Raises ConfigError where the folder holds no hub, or its keys do not read."""
        identity = keys.load(directory)
        engine = database.open_database(directory)
        mark = Mark(engine, directory)
        inbox = Inbox()
        self._directory = directory
        self._clock = clock
        self._parts = _Parts(
            engine=engine,
            registry=Registry(engine, clock),
            identity=identity,
            mark=mark,
            store=Store(mark),
            inbox=inbox,
            subscription=Subscription(publisher, inbox, identity, clock),
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hub-ingest", daemon=True)
        self._noted_at_ns = clock.monotonic_ns() - NOTE_EVERY_NS
        self._tally = Tally(clock)
        self._reports = Reports(self._parts.registry, self._parts.store, self._tally, clock)
        self._device_spoke = False
        self._has_begun = self._was_replaced = False
        self._failing_since_ns: int | None = None
        self._away_since_ns: int | None = None
        self._away_told = False

    def start(self) -> None:
        self._thread.start()
        self._parts.subscription.start()

    def stop(self) -> None:
        """Finishes the batch in hand, takes the presence away, disconnects."""
        self._stopping.set()
        self._parts.inbox.wake()
        self._thread.join(STOP_WITHIN_S)
        self._parts.subscription.stop()
        try:
            self._note(self._parts.inbox.take_reports())
        except (sa.exc.SQLAlchemyError, StoreError) as error:
            _log.warning("the database did not take that the hub was stopped: %s", database.in_short(error))
        self._parts.engine.dispose()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception as error:  # noqa: BLE001  (not acknowledged, so it comes again; the thread lives on)
                # Where, and never the error's own text: it may quote what was opened.
                where = traceback.extract_tb(error.__traceback__)[-1]
                line = f"a batch failed and was not acknowledged: {type(error).__name__} at {where.name}:{where.lineno}"
                self._tally.add("unexpected", line)
                self._failed()
                self._stopping.wait(RETRY_S[-1])

    def _step(self) -> None:
        parts = self._parts
        parts.subscription.presence.tick()
        self._tell_of_the_broker()
        self._tally.tell()
        arrivals = parts.inbox.take_events(BATCH_MESSAGES_MAX, timeout_s=0.25)
        if arrivals:
            outcomes = self._persist(lambda: self._write(arrivals))
            if outcomes:  # a batch of responses alone has none, and nothing to acknowledge
                failpoints.hit("hub.after_commit")
                parts.subscription.acknowledge(outcomes)
        is_time = self._clock.monotonic_ns() - self._noted_at_ns >= NOTE_EVERY_NS
        if is_time or self._device_spoke:
            self._device_spoke = False
            due = self._persist(self._take_due)
            failpoints.hit("hub.after_command")
            parts.subscription.command(due or [])
        if is_time:
            reports = parts.inbox.take_reports()
            for kind, count in parts.inbox.take_counts().items():
                self._tally.add(kind, NOTICED[kind], count)
                if kind != "no_room":
                    self._reports.notice(kind, "", NOTICED[kind], count)
            self._persist(lambda: self._note(reports))
            self._persist(self._sweep)
            self._noted_at_ns = self._clock.monotonic_ns()

    def _write(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        messages = [opened for each in arrivals if (opened := self._open(each)) is not None]
        try:
            outcomes = self._parts.store.write(messages)
        except Exception as error:  # whatever it is that is wrong with one of them
            if database.passes(error):
                raise
            # One that the database refuses must not hold up the others: each alone, and that one aside.
            outcomes = [outcome for each in messages for outcome in self._write_alone(each)]
        for each in messages:
            self._device_spoke |= isinstance(each, Opened) and each.header.kind == "response"
            if isinstance(each, Refused):
                line = f"quarantined a message of {each.claimed_device or 'nobody known'}: {each.reason}"
                self._tally.add(each.reason, line)
        return outcomes

    def _open(self, arrival: Arrival) -> Opened | Refused | None:
        try:
            return open_message(arrival, self._parts.registry, self._parts.identity)
        except Exception as error:  # bytes from outside; they must not hold up the others
            if database.passes(error):
                raise
            self._reports.drop("a message", "", error)
            return None

    def _write_alone(self, message: Opened | Refused) -> list[Outcome]:
        """As an event, else into quarantine, else not at all: it is not acknowledged, so its device keeps it."""
        try:
            return self._parts.store.write([message])
        except Exception as error:
            if database.passes(error):
                raise
            if isinstance(message, Opened):
                self._tally.add("not_storable", f"event {message.header.event_id} cannot be stored")
                return self._write_alone(not_storable(message, type(error).__name__))
            registered = message.device.device if message.device else ""
            self._reports.drop(f"a message of {message.claimed_device or 'nobody known'}", registered, error)
            return []

    def _note(self, reports: Sequence[Report]) -> None:
        subscription = self._parts.subscription
        state = IngestState(self._clock.now(), subscription.connected, subscription.problem, self._parts.inbox.waiting)
        self._reports.note(reports, state)

    def _take_due(self) -> list[Due]:
        """Commands to be sent now, sealed where they are new."""
        now = self._clock.now()
        with self._parts.mark.begin() as connection:
            seal_queued(connection, self._parts.identity.signing_key, now)
            return take_due(connection, now)

    def _begin(self) -> None:
        """Before anything is stored: what was put back or changed while this process was away, or under its hands."""
        parts = self._parts
        is_other = parts.mark.adopt()
        bring_together(self._directory, parts.engine, self._clock.now())
        if is_other:
            parts.registry.forget()
            retry_held(parts.engine, parts.store, parts.registry, parts.identity)
        if is_other and self._was_replaced:
            # Devices then say where they stand, and what this database lacks is asked for.
            parts.subscription.presence.announce()
            _log.warning("another database was put in this one's place; what it lacks is asked for again")
        self._has_begun, self._was_replaced = True, False

    def _sweep(self) -> None:
        parts = self._parts
        if emptied := sweep(parts.engine, parts.registry, parts.identity):
            _log.warning("after a withdrawal %d messages in quarantine have lost their bytes", emptied)

    def _persist(self, action: Callable[[], T]) -> T | None:
        """The action's result, tried until the database takes it; None when stopped before that.

        Raises what no waiting can mend.
        """
        failed = 0
        while not self._stopping.is_set() or failed == 0:
            try:
                if not self._has_begun:
                    self._begin()
                result = action()
            except ReplacedError:
                self._has_begun, self._was_replaced = False, True
            except (sa.exc.SQLAlchemyError, OSError) as error:
                if not database.passes(error):
                    raise
                if failed == 0:
                    line = "the database does not take events: %s; they wait, nothing is acknowledged"
                    _log.warning(line, database.in_short(error))
                self._failed()
                self._parts.subscription.presence.tick()
                self._parts.mark.let_go()
                self._stopping.wait(RETRY_S[min(failed, len(RETRY_S) - 1)])
                failed += 1
            else:
                if failed:
                    _log.warning("the database takes events again, after %d attempts", failed)
                self._worked()
                return result
        return None

    def _failed(self) -> None:
        now_ns, presence = self._clock.monotonic_ns(), self._parts.subscription.presence
        if self._failing_since_ns is None:
            self._failing_since_ns = now_ns
        elif presence.taking and now_ns - self._failing_since_ns >= WITHDRAW_AFTER_NS:
            presence.withdraw()
            _log.warning("this hub takes no events until its database takes them; devices keep theirs")

    def _worked(self) -> None:
        self._failing_since_ns = None
        presence = self._parts.subscription.presence
        if not presence.taking and not self._stopping.is_set():
            presence.announce()
            _log.warning("this hub takes events again")

    def _tell_of_the_broker(self) -> None:
        """Once when it is away, and once when it is back."""
        subscription, now_ns = self._parts.subscription, self._clock.monotonic_ns()
        if subscription.connected:
            if self._away_told:
                _log.warning("the broker is back; taking events")
            self._away_since_ns, self._away_told = None, False
        elif self._away_since_ns is None:
            self._away_since_ns = now_ns
        elif not self._away_told and now_ns - self._away_since_ns >= AWAY_AFTER_NS:
            _log.warning("%s; it is tried until it answers, and devices keep their events", subscription.problem)
            self._away_told = True


def run(directory: Path, publisher: Publisher, clock: Clock, until: threading.Event) -> None:
    """Take events until `until` is set.

    Raises ConfigError where there is no hub in the folder, AlreadyRunningError where another process does this.
    """
    ingest, rounds = Ingest(directory, publisher, clock), Rounds(directory, clock)
    with sole(directory):
        ingest.start()
        rounds.start()
        try:
            until.wait()
        finally:
            rounds.stop()
            ingest.stop()
