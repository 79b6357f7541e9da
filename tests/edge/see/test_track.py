"""One lesion is one track: through pans, dropouts, crossings and bad frames."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.config import Track as TrackSettings
from edge.frame import Box
from edge.quality import QualityReport
from edge.track import Track, Tracker
from edge.verdict import NO_VERDICT, Verdict, verdict_on
from tests.edge.see.scenes import BAD, GOOD, LABEL, REPORT, THRESHOLDS, box, frame, seen


def make(**changes: int) -> Tracker:
    return Tracker(TrackSettings(**changes), THRESHOLDS)


def look(tracker: Tracker, sequence: int, *boxes: Box, score: float = 0.8, verdict: Verdict = GOOD) -> list[Track]:
    taken = frame(sequence, *boxes)
    return tracker.update([seen(each, score) for each in boxes], taken, taken.planes, verdict)


def test_one_lesion_under_a_moving_camera_with_dropouts_is_one_track_over_100_frames() -> None:
    tracker, rng, ids = make(), np.random.default_rng(5), set()
    for sequence in range(100):
        x = 320 + 180 * math.sin(sequence / 12)  # up to 15 px a frame, a quarter of the lesion's side
        y = 180 + 60 * math.sin(sequence / 9)
        where = box(x + rng.normal(0, 2), y + rng.normal(0, 2), 60 + rng.normal(0, 2))
        gone = sequence % 20 in {7, 8, 9} or rng.random() < 0.1
        tracks = look(tracker, sequence, *([] if gone else [where]))
        ids |= {track.track_id for track in tracks}
    assert ids == {1}
    assert tracks[0].observations > 70


def test_a_fast_pan_is_followed_by_the_cameras_own_motion() -> None:
    tracker = make()
    for sequence in range(5):
        look(tracker, sequence, box(120, 100), box(120, 260))
    # One lesion is missed while the camera moves by more than a side; the other one tells how far it went.
    for sequence in range(5, 11):
        look(tracker, sequence, box(120 + 30 * (sequence - 4), 100))
    tracks = look(tracker, 11, box(330, 100), box(330, 260))
    assert {track.track_id for track in tracks} == {1, 2}


def test_skipped_frames_are_bridged_by_their_sequence_numbers() -> None:
    tracker = make()
    for sequence in (0, 1, 2, 3, 4, 8, 12):
        tracks = look(tracker, sequence, box(100 + 12 * sequence, 180))
    assert [track.track_id for track in tracks] == [1]


def test_two_lesions_that_cross_keep_their_tracks() -> None:
    tracker = make()
    for sequence in range(40):
        tracks = look(tracker, sequence, box(100 + 10 * sequence, 150), box(490 - 10 * sequence, 195))
    ends = {track.track_id: track.box_px.x_min for track in tracks}
    assert set(ends) == {1, 2}
    assert ends[1] == pytest.approx(460, abs=1)
    assert ends[2] == pytest.approx(70, abs=1)


def test_neighbours_stay_two_tracks() -> None:
    tracker = make()
    for sequence in range(30):
        tracks = look(tracker, sequence, box(280, 180), box(345, 180))
    assert {track.track_id for track in tracks} == {1, 2}


def test_rejected_frames_give_no_evidence() -> None:
    tracker = make()
    for sequence in range(30):
        tracks = look(tracker, sequence, box(300, 180), verdict=BAD)
    assert tracks[0].observations == 0
    assert tracks[0].class_scores == {}
    assert tracks[0].best is None
    tracks = look(tracker, 30, box(300, 180))
    assert tracks[0].observations == 1
    assert tracks[0].best is not None
    assert tracks[0].best.sequence == 30


def test_a_verdict_too_old_or_missing_rejects_the_frame() -> None:
    taken = frame(10)
    fresh, old = taken.monotonic_ns - 200_000_000, taken.monotonic_ns - 201_000_000
    assert verdict_on(taken, (REPORT, fresh), 200).accepted
    assert not verdict_on(taken, (REPORT, fresh), 200).exact
    assert verdict_on(taken, (REPORT, taken.monotonic_ns), 200).exact
    assert verdict_on(taken, (REPORT, old), 200).hint == NO_VERDICT
    assert not verdict_on(taken, None, 200).accepted


def test_a_weak_box_carries_a_track_on_and_never_starts_one() -> None:
    tracker = make()
    assert look(tracker, 0, box(300, 180), score=0.3) == []
    look(tracker, 1, box(300, 180))
    for sequence in range(2, 40):
        tracks = look(tracker, sequence, box(300, 180), score=0.3)
    assert [track.track_id for track in tracks] == [1]
    assert tracks[0].missed == 0
    assert tracks[0].score < THRESHOLDS[LABEL]  # weak boxes are evidence too, and weigh what they are


def test_a_lost_track_ends_after_its_frames() -> None:
    tracker = make(lost_after_frames=5)
    look(tracker, 0, box(300, 180))
    for sequence in range(1, 6):
        assert len(look(tracker, sequence)) == 1
    assert look(tracker, 6) == []


def test_a_second_box_on_the_same_lesion_is_no_second_track() -> None:
    tracker = make()
    for sequence in range(20):
        tracks = look(tracker, sequence, box(300, 180, 100), box(310, 185, 60))
    assert len(tracks) == 1


def test_a_weak_box_on_a_lesion_that_has_its_strong_one_feeds_no_other_track() -> None:
    tracker = make(lost_after_frames=5)
    look(tracker, 0, box(300, 180, 100))
    look(tracker, 1, box(300, 180, 100), box(340, 220, 80))  # for once the engine sees it twice
    for sequence in range(2, 30):
        taken = frame(sequence)
        twice = [seen(box(300, 180, 100)), seen(box(315, 195, 90), 0.3)]
        tracks = tracker.update(twice, taken, taken.planes, GOOD)
    assert [track.track_id for track in tracks] == [1]


def test_two_tracks_on_one_lesion_become_the_reported_one() -> None:
    tracker = make()
    for sequence in range(10):
        tracks = look(tracker, sequence, box(300, 180, 100))
    tracks[0].told = True
    # The box grows at once to where it no longer looks like the same lesion, and shrinks to what both could be.
    look(tracker, 10, box(300, 180, 250))
    tracks = look(tracker, 11, box(300, 180, 130))
    assert [track.told for track in tracks if track.missed == 0] == [True]


def test_label_is_by_summed_scores() -> None:
    tracker = make()
    for sequence, (label, score) in enumerate(
        [("acne_rosacea", 0.6), (LABEL, 0.9), ("acne_rosacea", 0.6), (LABEL, 0.9)]
    ):
        taken = frame(sequence)
        track = tracker.update([seen(box(300, 180), score, label)], taken, taken.planes, GOOD)[0]
    assert track.label == LABEL
    assert track.score == pytest.approx(1.8 / 4)


def test_the_best_view_is_the_sharpest() -> None:
    tracker = make()
    sharp = Verdict(True, None, QualityReport(True, None, 0.9, 0.0, 120.0, 0.0), True)
    for sequence in range(10):
        tracks = look(tracker, sequence, box(300 + sequence, 180, 120), verdict=sharp if sequence == 4 else GOOD)
    best = tracks[0].best
    assert best is not None
    assert best.sequence == 4
    assert best.box_px == box(304, 180, 120)
    assert best.report is sharp.report


@pytest.mark.parametrize(("told", "expected"), [(True, {1, 2}), (False, {2, 3})])
def test_a_reported_lesion_that_comes_back_where_the_camera_says_is_the_same(told: bool, expected: set[int]) -> None:
    """The camera pans until one lesion is out of the picture and back; the other one tells how far. Only what was
    reported is remembered: the second case shows that it is the memory that does it.
    """
    tracker = make(lost_after_frames=3)
    for sequence in range(10):
        tracks = look(tracker, sequence, box(100, 100), box(300, 260))
    for track in tracks:
        track.told = told
    pan = [*(-8 * step for step in range(1, 21)), *(-160 + 8 * step for step in range(1, 21))]
    for index, shift in enumerate(pan):
        lesions = [box(100 + shift, 100), box(300 + shift, 260)]
        tracks = look(tracker, 10 + index, *(each for each in lesions if each.x_min >= 0))
    assert {track.track_id for track in tracks if track.missed == 0} == expected


def test_a_lesion_at_another_place_is_another_lesion() -> None:
    tracker = make(lost_after_frames=3)
    for sequence in range(10):
        tracks = look(tracker, sequence, box(100, 100), box(300, 260))
    for track in tracks:
        track.told = True
    for sequence in range(10, 20):
        look(tracker, sequence, box(300, 260))
    tracks = look(tracker, 20, box(520, 100), box(300, 260))
    assert {track.track_id for track in tracks if track.missed == 0} == {2, 3}


def test_another_person_starts_with_nothing() -> None:
    tracker = make()
    look(tracker, 0, box(300, 180))
    tracker.reset()
    assert {track.track_id for track in look(tracker, 1, box(300, 180))} == {2}
