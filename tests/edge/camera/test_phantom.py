"""The phantom: what it shows is what its plan says, again and again."""

from __future__ import annotations

from itertools import islice

import cv2
import numpy as np
import pytest

from edge.camera.phantom import PhantomCamera, draw_scene, plan
from edge.clock import SystemClock
from edge.config import Camera, Config, Phantom
from edge.frame import Box, Pixels
from tests.edge.camera.clocks import StillClock

SIZE_PX = 1280, 720
SMALL = Camera(width_px=320, height_px=180, rate_hz=2000)


def camera(settings: Phantom | None = None, small: bool = True) -> PhantomCamera:
    return PhantomCamera("", Config(camera=SMALL if small else Camera(), phantom=settings or Phantom()), SystemClock())


def test_three_hundred_frames_show_six_skin_types_with_two_lesions_each() -> None:
    views = [plan(Phantom(), SIZE_PX).at(sequence) for sequence in range(300)]
    assert [views[50 * person].skin_type for person in range(6)] == [1, 2, 3, 4, 5, 6]
    good: dict[str, int] = {}
    for sequence, view in enumerate(views):
        assert view.person == sequence // 50
        assert [lesion.lesion_id for lesion in view.lesions] == [f"p{view.person}l0", f"p{view.person}l1"]
        for lesion in view.lesions:
            if lesion.visible and not view.blurred and not view.glare:
                good[lesion.lesion_id] = good.get(lesion.lesion_id, 0) + 1
                side = max(lesion.box_px.x_max - lesion.box_px.x_min, lesion.box_px.y_max - lesion.box_px.y_min)
                assert 0.12 <= side / 720 <= 0.6
    assert len(good) == 12
    assert min(good.values()) >= 35
    spoilt = sum(view.blurred or view.glare for view in views)
    assert 0.15 <= spoilt / 300 <= 0.25
    assert any(view.blurred for view in views)
    assert any(view.glare for view in views)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("size_px", [(1280, 720), (640, 480), (480, 640), (600, 600)])
def test_lesions_stay_apart_and_in_sight_for_every_size_and_number(size_px: tuple[int, int], count: int) -> None:
    timetable = plan(Phantom(lesions_per_person=count), size_px)
    for person in range(7):
        steady = [view for view in map(timetable.at, range(50 * person, 50 * person + 50)) if not view.blurred]
        for view in steady:
            assert len(view.lesions) == count
            assert all(lesion.visible for lesion in view.lesions)
            for index, lesion in enumerate(view.lesions):
                assert all(lesion.box_px.iou(other.box_px) == 0 for other in view.lesions[:index])


def test_visible_means_with_the_whole_box() -> None:
    timetable = plan(Phantom(), SIZE_PX)
    lesions = [lesion for sequence in range(600) for lesion in timetable.at(sequence).lesions]
    width, height = SIZE_PX
    for lesion in lesions:
        box = lesion.box_px
        assert lesion.visible == (box.x_min >= 0 and box.y_min >= 0 and box.x_max <= width and box.y_max <= height)


def test_the_same_seed_gives_the_same_pixels_and_plan() -> None:
    first, again, other = (list(islice(camera(Phantom(seed=seed)).frames(), 60)) for seed in (3, 3, 4))
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.planes, two.planes)
    assert not np.array_equal(first[20].planes, other[20].planes)
    plans = [[plan(Phantom(seed=seed), SIZE_PX).at(sequence) for sequence in range(120)] for seed in (3, 3, 4)]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]


def darker(with_lesions: Pixels, without: Pixels) -> Pixels:
    """1 where the picture with lesions is visibly darker than the same skin without them."""
    pair = [cv2.GaussianBlur(each, (0, 0), 2).astype(np.float32).mean(axis=2) for each in (with_lesions, without)]
    return (pair[0] < 0.85 * pair[1]).astype(np.uint8)


@pytest.mark.parametrize("person", range(6))
def test_boxes_fit_what_is_visibly_darker_on_every_skin_type(person: int) -> None:
    planted, bare = camera(small=False), camera(Phantom(lesions_per_person=0), small=False)
    scenes = draw_scene(planted.plan, person), draw_scene(bare.plan, person)
    for sequence in (50 * person + 9, 50 * person + 33, 50 * person + 47):
        mask = darker(planted.draw(scenes[0], sequence), bare.draw(scenes[1], sequence))
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        spots = [row for row in stats[1:] if row[cv2.CC_STAT_AREA] > 1000]
        found = [Box(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h, _ in spots]
        truth = [lesion.box_px for lesion in planted.plan.at(sequence).lesions]
        assert len(found) == len(truth) == 2
        for box in truth:
            assert max(box.iou(each) for each in found) >= 0.85
    planted.close()
    bare.close()


def test_skin_gets_darker_from_type_to_type_and_lesions_are_darker_than_all_of_it() -> None:
    source = camera()
    means = []
    for person in range(6):
        scene = draw_scene(source.plan, person)
        picture = source.draw(scene, 50 * person + 20)
        grey = picture.mean(axis=2)
        inside = np.zeros(grey.shape, dtype=bool)
        for lesion in source.plan.at(50 * person + 20).lesions:
            x_min, y_min, x_max, y_max = (round(edge) for edge in lesion.box_px)
            inside[y_min:y_max, x_min:x_max] = True
        means.append(float(np.median(grey[~inside])))
        red, green, blue = (float(np.median(picture[:, :, channel][~inside])) for channel in range(3))
        assert red > green > blue, "expected the colour of skin"
        assert np.median(grey[inside]) < 0.75 * means[-1]
    source.close()
    assert means == sorted(means, reverse=True)
    assert means[0] > 2.2 * means[-1]


def test_without_lesions_there_is_nothing_to_find_but_faults() -> None:
    timetable = plan(Phantom(lesions_per_person=0), SIZE_PX)
    views = [timetable.at(sequence) for sequence in range(50)]
    assert all(view.lesions == () for view in views)
    assert any(view.glare for view in views)
    assert any(view.blurred for view in views)


def test_a_clock_that_stands_still_does_not_stop_it() -> None:
    source = PhantomCamera("", Config(camera=SMALL), StillClock())
    assert [frame.sequence for frame in islice(source.frames(), 3)] == [0, 1, 2]
    source.close()


def test_frames_of_its_plan_and_of_its_camera_agree_across_persons() -> None:
    source = camera(Phantom(frames_per_person=4))
    frames = list(islice(source.frames(), 10))
    source.close()
    for frame in frames:
        scene = draw_scene(source.plan, source.plan.person(frame.sequence))
        assert np.array_equal(frame.planes, source.draw(scene, frame.sequence))


def test_another_person_may_come_first() -> None:
    late, whole = camera(Phantom(frames_per_person=2, first_person=1)), camera(Phantom(frames_per_person=2))
    frames = list(islice(late.frames(), 3))
    expected = list(islice(whole.frames(), 5))[2:]
    assert [frame.sequence for frame in frames] == [2, 3, 4]
    assert all(np.array_equal(one.rgb(), other.rgb()) for one, other in zip(frames, expected, strict=True))
    late.close()
    whole.close()
