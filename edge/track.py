"""One lesion over many frames is one track.

Constant-velocity prediction and association frame by frame as in SORT (Bewley et al. 2016), with ByteTrack's second
pass (Zhang et al. 2022): boxes under their label's threshold may carry a track on, never start one. Between the two
passes the camera's own motion, the median shift of the pairs just matched, corrects the tracks that were not.

A track that was reported and then lost is remembered for the rest of the encounter and drifts with that same shift.
A new box at its place, of its size and of its contrast to the skin around is the old lesion again. Where no other
lesion was in view the shift is unknown, and after a short while so is the place: the lesion is then reported a second
time, because a lesion doubled is seen by a reader and a lesion merged into another is not. Zoom and turning of the
camera are not modelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.association import covers, match
from edge.config import Track as TrackSettings
from edge.detect import Detection
from edge.frame import Box, Frame, Pixels
from edge.quality import QualityReport
from edge.verdict import Verdict

TRACKS_MAX = 64
_VELOCITY_GAIN = 0.5
_UNSEEN_SLOWDOWN = 0.85
_BEST_MARGIN = 1.05
"""A view must be this much better to replace the best: else a slowly growing score copies a crop on every frame."""
_CROP_BORDER = 0.25
_CONTRAST_TOLERANCE = 0.3
_SIDE_RATIO_MAX = 1.6
_BLIND_FRAMES_MAX = 15


@dataclass(slots=True, eq=False)
class BestView:
    """The frame that shows the lesion best. crop: RGB, longer side at most track.best_view_px; box_px as in that frame.

    contrast: (3,) the lesion's mean R, G, B over that of the skin around it.
    """

    crop: Pixels
    box_px: Box
    frame_size_px: tuple[int, int]
    sequence: int
    captured_at: datetime
    report: QualityReport
    contrast: NDArray[np.float64]
    merit: float


@dataclass(slots=True, eq=False)
class Track:
    """class_scores: summed over the accepted frames. observations: accepted frames in which it was seen, out of
    `chances` in which it should have been. missed: frames since it was last seen. told: findings.py has taken it.
    """

    track_id: int
    box_px: Box
    first_seen_ns: int
    last_seen_ns: int
    label_now: str
    score_now: float
    class_scores: dict[str, float] = field(default_factory=dict)
    observations: int = 0
    chances: int = 0
    missed: int = 0
    told: bool = False
    best: BestView | None = None
    velocity: tuple[float, float] = (0.0, 0.0)

    @property
    def label(self) -> str:
        """By the summed scores of the evidence; before there is any, the newest detection's."""
        return max(self.class_scores, key=self.class_scores.__getitem__, default=self.label_now)

    @property
    def score(self) -> float:
        """The label's mean over all observations; 0 without evidence."""
        return self.class_scores.get(self.label, 0.0) / self.observations if self.observations else 0.0


class Tracker:
    """thresholds: label → the score from which a detection may start a track."""

    def __init__(self, settings: TrackSettings, thresholds: Mapping[str, float]) -> None:
        self._settings = settings
        self._thresholds = thresholds
        self._next_id = 1
        self._live: list[Track] = []
        self._remembered: list[tuple[Track, int]] = []
        self._sequence: int | None = None

    def reset(self) -> None:
        """Another person: nothing of the last one is carried over. Track ids go on."""
        self._live.clear()
        self._remembered.clear()
        self._sequence = None

    def update(self, detections: Sequence[Detection], frame: Frame, rgb: Pixels, verdict: Verdict) -> list[Track]:
        """Carry all tracks on to this frame (rgb: its picture); the live ones, those not seen now among them."""
        steps = 1 if self._sequence is None else max(1, frame.sequence - self._sequence)
        self._sequence = frame.sequence
        before = {track.track_id: track.box_px for track in self._live}
        for track in self._live:
            track.box_px = _moved(track.box_px, track.velocity, steps)
            track.missed += 1
            track.chances += verdict.accepted and _centre_inside(track.box_px, frame.size_px)

        strong = [each for each in detections if each.score >= self._thresholds.get(each.label, 1.0)]
        seen, strong = self._match(self._live, strong)
        shift = self._camera_shift(seen, before, steps)
        matched = {track.track_id for track, _ in seen}
        unseen = [track for track in self._live if track.track_id not in matched]
        if shift is not None:
            for track in unseen:
                track.box_px = _moved(before[track.track_id], shift, steps)
        weak = [each for each in detections if each.score < self._thresholds.get(each.label, 1.0)]
        more, rest = self._match(unseen, strong + weak)
        for track, detection in seen + more:
            self._observe(track, detection, before[track.track_id], steps, frame, rgb, verdict)
        self._drift(shift, steps)
        for detection in rest:
            if detection.score >= self._thresholds.get(detection.label, 1.0):
                self._start(detection, frame, rgb, verdict)
        self._retire(shift)
        return list(self._live)

    def _match(
        self, tracks: list[Track], detections: list[Detection]
    ) -> tuple[list[tuple[Track, Detection]], list[Detection]]:
        pairs, rest = match(
            [track.box_px for track in tracks],
            [track.missed - 1 for track in tracks],
            [each.box_px for each in detections],
            self._settings.iou_min,
        )
        return [(tracks[one], detections[other]) for one, other in pairs], [detections[index] for index in rest]

    @staticmethod
    def _camera_shift(
        seen: list[tuple[Track, Detection]], before: Mapping[int, Box], steps: int
    ) -> tuple[float, float] | None:
        """Pixels a frame, from tracks seen in the last frame too; None when there is none: the motion is unknown."""
        moves = [
            np.subtract(_centre(detection.box_px), _centre(before[track.track_id])) / steps
            for track, detection in seen
            if track.missed == 1
        ]
        if not moves:
            return None
        x, y = np.median(moves, axis=0)
        return float(x), float(y)

    def _observe(
        self, track: Track, detection: Detection, before: Box, steps: int, frame: Frame, rgb: Pixels, verdict: Verdict
    ) -> None:
        if track.missed == 1:
            moved = np.subtract(_centre(detection.box_px), _centre(before)) / steps
            x, y = (1 - _VELOCITY_GAIN) * np.asarray(track.velocity) + _VELOCITY_GAIN * moved
            track.velocity = float(x), float(y)
        track.missed = 0
        track.box_px, track.last_seen_ns = detection.box_px, frame.monotonic_ns
        track.label_now, track.score_now = detection.label, detection.score
        if not verdict.accepted or verdict.report is None:
            return
        track.observations += 1
        track.class_scores[detection.label] = track.class_scores.get(detection.label, 0.0) + detection.score
        # A report about another frame is fair evidence, but says little about this frame's sharpness.
        merit = detection.score * max(verdict.report.sharpness, 0.0) if verdict.exact else 0.0
        if track.best is None or merit > track.best.merit * _BEST_MARGIN:
            contrast = _contrast(rgb, detection.box_px)
            crop = _crop(rgb, detection.box_px, self._settings.best_view_px)
            track.best = BestView(
                crop,
                detection.box_px,
                frame.size_px,
                frame.sequence,
                frame.captured_at,
                verdict.report,
                contrast,
                merit,
            )

    def _start(self, detection: Detection, frame: Frame, rgb: Pixels, verdict: Verdict) -> None:
        if len(self._live) >= TRACKS_MAX or any(
            track.missed == 0 and covers(track.box_px, detection.box_px) for track in self._live
        ):
            return
        track = self._recall(detection, rgb)
        if track is None:
            now = frame.monotonic_ns
            track = Track(self._next_id, detection.box_px, now, now, detection.label, detection.score)
            self._next_id += 1
        track.missed = 2  # its last place says nothing about its velocity now
        track.chances += verdict.accepted
        self._live.append(track)
        self._observe(track, detection, track.box_px, 1, frame, rgb, verdict)

    def _recall(self, detection: Detection, rgb: Pixels) -> Track | None:
        """The remembered track that this detection is again."""
        for index, (track, blind) in enumerate(self._remembered):
            ratio = (detection.box_px.area / max(track.box_px.area, 1e-9)) ** 0.5
            side = max(track.box_px.area, detection.box_px.area) ** 0.5
            apart = np.hypot(*np.subtract(_centre(detection.box_px), _centre(track.box_px)))
            if not 1 / _SIDE_RATIO_MAX <= ratio <= _SIDE_RATIO_MAX or apart > side * (0.7 + 0.05 * blind):
                continue
            if track.best is not None and np.abs(track.best.contrast - _contrast(rgb, detection.box_px)).max() > (
                _CONTRAST_TOLERANCE
            ):
                continue
            del self._remembered[index]
            track.velocity = (0.0, 0.0)
            return track
        return None

    def _drift(self, shift: tuple[float, float] | None, steps: int) -> None:
        kept = []
        for track, blind in self._remembered:
            if shift is not None:
                track.box_px = _moved(track.box_px, shift, steps)
                kept.append((track, blind))
            elif blind + steps <= _BLIND_FRAMES_MAX:
                kept.append((track, blind + steps))
        self._remembered = kept

    def _retire(self, shift: tuple[float, float] | None) -> None:
        for track in self._live:
            if track.missed:
                x, y = track.velocity if shift is None else shift
                track.velocity = x * _UNSEEN_SLOWDOWN, y * _UNSEEN_SLOWDOWN
        lost = [track for track in self._live if track.missed > self._settings.lost_after_frames]
        if lost:
            self._live = [track for track in self._live if track.missed <= self._settings.lost_after_frames]
            self._remembered.extend((track, 0) for track in lost if track.told)
            del self._remembered[:-TRACKS_MAX]


def _centre(box: Box) -> tuple[float, float]:
    return (box.x_min + box.x_max) / 2, (box.y_min + box.y_max) / 2


def _moved(box: Box, velocity: tuple[float, float], steps: int) -> Box:
    x, y = velocity[0] * steps, velocity[1] * steps
    return Box(box.x_min + x, box.y_min + y, box.x_max + x, box.y_max + y)


def _centre_inside(box: Box, size_px: tuple[int, int]) -> bool:
    x, y = _centre(box)
    return 0 <= x < size_px[0] and 0 <= y < size_px[1]


def _window(rgb: Pixels, box: Box, border: float) -> Pixels:
    """The box and `border` sides around it, as far as the picture reaches; at least one pixel."""
    height, width = rgb.shape[:2]
    x, y = border * (box.x_max - box.x_min), border * (box.y_max - box.y_min)
    left, top = int(min(max(box.x_min - x, 0), width - 1)), int(min(max(box.y_min - y, 0), height - 1))
    right, bottom = int(min(max(box.x_max + x, left + 1), width)), int(min(max(box.y_max + y, top + 1), height))
    return rgb[top:bottom, left:right]


def _crop(rgb: Pixels, box: Box, side_px: int) -> Pixels:
    window = _window(rgb, box, _CROP_BORDER)
    scale = side_px / max(window.shape[:2])
    if scale >= 1:
        return window.copy()
    size = max(1, int(window.shape[1] * scale)), max(1, int(window.shape[0] * scale))
    return np.asarray(cv2.resize(window, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _contrast(rgb: Pixels, box: Box) -> NDArray[np.float64]:
    """(3,) mean R, G, B of the box's middle over that of the box with its surroundings."""
    inside, around = _window(rgb, box, -0.25), _window(rgb, box, 0.5)
    middle, whole = (np.asarray(cv2.mean(each)[:3], dtype=np.float64) for each in (inside, around))
    contrast: NDArray[np.float64] = middle / np.maximum(whole, 1.0)
    return contrast
