"""What devices say of themselves and what the program notices, into the database; a bad one holds up no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge.clock import Clock
from edge.errors import WireError, printable
from edge.wire import State, Status, decode
from hub import database
from hub.inbox import Report
from hub.registry import Registry
from hub.store import Alarm, DeviceReport, IngestState, Store
from hub.tally import Tally


class Reports:
    """Used from the ingest thread."""

    def __init__(self, registry: Registry, store: Store, tally: Tally, clock: Clock) -> None:
        self._registry, self._store, self._tally, self._clock = registry, store, tally, clock
        self._noticed: dict[tuple[str, str], Alarm] = {}

    def note(self, reports: Sequence[Report], state: IngestState) -> None:
        """Raises what the database raises."""
        understood = [report for each in reports if (report := self._understand(each)) is not None]
        alarms = list(self._noticed.values())
        unfit: list[tuple[DeviceReport, Exception]] = []
        try:
            self._store.note(understood, alarms, state)
        except Exception as error:  # whatever it is that is wrong with one of them
            if database.passes(error):
                raise
            for each in understood:
                try:
                    self._store.note([each], [], state)
                except Exception as its_own:
                    if database.passes(its_own):
                        raise
                    unfit.append((each, its_own))
            self._store.note([], alarms, state)
        self._noticed.clear()
        for report, fault in unfit:
            self.drop(f"a word of {report.device.device} on itself", report.device.device, fault)

    def drop(self, what: str, device: str, error: Exception) -> None:
        """It can be neither stored nor held; that it was there is told."""
        self._tally.add("dropped", f"dropped {what}, which can be neither stored nor held: {type(error).__name__}")
        self.notice("dropped", device, type(error).__name__)

    def notice(self, kind: str, device: str, detail: str, count: int = 1) -> None:
        """An alarm, written with the next note."""
        alarm = Alarm(kind, device, self._clock.now(), printable(detail), count)
        before = self._noticed.get((kind, device))
        self._noticed[kind, device] = replace(alarm, count=before.count + count) if before else alarm

    def _understand(self, report: Report) -> DeviceReport | None:
        """None for what is cleared, of nobody known, or no status and no state."""
        _, _, rest = report.topic.partition("/v1/")
        _site, _, rest = rest.partition("/")
        name, _, leaf = rest.partition("/")
        device = self._registry.find(name) if report.payload else None
        if device is None:
            return None
        try:
            content: Status | State = decode(report.payload, Status if leaf == "status" else State)
        except WireError as error:
            kind = "status_not_understood" if leaf == "status" else "state_not_understood"
            self._tally.add(kind, f"device {device.device} sent a {leaf} that is none")
            self.notice(kind, device.device, str(error))
            return None
        return DeviceReport(device, content, report.received_at, report.retained)
