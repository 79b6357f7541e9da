"""`hub ingest`: opens, verifies, stores exactly once, acknowledges after the commit. Alone reads the private key.

A database that is locked, full or gone stops nothing but this: events wait, unacknowledged, and it is tried again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from edge import failpoints
from edge.clock import Clock
from edge.errors import StoreError, WireError
from edge.publish.base import Publisher
from edge.wire import State, Status, decode
from hub import database, keys
from hub.inbox import Inbox, Report
from hub.opening import Opened, Refused, open_message
from hub.registry import Registry
from hub.store import DeviceReport, IngestState, Outcome, Store, not_storable
from hub.subscribe import Subscription

BATCH_MESSAGES_MAX = 100
NOTE_EVERY_NS = 1_000_000_000
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)
STOP_WITHIN_S = 10.0

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Parts:
    engine: sa.Engine
    registry: Registry
    identity: keys.HubIdentity
    store: Store
    inbox: Inbox
    subscription: Subscription


class Ingest:
    """One thread between the inbox and the database. `start`, then `stop`."""

    def __init__(self, directory: Path, publisher: Publisher, clock: Clock) -> None:
        """Raises ConfigError where the folder holds no hub, or its keys do not read."""
        identity = keys.load(directory)
        engine = database.open_database(directory)
        inbox = Inbox()
        self._clock = clock
        self._parts = _Parts(
            engine=engine,
            registry=Registry(engine, clock),
            identity=identity,
            store=Store(engine),
            inbox=inbox,
            subscription=Subscription(publisher, inbox, identity, clock),
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hub-ingest", daemon=True)
        self._noted_at_ns = clock.monotonic_ns() - NOTE_EVERY_NS

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
        except (sa.exc.DBAPIError, StoreError) as error:
            _log.warning("the database did not take that the hub was stopped: %s", error)
        self._parts.engine.dispose()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception:  # noqa: BLE001  (not acknowledged, so it comes again; the thread lives on)
                _log.exception("a batch failed in a way that was not expected; it was not acknowledged")
                self._stopping.wait(RETRY_S[-1])

    def _step(self) -> None:
        parts = self._parts
        arrivals = parts.inbox.take_events(BATCH_MESSAGES_MAX, timeout_s=0.25)
        if arrivals:
            outcomes = self._persist(
                lambda: self._write([open_message(each, parts.registry, parts.identity) for each in arrivals])
            )
            failpoints.hit("hub.after_commit")
            parts.subscription.acknowledge(outcomes or [])
        if self._clock.monotonic_ns() - self._noted_at_ns >= NOTE_EVERY_NS:
            reports = parts.inbox.take_reports()
            self._persist(lambda: self._note(reports))
            self._noted_at_ns = self._clock.monotonic_ns()

    def _write(self, messages: Sequence[Opened | Refused]) -> list[Outcome]:
        for each in messages:
            if isinstance(each, Refused):
                _log.warning("quarantined a message of %s: %s", each.claimed_device or "nobody known", each.reason)
        try:
            return self._parts.store.write(messages)
        except (sa.exc.IntegrityError, sa.exc.DataError, OverflowError):
            # One event that the database refuses must not hold up the others: each alone, and that one aside.
            return [outcome for each in messages for outcome in self._write_alone(each)]

    def _write_alone(self, message: Opened | Refused) -> list[Outcome]:
        try:
            return self._parts.store.write([message])
        except (sa.exc.IntegrityError, sa.exc.DataError, OverflowError) as error:
            if isinstance(message, Refused):
                raise
            _log.exception("event %s cannot be stored", message.header.event_id)
            return self._parts.store.write([not_storable(message, f"{type(error).__name__}")])

    def _note(self, reports: Sequence[Report]) -> None:
        subscription = self._parts.subscription
        state = IngestState(self._clock.now(), subscription.connected, subscription.problem, self._parts.inbox.waiting)
        understood = [report for each in reports if (report := self._understand(each)) is not None]
        self._parts.store.note(understood, state)

    def _understand(self, report: Report) -> DeviceReport | None:
        """None for what is cleared, of nobody known, or no status and no state."""
        _, _, rest = report.topic.partition("/v1/")
        _site, _, rest = rest.partition("/")
        name, _, leaf = rest.partition("/")
        device = self._parts.registry.find(name) if report.payload else None
        if device is None:
            return None
        try:
            content: Status | State = decode(report.payload, Status if leaf == "status" else State)
        except WireError as error:
            _log.warning("device %s sent a %s that is none: %s", name, leaf, error)
            self._parts.store.alarm(f"{leaf}_not_understood", name, report.received_at, str(error))
            return None
        return DeviceReport(device, content, report.received_at, report.retained)

    def _persist(self, action: Callable[[], T]) -> T | None:
        """The action's result, tried until the database takes it; None when stopped before that."""
        failed = 0
        while not self._stopping.is_set() or failed == 0:
            try:
                result = action()
            except (sa.exc.DBAPIError, StoreError, OSError) as error:
                if failed == 0:
                    _log.warning("the database does not take events: %s; they wait, nothing is acknowledged", error)
                # What is held open may belong to a file that was replaced.
                self._parts.engine.dispose()
                self._stopping.wait(RETRY_S[min(failed, len(RETRY_S) - 1)])
                failed += 1
            else:
                if failed:
                    _log.warning("the database takes events again, after %d attempts", failed)
                return result
        return None


def run(directory: Path, publisher: Publisher, clock: Clock, until: threading.Event) -> None:
    """Take events until `until` is set. Raises ConfigError where there is no hub in the folder."""
    ingest = Ingest(directory, publisher, clock)
    ingest.start()
    try:
        until.wait()
    finally:
        ingest.stop()
