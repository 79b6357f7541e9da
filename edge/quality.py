"""Is this frame worth looking at? A verdict with at most one hint, made on a small copy and on a thread of its own.

Bad frames are values, never exceptions. Nothing here knows about lesions.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np

from edge.config import Quality
from edge.errors import DermedgeError
from edge.frame import Frame, Pixels
from edge.mailbox import Mailbox
from edge.motion import Grey, shift

Hint = Literal["too_dark", "too_bright", "glare", "hold_still", "too_blurry"]
"""What to do differently, most urgent first: of several faults the first is told."""

_SIDE_MIN_PX = 8
_REBLUR_PX = 9
_WHITE = 240
"""The lowest of R, G, B from which a spot counts as white: bright and without colour."""
_CLIPPED = 250
_SPOT_AREA_FRACTION = 0.0001, 0.08
"""Smaller is noise or a hair's shine; larger is an overexposed picture or white paper, no reflection."""
_WAIT_S = 0.02
"""How long a reader waits for the verdict on its own frame. A verdict takes a few milliseconds, mostly while the
detector works; an engine that is quicker than the judge has to wait, or no finding would ever have its verdict.
"""


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


class SmallCopy(NamedTuple):
    """What is judged. rgb: (height, width, 3). grey: (height, width). half: grey at half the size, for the motion."""

    rgb: Pixels
    grey: Pixels
    half: Grey


class QualityJudge:
    """Judges by the limits of its settings; holds no frame, so the same pictures get the same verdict."""

    def __init__(self, settings: Quality) -> None:
        self._settings = settings

    def small(self, rgb: Pixels) -> SmallCopy:
        """The copy of an (height, width, 3) RGB picture, longer side `side_px`; a smaller picture as it is."""
        scaled = self._scaled((rgb.shape[1], rgb.shape[0]))
        if scaled == (rgb.shape[1], rgb.shape[0]):
            return _copy(rgb)
        return _copy(np.asarray(cv2.resize(rgb, scaled, interpolation=cv2.INTER_AREA), dtype=np.uint8))

    def small_frame(self, frame: Frame) -> SmallCopy:
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
        return _copy(np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420), dtype=np.uint8))

    def judge(self, rgb: Pixels, previous: SmallCopy | None = None) -> QualityReport:
        """The verdict on an (height, width, 3) RGB picture; `previous` is the copy of the frame before it."""
        return self.judge_small(self.small(rgb), previous)

    def judge_small(self, small: SmallCopy, previous: SmallCopy | None = None) -> QualityReport:
        """The verdict on a copy."""
        settings = self._settings
        rgb = small.rgb
        mean_luma = float(cv2.mean(small.grey)[0])
        lowest = np.asarray(cv2.min(cv2.min(rgb[:, :, 0], rgb[:, :, 1]), rgb[:, :, 2]), dtype=np.uint8)
        clipped = float(np.count_nonzero(lowest >= _CLIPPED)) / lowest.size
        glare = _spots(lowest)
        sharpness = _sharpness(small.grey)
        motion_px = 0.0 if previous is None else _motion_px(previous.half, small.half)
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
        # A copy of a line or two has no neighbours to compare.
        return max(_SIDE_MIN_PX, round(size_px[0] * scale)), max(_SIDE_MIN_PX, round(size_px[1] * scale))


class QualityThread:
    """Judges the newest frame it was offered; frames that come while it is busy are passed over.

    previous_max_age_ms: how long before a frame another one may lie to tell how far the picture moved.
    """

    def __init__(self, judge: QualityJudge, previous_max_age_ms: float) -> None:
        self._judge = judge
        self._previous_max_age_ns = previous_max_age_ms * 1e6
        self._mailbox: Mailbox[Frame] = Mailbox()
        self._judged = threading.Condition()
        self._newest: tuple[QualityReport, int] | None = None
        self._thread = threading.Thread(target=self._run, name="quality", daemon=True)
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """Never blocks."""
        self._mailbox.put(frame)

    def newest(self, of_ns: int | None = None) -> tuple[QualityReport, int] | None:
        """The newest verdict and the `monotonic_ns` of its frame; None before the first.

        of_ns: wait a little where the verdict on the frame of this `monotonic_ns` is still to come.
        Raises DermedgeError where the thread has died: old verdicts must not pass for new ones.
        """
        if of_ns is not None:
            with self._judged:
                self._judged.wait_for(lambda: self._newest is not None and self._newest[1] >= of_ns, _WAIT_S)
        if not self._thread.is_alive() and not self._mailbox.closed:
            raise DermedgeError("expected the quality thread to run, it ended: see its traceback in the log")
        return self._newest

    def stop(self) -> None:
        """End the thread and wait for it. May be called twice."""
        self._mailbox.close()
        self._thread.join()

    def _run(self) -> None:
        previous: tuple[SmallCopy, int] | None = None
        while True:
            frame = self._mailbox.take(timeout_s=1.0)
            if frame is None:
                if self._mailbox.closed:
                    return
                continue
            small = self._judge.small_frame(frame)
            is_recent = previous is not None and frame.monotonic_ns - previous[1] <= self._previous_max_age_ns
            report = self._judge.judge_small(small, previous[0] if previous is not None and is_recent else None)
            with self._judged:
                self._newest = report, frame.monotonic_ns
                self._judged.notify_all()
            previous = small, frame.monotonic_ns


def _copy(rgb: Pixels) -> SmallCopy:
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    size = max(1, grey.shape[1] // 2), max(1, grey.shape[0] // 2)
    half = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return SmallCopy(rgb, grey, half)


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


def _motion_px(before: Grey, after: Grey) -> float:
    """How far the picture moved, in pixels of the copy; 0 where that is unknown."""
    moved = shift(before, after) if before.shape == after.shape else None
    return 0.0 if moved is None else 2 * float(np.hypot(*moved))
