"""Where the time of a frame goes, and how far the whole is from the bare model: stages against invoke, interleaved.

Every round looks at one 720p phantom frame with our detector and runs the same model once in a bare interpreter of its
own; the order changes from round to round. The claim is the ratio (preprocess + invoke + decode with suppression) /
bare invoke of this very run; milliseconds only describe the machine.
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
from edge.camera.phantom import PhantomCamera
from edge.clock import SystemClock
from edge.config import Camera, Config, Detect, Inference
from edge.detect import Detector
from edge.frame import Pixels
from edge.inference.engine_log import notes_held_back

YARDSTICK = Path(__file__).parent / "yardstick"
STAGES = ("preprocess", "invoke", "decode", "total", "bare_invoke")
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


def measure(path: Path | None, frames: list[Pixels], rounds: int, threads: int) -> Timings:
    """Time one bundle (None: the one that ships) on (720, 1280, 3) frames."""
    bundle = bundles.load(path)
    detector = Detector(bundle, Inference(threads=threads), Detect())
    with notes_held_back():
        bare = Interpreter(model_content=bundle.model, num_threads=threads)
        bare.allocate_tensors()
    samples: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for index in range(WARM_UP_ROUNDS + rounds):
        frame = frames[index % len(frames)]
        if index % 2:
            bare_ms = _invoke_ms(bare)
            detector.detect(frame)
        else:
            detector.detect(frame)
            bare_ms = _invoke_ms(bare)
        if index < WARM_UP_ROUNDS:
            continue
        latency = detector.latency
        values = (latency.preprocess_ms, latency.invoke_ms, latency.decode_ms, latency.total_ms, bare_ms)
        for stage, value in zip(STAGES, values, strict=True):
            samples[stage].append(value)
    return Timings(bundle.card.name, detector.backend.engine, {name: np.asarray(ms) for name, ms in samples.items()})


def _invoke_ms(interpreter: Any) -> float:
    started = time.perf_counter_ns()
    interpreter.invoke()
    return (time.perf_counter_ns() - started) / 1e6


def phantom_frames(count: int = FRAMES_KEPT) -> list[Pixels]:
    """(720, 1280, 3) frames, spread over the phantom's persons."""
    camera = PhantomCamera("", Config(camera=Camera(source="phantom", rate_hz=10_000.0)), SystemClock())
    try:
        return [frame.rgb() for frame in islice(camera.frames(), 0, count * 5, 5)]
    finally:
        camera.close()
