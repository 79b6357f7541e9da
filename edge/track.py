"""One lesion over many frames is one track.

Association frame by frame as in SORT (Bewley et al. 2016), with ByteTrack's second pass (Zhang et al. 2022): boxes
under their label's threshold may carry a track on, never start one. Where a track should be is foretold twice, by its
own constant velocity and by the camera's motion in the picture (edge/motion.py); what explains the boxes better holds.
The shift of the pairs just matched then corrects the tracks that were not.

A track that was reported and then lost is remembered for the rest of the encounter and drifts with the camera. A new
box at its place, of its size and of its contrast to the skin around is the old lesion again. Where the camera's motion
stays unknown for a while so is the place: the lesion is then reported a second time, because a lesion doubled is seen
by a reader and a lesion merged into another is not. Zoom and turning of the camera are not modelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.association import covers, match
from edge.best_view import BestView, contrast_to_skin
from edge.config import Track as TrackSettings
from edge.detect import Detection
from edge.frame import Box, Frame, Pixels
from edge.motion import CameraMotion
from edge.verdict import Verdict

TRACKS_MAX = 64
_VELOCITY_GAIN = 0.5
_UNSEEN_SLOWDOWN = 0.85
_BEST_MARGIN = 1.05
"""A view must be this much better to replace the best: else a slowly growing score makes another on every frame."""
_CONTRAST_TOLERANCE = 0.3
_SIDE_RATIO_MAX = 1.6
_BLIND_FRAMES_MAX = 15
_JOIN_WITHIN_FRAMES = 3
_JOIN_IOU = 0.5


@dataclass(slots=True, eq=False)
class Track:
    """class_scores: summed over the accepted frames. observations: accepted frames in which it was seen, out of
    `chances` in which it should have been. missed: frames since it was last seen. told: findings.py has taken it.
    """

    track_id: int
    box_px: Box
    label_now: str
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
        self._motion = CameraMotion()

    def reset(self) -> None:
        """Another person: nothing of the last one is carried over. Track ids go on."""
        self._live.clear()
        self._remembered.clear()
        self._sequence = None
        self._motion.reset()

    def update(self, detections: Sequence[Detection], frame: Frame, rgb: Pixels, verdict: Verdict) -> list[Track]:
        """Carry all tracks on to this frame (rgb: its picture); the live ones, those not seen now among them."""
        steps = 1 if self._sequence is None else max(1, frame.sequence - self._sequence)
        self._sequence = frame.sequence
        before = {track.track_id: track.box_px for track in self._live}
        strong = [each for each in detections if each.score >= self._thresholds.get(each.label, 1.0)]
        weak = [each for each in detections if each.score < self._thresholds.get(each.label, 1.0)]
        in_picture = self._motion.shift(rgb)
        seen, rest = self._match_foretold(strong, in_picture, steps)
        shift = self._camera_shift(seen, before) or in_picture
        matched = {track.track_id for track, _ in seen}
        unseen = [track for track in self._live if track.track_id not in matched]
        for track in unseen:
            move = shift or (track.velocity[0] * steps, track.velocity[1] * steps)
            track.box_px = _moved(before[track.track_id], move)
        for track in self._live:
            track.missed += 1
            track.chances += verdict.accepted and _centre_inside(track.box_px, frame.size_px)
        # A weak box on a lesion that has its strong one is no second lesion's.
        weak = [each for each in weak if not any(covers(each.box_px, other.box_px) for _, other in seen)]
        more, rest = self._match(unseen, [track.box_px for track in unseen], rest + weak)
        for track, detection in seen + more:
            self._observe(track, detection, before[track.track_id], steps, frame, rgb, verdict)
        self._drift(shift)
        for detection in rest:
            if detection.score >= self._thresholds.get(detection.label, 1.0):
                self._start(detection, frame, rgb, verdict)
        self._join()
        self._retire(shift, steps)
        return list(self._live)

    def _match_foretold(
        self, detections: list[Detection], shift: tuple[float, float] | None, steps: int
    ) -> tuple[list[tuple[Track, Detection]], list[Detection]]:
        """Match all live tracks where they should be by now; moves those matched nowhere."""
        boxes, missed = [each.box_px for each in detections], [track.missed for track in self._live]
        foretold = [
            [_moved(track.box_px, (track.velocity[0] * steps, track.velocity[1] * steps)) for track in self._live]
        ]
        if shift is not None:
            foretold.append([_moved(track.box_px, shift) for track in self._live])
        found = [match(each, missed, boxes, self._settings.iou_min) for each in foretold]
        best = max(found, key=lambda each: each.merit)
        pairs = [(self._live[one], detections[other]) for one, other in best.pairs]
        return pairs, [detections[index] for index in best.rest]

    def _match(
        self, tracks: list[Track], foretold: list[Box], detections: list[Detection]
    ) -> tuple[list[tuple[Track, Detection]], list[Detection]]:
        missed = [track.missed - 1 for track in tracks]
        found = match(foretold, missed, [each.box_px for each in detections], self._settings.iou_min)
        pairs = [(tracks[one], detections[other]) for one, other in found.pairs]
        return pairs, [detections[index] for index in found.rest]

    @staticmethod
    def _camera_shift(seen: list[tuple[Track, Detection]], before: Mapping[int, Box]) -> tuple[float, float] | None:
        """The median move of tracks that were seen in the last frame too; None when there is none."""
        moves = [
            np.subtract(_centre(detection.box_px), _centre(before[track.track_id]))
            for track, detection in seen
            if track.missed == 0
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
        track.box_px, track.label_now = detection.box_px, detection.label
        if not verdict.accepted or verdict.report is None:
            return
        track.observations += 1
        track.class_scores[detection.label] = track.class_scores.get(detection.label, 0.0) + detection.score
        # A report about another frame is fair evidence, but a finding tells this frame's own quality.
        if not verdict.exact:
            return
        merit = detection.score * max(verdict.report.sharpness, 0.0)
        if track.best is None or merit > track.best.merit * _BEST_MARGIN:
            track.best = BestView.of(rgb, frame, detection.box_px, verdict.report, merit)

    def _start(self, detection: Detection, frame: Frame, rgb: Pixels, verdict: Verdict) -> None:
        if len(self._live) >= TRACKS_MAX or any(
            track.missed == 0 and covers(track.box_px, detection.box_px) for track in self._live
        ):
            return
        track = self._recall(detection, rgb)
        if track is None:
            track = Track(self._next_id, detection.box_px, detection.label)
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
            if track.best is not None:
                difference = np.abs(track.best.contrast - contrast_to_skin(rgb, detection.box_px))
                if difference.max() > _CONTRAST_TOLERANCE:
                    continue
            del self._remembered[index]
            track.velocity = (0.0, 0.0)
            return track
        return None

    def _drift(self, shift: tuple[float, float] | None) -> None:
        kept = []
        for track, blind in self._remembered:
            if shift is not None:
                track.box_px = _moved(track.box_px, shift)
                kept.append((track, blind))
            elif blind < _BLIND_FRAMES_MAX:
                kept.append((track, blind + 1))
        self._remembered = kept

    def _join(self) -> None:
        """Two tracks on one lesion, one of them no longer seen, become one: the reported, else the better founded."""
        for lost in [track for track in self._live if 0 < track.missed <= _JOIN_WITHIN_FRAMES]:
            for seen in self._live:
                if seen.missed or (seen.told and lost.told) or seen.box_px.iou(lost.box_px) < _JOIN_IOU:
                    continue
                if (lost.told, lost.observations) > (seen.told, seen.observations):
                    lost.box_px, lost.velocity, lost.missed = seen.box_px, seen.velocity, 0
                    lost.label_now = seen.label_now
                    self._live.remove(seen)
                else:
                    self._live.remove(lost)
                break

    def _retire(self, shift: tuple[float, float] | None, steps: int) -> None:
        for track in self._live:
            if track.missed:
                x, y = track.velocity if shift is None else (shift[0] / steps, shift[1] / steps)
                track.velocity = x * _UNSEEN_SLOWDOWN, y * _UNSEEN_SLOWDOWN
        lost = [track for track in self._live if track.missed > self._settings.lost_after_frames]
        if lost:
            self._live = [track for track in self._live if track.missed <= self._settings.lost_after_frames]
            self._remembered.extend((track, 0) for track in lost if track.told)
            del self._remembered[:-TRACKS_MAX]


def _centre(box: Box) -> tuple[float, float]:
    return (box.x_min + box.x_max) / 2, (box.y_min + box.y_max) / 2


def _moved(box: Box, by: tuple[float, float]) -> Box:
    x, y = by
    return Box(box.x_min + x, box.y_min + y, box.x_max + x, box.y_max + y)


def _centre_inside(box: Box, size_px: tuple[int, int]) -> bool:
    x, y = _centre(box)
    return 0 <= x < size_px[0] and 0 <= y < size_px[1]
