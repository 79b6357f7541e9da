"""The sentence at work, frame by frame: frame → quality → detect → track → findings → outbox.

What must be kept waits in order until the outbox has committed it, and only then counts as a result. While something
waits no further frame is looked at: nothing is dropped, and nothing is shown that is not kept. A body that can never be
kept, because the wire refuses it, ends the run; all that waited with it is kept first.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from edge import events
from edge.clock import Clock
from edge.detect import Detector
from edge.errors import StoreError, WireError
from edge.evidence import WholeView, crop_of
from edge.findings import FindingMaker
from edge.frame import Box, Frame, Pixels
from edge.quality import QualityReport
from edge.session import Operator, Session, State
from edge.statistics import Statistics
from edge.track import Track, Tracker
from edge.verdict import Verdict, verdict_on
from edge.wire import Priority, Tier

NO_ENCOUNTER = "no_encounter"
"""Stands where a hint would, for a frame that nobody has agreed to have looked at."""

_log = logging.getLogger(__name__)


class Store(Protocol):
    """The outbox as far as the pipeline knows it. Raises StoreError while it cannot keep."""

    def append_many(self, bodies: Sequence[events.EventBody], priority: Priority = "live") -> list[str]:
        """Event ids, once all are on the disk."""

    def append_rendition(self, parts: Sequence[events.PicturePart]) -> bool:
        """All parts of a picture, to go after everything else; False where there is no room, and it says so itself."""


class Judge(Protocol):
    """The quality thread as far as the pipeline knows it."""

    def offer(self, frame: Frame) -> None: ...

    def newest(self, of_ns: int | None = None) -> tuple[QualityReport, int] | None: ...


class ShownBox(NamedTuple):
    """tier: set once the finding is kept; None while the track is only being looked at."""

    box_px: Box
    label: str
    tier: Tier | None


class Result(NamedTuple):
    """A finding that is kept."""

    label: str
    tier: Tier


class View(NamedTuple):
    """What the screen shows of one frame; rgb is the frame's own memory."""

    rgb: Pixels
    sequence: int
    boxes: tuple[ShownBox, ...]
    accepted: bool
    hint: str | None
    encounter: State
    results: tuple[Result, ...]


class _Entry(NamedTuple):
    """parts: of a picture, instead of bodies; it may be given up where there is no room."""

    bodies: list[events.EventBody]
    priority: Priority = "live"
    track_id: int | None = None
    parts: Sequence[events.PicturePart] = ()


class Pipeline:
    """store: None keeps nothing (a device that is not provisioned). trace: called with one row a frame and finding."""

    def __init__(
        self,
        *,
        detector: Detector,
        judge: Judge,
        verdict_max_age_ms: int,
        tracker: Tracker,
        findings: FindingMaker,
        operator: Operator,
        session: Session,
        store: Store | None,
        clock: Clock,
        trace: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.statistics = Statistics()
        self.session = session
        self.problem = ""
        self._detector, self._judge, self._max_age_ms = detector, judge, verdict_max_age_ms
        self._tracker, self._findings, self._operator = tracker, findings, operator
        self._store, self._clock, self._trace = store, clock, trace
        self._waiting: deque[_Entry] = deque()
        self._refused: WireError | None = None
        self._results: dict[int, Result] = {}
        self._whole_view = WholeView()

    def step(self, frame: Frame) -> View | None:
        """One frame through all stages; None, and the frame is not consumed, while the outbox does not keep.

        Raises WireError as `flush` does.
        """
        if not self.flush():
            return None
        begun_ns = self._clock.monotonic_ns()
        self._follow_operator(frame)
        if not self.flush() or self.session.state != "screening":
            return self._unseen(frame)
        self._judge.offer(frame)
        rgb = frame.rgb()
        detections = self._detector.detect(rgb)
        verdict = verdict_on(frame, self._judge.newest(frame.monotonic_ns), self._max_age_ms)
        tracks = self._tracker.update(detections, frame, rgb, verdict)
        if self.session.is_drawn:
            self._whole_view.offer(rgb, verdict)
        self._keep_findings(tracks)
        self._count(frame, verdict, begun_ns)
        return self._view(frame, rgb, tracks, verdict)

    def end(self, *, failed: bool = False) -> bool:
        """The run ends: the open encounter is closed; False where the outbox did not keep it. failed: by an error."""
        self._leave()
        bodies = self.session.end(failed=failed)
        if bodies:
            self._waiting.append(_Entry(bodies))
        return self.flush()

    def flush(self) -> bool:
        """Commit what waits, in order; False, with `problem` set, while the outbox does not keep.

        Raises WireError for a body that the wire refuses, once all else that waited is committed.
        """
        while self._waiting:
            entry = self._waiting[0]
            try:
                ids = self._keep(entry)
            except StoreError as error:
                if str(error) != self.problem:
                    self.problem = str(error)
                    _log.error("capturing stopped: %s", error)
                return False
            except WireError as error:
                self._waiting.popleft()
                self._set_aside(entry, error)
                continue
            self._waiting.popleft()
            self._kept(entry, ids)
        if self.problem:
            _log.warning("capturing goes on: the outbox keeps again")
            self.problem = ""
        if self._refused is not None:
            refused, self._refused = self._refused, None
            raise refused
        return True

    def _keep(self, entry: _Entry) -> list[str]:
        if self._store is None:
            return []
        if entry.parts:
            self._store.append_rendition(entry.parts)
        return self._store.append_many(entry.bodies, entry.priority) if entry.bodies else []

    def _set_aside(self, entry: _Entry, error: WireError) -> None:
        """Find the refused body: alone it is given up, among others each is tried by itself."""
        if len(entry.bodies) > 1:
            self._waiting.extendleft(entry._replace(bodies=[each]) for each in reversed(entry.bodies))
            return
        body = (*entry.bodies, *entry.parts)[0]
        _log.error("a %s could not be kept: %s", type(body).__name__, error)
        if isinstance(body, events.Consent) and body.encounter == self.session.encounter:
            self.session.lose_consent()
        self._refused = self._refused or error

    def _follow_operator(self, frame: Frame) -> None:
        bodies: list[events.EventBody] = []
        for change in self._operator.step(frame):
            if change.event in {"person_left", "aborted"} and self.session.is_drawn:
                self._waiting.append(_Entry(bodies))
                bodies = []
                self._leave()
            bodies.extend(self.session.apply(change))
            if change.event == "person_came":
                self._tracker.reset()
                self._results.clear()
                self._whole_view.reset()
        if bodies:
            self._waiting.append(_Entry(bodies))

    def _leave(self) -> None:
        """The person leaves: the whole view goes where they were drawn, before the visit's end says that it is over."""
        encounter = self.session.encounter
        if encounter is None or not self.session.is_drawn:
            return
        if parts := self._whole_view.parts(encounter, self._clock.now()):
            self._waiting.append(_Entry([], parts=parts))
        self._whole_view.reset()

    def _keep_findings(self, tracks: list[Track]) -> None:
        encounter = self.session.encounter
        if encounter is None or self._store is None:
            return
        for track, finding in self._findings.step(tracks, encounter, self.session.body_site):
            self.session.count_finding(finding.finding_id, finding.tier)
            priority: Priority = "urgent" if finding.tier == "urgent" else "live"
            self._waiting.append(_Entry([finding], priority, track.track_id))
            if self.session.pictures_agreed and track.best is not None:
                self._waiting.append(_Entry([], parts=crop_of(track.best, finding)))
        self.flush()

    def _kept(self, entry: _Entry, ids: list[str]) -> None:
        for body, event_id in zip(entry.bodies, ids, strict=False):
            if not isinstance(body, events.Finding):
                continue
            self.statistics.findings += 1
            if entry.track_id is not None:
                self._results[entry.track_id] = Result(body.label, body.tier)
            if self._trace is not None:
                self._trace(
                    {
                        "finding_id": body.finding_id,
                        "event_id": event_id,
                        "sequence": body.frame_sequence,
                        "label": body.label,
                        "score": body.score,
                        "box_px": list(body.box_px),
                    }
                )

    def _count(self, frame: Frame, verdict: Verdict, begun_ns: int) -> None:
        self.session.count_frame(accepted=verdict.accepted, hint=verdict.hint)
        self._consumed(frame, verdict.accepted, verdict.hint)
        self.statistics.step_ms.append((self._clock.monotonic_ns() - begun_ns) / 1e6)

    def _consumed(self, frame: Frame, accepted: bool, hint: str | None) -> None:
        statistics = self.statistics
        statistics.frames += 1
        statistics.times_ns.append(self._clock.monotonic_ns())
        if accepted:
            statistics.accepted += 1
        else:
            reason = hint or "other"
            statistics.rejected[reason] = statistics.rejected.get(reason, 0) + 1
        if self._trace is not None:
            self._trace({"sequence": frame.sequence, "accepted": accepted})

    def _unseen(self, frame: Frame) -> View | None:
        """Nobody has agreed, or what must come before this frame is not kept: it is not looked at for findings."""
        if self.problem:
            return None
        self._consumed(frame, accepted=False, hint=NO_ENCOUNTER)
        return View(frame.rgb(), frame.sequence, (), False, None, self.session.state, ())

    def _view(self, frame: Frame, rgb: Pixels, tracks: list[Track], verdict: Verdict) -> View:
        boxes = []
        for track in tracks:
            if track.missed == 0:
                kept = self._results.get(track.track_id)
                label, tier = (track.label, None) if kept is None else kept
                boxes.append(ShownBox(track.box_px, label, tier))
        results = tuple(self._results.values())
        return View(rgb, frame.sequence, tuple(boxes), verdict.accepted, verdict.hint, self.session.state, results)
