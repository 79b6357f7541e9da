"""The device at work: camera and watchdog, mailbox, quality, pipeline, delivery and screen, each on its own thread.

The pipeline runs on the caller's thread and ends on SIGINT, SIGTERM, `frames`, `duration_s` or the source's last frame.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from edge import bundle, health
from edge.camera.base import open_camera
from edge.clock import Clock, SystemClock
from edge.config import Config, Detect
from edge.detect import Detector
from edge.errors import CameraError, DermedgeError, StoreError, WireError
from edge.findings import FindingMaker
from edge.frame import Frame
from edge.mailbox import Mailbox
from edge.operators import open_operator
from edge.pipeline import Pipeline
from edge.provisioned import Provisioned, open_provisioned
from edge.quality import QualityJudge, QualityThread
from edge.screen.server import Screen, Status
from edge.session import Session
from edge.statistics import Statistics
from edge.trace import Trace
from edge.track import Tracker
from edge.triage import Triage
from edge.watchdog import CameraState, Watchdog

DRAIN_S = 15.0
LAST_TRIES_S = 5.0
BACKLOG_EVERY_S = 1.0
"""How often the screen has the outbox count what waits; its messages come more often."""
MOTION_FRAMES = 3
"""Frames this many intervals apart still tell a hand that moves; more, and between them it may have been anywhere."""
UNJUDGED = {
    "task_weak": "the model {} {} was judged on too few pictures to tell what conversion cost it; its card says: {}",
    "agreement": "the model {} {} was only compared with its float form, on no known answers; its card says: {}",
    "none": "nobody has judged what conversion left of the model {} {}; its card says: {}",
}
"""By the card's gate_kind: what is said of a model whose conversion was not judged on the task."""
WEAK_FRACTION = 0.5
"""Scores from this fraction of the lowest label's threshold on may carry a track on (edge/track.py)."""

_log = logging.getLogger(__name__)


class RunSummary(msgspec.Struct, frozen=True):
    """One JSON line on stdout. rejected: by hint. p50_ms, p90_ms: frame in hand → findings kept."""

    frames: int
    dropped: int
    accepted: int
    rejected: dict[str, int]
    findings: int
    p50_ms: float | None
    p90_ms: float | None
    fps: float | None
    acknowledged: int
    backlog: int
    camera_reopened: int
    provisioned: bool


class App:
    """Everything wired. Raises what opening bundle, engine, identity, outbox, operator and trace raise."""

    def __init__(self, config: Config, clock: Clock, trace: Trace | None = None) -> None:
        self._clock = clock
        self._source = config.camera.source
        self._delivered = False
        self._counted = (0, 0)
        self._counted_ns = -int(BACKLOG_EVERY_S * 1e9)
        operator = open_operator(config)
        model = bundle.load(Path(config.inference.bundle) if config.inference.bundle else None)
        self.card = model.card
        if self.card.gate_kind != "task":
            _log.warning("%s", UNJUDGED[self.card.gate_kind].format(self.card.name, self.card.version, self.card.gate))
        override = config.detect.score_threshold
        thresholds = {each.name: each.score_threshold if override is None else override for each in self.card.labels}
        weak = WEAK_FRACTION * min(thresholds.values())
        detect = Detect(score_threshold=weak, max_detections=config.detect.max_detections)
        self.mailbox: Mailbox[Frame] = Mailbox()
        self.watchdog = Watchdog(lambda: open_camera(config, clock), self.mailbox, config.camera.stale_after_ms, clock)
        motion_ms = max(config.quality.verdict_max_age_ms, MOTION_FRAMES * 1000 / config.camera.rate_hz)
        self.quality = QualityThread(QualityJudge(config.quality), motion_ms)
        self.provisioned: Provisioned | None = open_provisioned(config, clock, self.describe)
        self.pipeline = Pipeline(
            detector=Detector(model, config.inference, detect),
            judge=self.quality,
            verdict_max_age_ms=config.quality.verdict_max_age_ms,
            tracker=Tracker(config.track, thresholds),
            findings=FindingMaker(config.track, self.card, thresholds, Triage(config.triage, thresholds), clock),
            operator=operator,
            session=Session(config.operator, clock, os.urandom),
            store=self.provisioned.outbox if self.provisioned else None,
            clock=clock,
            trace=trace.write if trace else None,
        )
        self.screen = Screen(config.screen, self.card, self.status) if config.screen.port else None

    def describe(self) -> dict[str, Any]:
        """What wire.State says of camera, model and pipeline."""
        camera, statistics = self.watchdog.state, self.pipeline.statistics
        problem = self.pipeline.problem or camera.problem
        told: dict[str, Any] = {
            "capturing": not problem,
            "frame_age_s": round(camera.frame_age_s, 3),
            "camera_reopened": camera.reopened,
            "problem": problem or None,
            "model": f"{self.card.name} {self.card.version}",
            "fps": _rounded(statistics.fps),
            "p90_ms": _rounded(statistics.percentile_ms(0.9)),
            "rejected_fraction": round(statistics.rejected_fraction, 4) if statistics.frames else None,
        }
        return {**told, **health.readings(self.provisioned.folder if self.provisioned else None)}

    def status(self) -> Status:
        """What the screen says beside the picture."""
        camera, kept = self.watchdog.state, self.provisioned
        try:
            backlog, quarantined = self._count(kept) if kept else (0, 0)
        except StoreError as error:
            return Status("outbox", str(error), camera.frame_age_s, provisioned=True, connected=False, backlog=0)
        kind, detail = _problem(self.pipeline.problem, camera)
        connected = kept is not None and kept.delivery.hub_present
        return Status(kind, detail, camera.frame_age_s, kept is not None, connected, backlog, quarantined)

    def _count(self, kept: Provisioned) -> tuple[int, int]:
        """How many events wait, and how many the hub has set aside."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._counted_ns >= BACKLOG_EVERY_S * 1e9:
            status = kept.outbox.status()
            self._counted = status.backlog, status.quarantined
            self._counted_ns = now_ns
        return self._counted

    def run(self, stop: threading.Event, frames: int | None, duration_s: float | None) -> RunSummary:
        """Run to the end, close the encounter, drain.

        Raises what the camera cannot mend, and any other error that ended the run, once all is kept, sent and closed.
        """
        with ExitStack() as closing:
            if self.screen is not None:
                self.screen.start()
                closing.callback(self.screen.stop)
            if self.provisioned is not None:
                closing.callback(self.provisioned.close)
                self.provisioned.delivery.start()
                closing.callback(self._deliver_rest, 0.0)
            else:
                _log.warning("not provisioned: this device shows what it detects, and keeps and sends nothing")
            closing.callback(self.quality.stop)
            self.watchdog.start()
            closing.callback(self.watchdog.stop)
            failure: DermedgeError | None = None
            try:
                self._look(stop, frames, duration_s)
            except DermedgeError as error:
                failure = error
            problem = self.watchdog.state.problem
            self.watchdog.stop()
            try:
                self._close_encounter(failed=failure is not None)
            except WireError as error:
                failure = failure or error
            self._deliver_rest(DRAIN_S)
            failure = failure or self.watchdog.failure or self._unseen(problem)
            if failure is not None:
                raise failure
            return self._summary()

    def _unseen(self, problem: str) -> CameraError | None:
        """Whoever asked for pictures and got none must hear of it, also where the run ended in time."""
        if self.pipeline.statistics.frames or not problem:
            return None
        return CameraError(f"expected pictures from {self._source}, got none in the whole run: {problem}")

    def _look(self, stop: threading.Event, frames: int | None, duration_s: float | None) -> None:
        end_ns = None if duration_s is None else self._clock.monotonic_ns() + int(duration_s * 1e9)
        while not stop.is_set() and (frames is None or self.pipeline.statistics.frames < frames):
            if end_ns is not None and self._clock.monotonic_ns() >= end_ns:
                break
            if not self._step(stop):
                break

    def _step(self, stop: threading.Event) -> bool:
        """One frame, or a short wait; False when the source has ended."""
        if not self.pipeline.flush():
            stop.wait(0.5)
            return True
        frame = self.mailbox.take(0.25)
        if frame is None:
            return not self.mailbox.closed
        view = self.pipeline.step(frame)
        if view is not None and self.screen is not None:
            self.screen.show(view)
        return True

    def _close_encounter(self, *, failed: bool) -> None:
        """A full outbox may get space while the hub acknowledges, so this is tried for a few seconds."""
        pause = threading.Event()
        for _ in range(int(LAST_TRIES_S / 0.25)):
            if self.pipeline.end(failed=failed):
                return
            pause.wait(0.25)
        _log.error("the end of the encounter could not be kept: %s", self.pipeline.problem)

    def _deliver_rest(self, drain_s: float) -> None:
        """Stop the delivery, once."""
        if self.provisioned is None or self._delivered:
            return
        self._delivered = True
        if not self.provisioned.delivery.stop(drain_s):
            _log.warning("%d events wait in the outbox for the next start", self.provisioned.outbox.status().backlog)

    def _summary(self) -> RunSummary:
        statistics: Statistics = self.pipeline.statistics
        return RunSummary(
            frames=statistics.frames,
            dropped=self.mailbox.dropped,
            accepted=statistics.accepted,
            rejected=statistics.rejected,
            findings=statistics.findings,
            p50_ms=_rounded(statistics.percentile_ms(0.5)),
            p90_ms=_rounded(statistics.percentile_ms(0.9)),
            fps=_rounded(statistics.fps),
            acknowledged=self.provisioned.acknowledged() if self.provisioned else 0,
            backlog=self.provisioned.outbox.status().backlog if self.provisioned else 0,
            camera_reopened=self.watchdog.state.reopened,
            provisioned=self.provisioned is not None,
        )


def run(
    config: Config,
    *,
    frames: int | None = None,
    duration_s: float | None = None,
    trace: Path | None = None,
    clock: Clock | None = None,
) -> RunSummary:
    """Run the device on this thread until it ends or is told to. Raises DermedgeError."""
    clock = clock or SystemClock()
    stop = threading.Event()
    with ExitStack() as closing:
        written = None if trace is None else Trace(trace, config.camera.source)
        if written is not None:
            closing.callback(written.close)
        closing.enter_context(_signals(stop.set))
        return App(config, clock, written).run(stop, frames, duration_s)


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call `stop` once; a second one ends the process as it always would."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def on_signal(number: int, frame: object) -> None:
        del number, frame
        for each, handler in before.items():
            signal.signal(each, handler)
        stop()

    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread; whoever runs us elsewhere ends us otherwise
        return
    for number in numbers:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _problem(outbox: str, camera: CameraState) -> tuple[str, str]:
    if outbox:
        return "outbox", outbox
    return ("camera", camera.problem) if camera.problem else ("", "")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
