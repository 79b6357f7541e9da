"""Is this frame worth looking at? A verdict with at most one hint, made on a small copy and on a thread of its own.

Bad frames are values, never exceptions. Nothing here knows about lesions.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from edge.clock import Clock
from edge.config import Quality
from edge.errors import DermedgeError
from edge.frame import Frame, Pixels
from edge.mailbox import Mailbox

Hint = Literal["too_dark", "too_bright", "glare", "hold_still", "too_blurry"]
"""What to do differently, most urgent first: of several faults the first is told."""

_REBLUR_PX = 9
_WHITE = 240
"""The lowest of R, G, B from which a spot counts as white: bright and without colour."""
_CLIPPED = 250
_SPOT_AREA_FRACTION = 0.0001, 0.08
"""Smaller is noise or a hair's shine; larger is an overexposed picture or white paper, no reflection."""
_RESPONSE_MIN = 0.03
"""Below it the peak of the correlation is noise: nothing that could have moved is in the picture."""


@dataclass(frozen=True, slots=True)
class QualityReport:
    """accepted is `hint is None`.

    sharpness: 0 to 1, how much detail a blur would take away. motion_px: since the previous frame, in pixels of the
    small copy; 0 where there was none. mean_luma: 0 to 255. clipped_fraction: of pixels at the sensor's end.
    glare_fraction: of pixels in white spots.
    """

    accepted: bool
    hint: Hint | None
    sharpness: float
    motion_px: float
    mean_luma: float
    clipped_fraction: float
    glare_fraction: float = 0.0


class QualityJudge:
    """Judges by the limits of its settings; holds no frame, so the same pictures get the same verdict."""

    def __init__(self, settings: Quality) -> None:
        self._settings = settings

    def small(self, rgb: Pixels) -> Pixels:
        """The copy that is judged: (height, width, 3), longer side `side_px`; a smaller picture as it is."""
        scaled = self._scaled((rgb.shape[1], rgb.shape[0]))
        if scaled == (rgb.shape[1], rgb.shape[0]):
            return rgb
        return np.asarray(cv2.resize(rgb, scaled, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def small_frame(self, frame: Frame) -> Pixels:
        """As `small`; a YUV420 frame is shrunk plane by plane, and only the small copy is converted."""
        if frame.pixel_format == "RGB888":
            return self.small(frame.planes)
        width, height = frame.size_px
        # Even sides, as the format asks.
        across, down = (side // 2 * 2 for side in self._scaled((width, height)))
        chroma = frame.planes[height:].reshape(2, height // 2, width // 2)
        planes = np.empty((down * 3 // 2, across), dtype=np.uint8)
        planes[:down] = cv2.resize(frame.planes[:height], (across, down), interpolation=cv2.INTER_AREA)
        for plane, into in zip(chroma, planes[down:].reshape(2, down // 2, across // 2), strict=True):
            into[:] = cv2.resize(plane, (across // 2, down // 2), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420), dtype=np.uint8)

    def judge(self, rgb: Pixels, previous_small: Pixels | None = None) -> QualityReport:
        """The verdict on an (height, width, 3) RGB picture; previous_small is `small` of the frame before it."""
        settings = self._settings
        small = self.small(rgb)
        grey = _grey(small)
        mean_luma = float(cv2.mean(grey)[0])
        lowest = np.asarray(cv2.min(cv2.min(small[:, :, 0], small[:, :, 1]), small[:, :, 2]), dtype=np.uint8)
        clipped = float(np.count_nonzero(lowest >= _CLIPPED)) / lowest.size
        glare = _spots(lowest)
        sharpness = _sharpness(grey)
        motion_px = 0.0
        if previous_small is not None and previous_small.shape == small.shape:
            motion_px = _motion_px(_grey(previous_small), grey)
        faults: dict[Hint, bool] = {
            "too_dark": mean_luma < settings.luma_min,
            "too_bright": mean_luma > settings.luma_max or clipped - glare > settings.clipped_fraction_max,
            "glare": glare > settings.glare_fraction_max,
            "hold_still": motion_px > settings.motion_max_px,
            "too_blurry": sharpness < settings.sharpness_min,
        }
        hint = next((name for name, present in faults.items() if present), None)
        return QualityReport(hint is None, hint, sharpness, motion_px, mean_luma, clipped, glare)

    def _scaled(self, size_px: tuple[int, int]) -> tuple[int, int]:
        scale = min(1.0, self._settings.side_px / max(size_px))
        return max(1, round(size_px[0] * scale)), max(1, round(size_px[1] * scale))


class QualityThread:
    """Judges the newest frame it was offered; frames that come while it is busy are passed over."""

    def __init__(self, judge: QualityJudge, clock: Clock, previous_max_age_ms: float = 200.0) -> None:
        self._judge = judge
        self._clock = clock
        self._previous_max_age_ns = previous_max_age_ms * 1e6
        self._mailbox: Mailbox[Frame] = Mailbox()
        self._newest: tuple[QualityReport, int] | None = None
        self._thread = threading.Thread(target=self._run, name="quality", daemon=True)
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """Never blocks."""
        self._mailbox.put(frame)

    def newest(self) -> tuple[QualityReport, int] | None:
        """The newest verdict and the `monotonic_ns` of its frame; None before the first.

        Raises DermedgeError where the thread has died: old verdicts must not pass for new ones.
        """
        if not self._thread.is_alive() and not self._mailbox.closed:
            raise DermedgeError("expected the quality thread to run, it ended: see its traceback in the log")
        return self._newest

    def stop(self) -> None:
        """End the thread and wait for it. May be called twice."""
        self._mailbox.close()
        self._thread.join()

    def _run(self) -> None:
        previous: tuple[Pixels, int] | None = None
        while True:
            frame = self._mailbox.take(timeout_s=1.0)
            if frame is None:
                if self._mailbox.closed:
                    return
                continue
            small = self._judge.small_frame(frame)
            is_recent = previous is not None and frame.monotonic_ns - previous[1] <= self._previous_max_age_ns
            report = self._judge.judge(small, previous[0] if previous is not None and is_recent else None)
            # One assignment of one tuple: readers see both or neither.
            self._newest = report, frame.monotonic_ns
            previous = small, frame.monotonic_ns


def _grey(rgb: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _sharpness(grey: Pixels) -> float:
    """How much of the differences between neighbours a 9 px blur removes, 0 to 1, in the worse of both directions.

    A sharp picture loses most of them, a blurred one has little left to lose (F. Crete, T. Dolmiere, P. Ladret and M.
    Nicolas, "The blur effect: perception and estimation with a new no-reference perceptual blur metric", SPIE 6492,
    2007). Being a ratio it does not depend on contrast, so dark skin is not called blurred. Motion smears one
    direction only. The 3 px smoothing first takes away sensor noise, which would count as detail. 0 without detail.
    """
    # In floating point: rounding to whole grey levels would put detail back.
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (3, 3), 0)
    lost = []
    for size, forward, backward in (
        ((_REBLUR_PX, 1), np.s_[:, 1:], np.s_[:, :-1]),
        ((1, _REBLUR_PX), np.s_[1:, :], np.s_[:-1, :]),
    ):
        blurred = cv2.blur(smooth, size)
        before = cv2.absdiff(smooth[forward], smooth[backward])
        kept = cv2.min(before, cv2.absdiff(blurred[forward], blurred[backward]))
        total = float(cv2.sumElems(before)[0])
        lost.append(1 - float(cv2.sumElems(kept)[0]) / total if total > 0 else 0.0)
    return min(lost)


def _spots(lowest: Pixels) -> float:
    """The part of the picture that lies in white spots of a reflection's size."""
    white = (lowest >= _WHITE).view(np.uint8)
    if not white.any():
        return 0.0
    _, _, stats, _ = cv2.connectedComponentsWithStats(white)
    areas = stats[1:, cv2.CC_STAT_AREA]
    smallest, largest = (part * lowest.size for part in _SPOT_AREA_FRACTION)
    return float(areas[(areas >= smallest) & (areas <= largest)].sum()) / lowest.size


def _motion_px(before: Pixels, after: Pixels) -> float:
    """How far the picture moved between two grey copies of one size, by phase correlation at half that size."""
    size = max(1, after.shape[1] // 2), max(1, after.shape[0] // 2)
    halves = [cv2.resize(each, size, interpolation=cv2.INTER_AREA).astype(np.float32) for each in (before, after)]
    (x, y), response = cv2.phaseCorrelate(halves[0], halves[1], cv2.createHanningWindow(size, cv2.CV_32F))
    return 2 * float(np.hypot(x, y)) if response >= _RESPONSE_MIN else 0.0
