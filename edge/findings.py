"""When a track is worth reporting: exactly one finding a track.

Stable means: seen in enough accepted frames, in at least half of those in which it should have been seen, and with a
mean score of at least its label's threshold. The finding speaks of one frame only, the best accepted one: box, size,
sequence, time and quality are all of that frame, and the finding waits until a frame with its own verdict is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge import events
from edge.best_view import BestView
from edge.bundle import Card
from edge.clock import Clock, uuid7
from edge.config import Track as TrackSettings
from edge.encounter import Encounter
from edge.track import Track
from edge.triage import Triage

PRESENCE_MIN = 0.5


class FindingMaker:
    """thresholds: label → the mean score from which a track is reported."""

    def __init__(
        self, settings: TrackSettings, card: Card, thresholds: Mapping[str, float], triage: Triage, clock: Clock
    ) -> None:
        self._settings = settings
        self._thresholds = thresholds
        self._triage = triage
        self._clock = clock
        self._model = events.Model(name=card.name, version=card.version, card_sha256=card.sha256, status=card.status)

    def step(self, tracks: Sequence[Track], encounter: Encounter, body_site: str) -> list[tuple[Track, events.Finding]]:
        """The findings of tracks that are stable and not told yet; marks them told."""
        made = []
        for track in tracks:
            if track.told or track.best is None or not self._is_stable(track):
                continue
            made.append((track, self._finding(track, track.best, encounter, body_site)))
            track.told = True
        return made

    def _is_stable(self, track: Track) -> bool:
        return (
            track.observations >= self._settings.stable_observations
            and track.observations >= PRESENCE_MIN * track.chances
            and track.score >= self._thresholds.get(track.label, 1.0)
        )

    def _finding(self, track: Track, best: BestView, encounter: Encounter, body_site: str) -> events.Finding:
        now = self._clock.now()
        score = min(track.score, 1.0)
        quality = best.report
        return events.Finding(
            at=now,
            encounter=encounter,
            finding_id=uuid7(now),
            body_site=body_site,
            captured_at=best.captured_at,
            clock_synced=self._clock.synchronised(),
            model=self._model,
            label=track.label,
            score=round(score, 4),
            tier=self._triage.tier(track.label, score),
            rules=self._triage.version,
            box_px=(
                max(0.0, round(best.box_px.x_min, 2)),
                max(0.0, round(best.box_px.y_min, 2)),
                max(0.0, round(best.box_px.x_max, 2)),
                max(0.0, round(best.box_px.y_max, 2)),
            ),
            frame_size_px=best.frame_size_px,
            frame_sequence=best.sequence,
            track_id=track.track_id,
            observations=track.observations,
            quality=events.Quality(
                sharpness=round(quality.sharpness, 2),
                motion_px=round(quality.motion_px, 2),
                mean_luma=round(quality.mean_luma, 2),
                clipped_fraction=round(min(max(quality.clipped_fraction, 0.0), 1.0), 5),
            ),
        )
