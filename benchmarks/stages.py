"""Where the time of a frame goes, and how far the whole is from the bare model: stages against invoke, interleaved.

Every round looks at one 720p phantom frame with our detector and runs the same model once in a bare interpreter of its
own; the order changes from round to round. The claim is the ratio (preprocess + invoke + decode with suppression) /
bare invoke of this very run; milliseconds only describe the machine. Quality runs on a thread of its own on the device
and tracking after the detector; they are timed beside the others and stand in no ratio.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edge import bundle as bundles
from edge.bundle import Bundle
from edge.camera.phantom import PhantomCamera
from edge.clock import SystemClock
from edge.config import Camera, Config, Detect, Inference, Quality, Track
from edge.detect import Detection, Detector
from edge.frame import Frame
from edge.inference.engine_log import notes_held_back
from edge.quality import QualityJudge, SmallCopy
from edge.track import Tracker
from edge.verdict import Verdict

YARDSTICK = Path(__file__).parent / "yardstick"
STAGES = ("preprocess", "invoke", "decode", "total", "bare_invoke", "quality", "track")
WARM_UP_ROUNDS = 20
FRAMES_KEPT = 60
RESAMPLES = 2000


@dataclass(frozen=True)
class Timings:
    """Milliseconds, (rounds,) each, by the names of STAGES."""

    name: str
    engine: str
    samples_ms: dict[str, NDArray[np.float64]]

    def report(self) -> dict[str, Any]:
        """p50, p90 and p99 of each stage, and the ratio of the medians with its 95 % bootstrap interval."""
        total, bare = self.samples_ms["total"], self.samples_ms["bare_invoke"]
        picks = np.random.default_rng(0).integers(0, total.size, (RESAMPLES, total.size))
        ratios = np.median(total[picks], axis=1) / np.median(bare[picks], axis=1)
        return {
            "model": self.name,
            "engine": self.engine,
            "rounds": int(total.size),
            "stages_ms": {
                stage: dict(
                    zip(("p50", "p90", "p99"), np.percentile(values, (50, 90, 99)).round(3).tolist(), strict=True)
                )
                for stage, values in self.samples_ms.items()
            },
            "total_over_bare_invoke": round(float(np.median(total) / np.median(bare)), 3),
            "interval_95": np.percentile(ratios, (2.5, 97.5)).round(3).tolist(),
        }


def measure(path: Path | None, frames: list[Frame], rounds: int, threads: int) -> Timings:
    """Time one bundle (None: the one that ships) on RGB frames of 720p."""
    bundle = bundles.load(path)
    detector = Detector(bundle, Inference(threads=threads), Detect())
    with notes_held_back():
        bare = Interpreter(model_content=bundle.model, num_threads=threads)
        bare.allocate_tensors()
    around = _Around(bundle)
    samples: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for index in range(WARM_UP_ROUNDS + rounds):
        frame = frames[index % len(frames)]
        bare_first_ms = _invoke_ms(bare) if index % 2 else 0.0
        found = detector.detect(frame.planes)
        bare_ms = bare_first_ms or _invoke_ms(bare)
        quality_ms, track_ms = around.step(frame, found)
        if index < WARM_UP_ROUNDS:
            continue
        latency = detector.latency
        values = (latency.preprocess_ms, latency.invoke_ms, latency.decode_ms, latency.total_ms, bare_ms)
        for stage, value in zip(STAGES, (*values, quality_ms, track_ms), strict=True):
            samples[stage].append(value)
    return Timings(bundle.card.name, detector.backend.engine, {name: np.asarray(ms) for name, ms in samples.items()})


class _Around:
    """What runs around the detector on the device, with the device's own defaults."""

    def __init__(self, bundle: Bundle) -> None:
        self._judge = QualityJudge(Quality())
        self._tracker = Tracker(Track(), {label.name: label.score_threshold for label in bundle.card.labels})
        self._previous: SmallCopy | None = None

    def step(self, frame: Frame, found: list[Detection]) -> tuple[float, float]:
        """Milliseconds of the quality verdict and of carrying the tracks on."""
        began_ns = time.perf_counter_ns()
        small = self._judge.small_frame(frame)
        report = self._judge.judge_small(small, self._previous)
        self._previous = small
        judged_ns = time.perf_counter_ns()
        self._tracker.update(found, frame, frame.planes, Verdict(report.accepted, report.hint, report, exact=True))
        return (judged_ns - began_ns) / 1e6, (time.perf_counter_ns() - judged_ns) / 1e6


def _invoke_ms(interpreter: Any) -> float:
    started = time.perf_counter_ns()
    interpreter.invoke()
    return (time.perf_counter_ns() - started) / 1e6


def phantom_frames(count: int = FRAMES_KEPT) -> list[Frame]:
    """RGB frames of 720p, spread over the phantom's persons."""
    camera = PhantomCamera("", Config(camera=Camera(source="phantom", rate_hz=10_000.0)), SystemClock())
    try:
        return list(islice(camera.frames(), 0, count * 5, 5))
    finally:
        camera.close()
