"""The judge on the phantom, whose faults are on a timetable, and on pictures made for one fault each."""

from __future__ import annotations

import csv
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.camera.phantom import PhantomCamera, draw_scene
from edge.clock import SystemClock
from edge.config import Camera, Config, Phantom, Quality
from edge.errors import DermedgeError
from edge.frame import Frame, Pixels
from edge.pictures import read_picture
from edge.quality import Hint, QualityJudge, QualityReport, QualityThread, SmallCopy
from tests.edge.camera.clocks import NOON

JUDGE = QualityJudge(Quality())


@pytest.fixture(scope="module")
def phantom() -> PhantomCamera:
    return PhantomCamera("", Config(camera=Camera(rate_hz=1000)), SystemClock())


@pytest.fixture(scope="module")
def good(phantom: PhantomCamera) -> Pixels:
    """A frame of skin type 3 without a fault."""
    return phantom.draw(draw_scene(phantom.plan, 2), 120)


@pytest.mark.parametrize("lesions", [0, 2])
@pytest.mark.parametrize("person", range(6))
def test_the_phantoms_faults_are_told_and_its_good_frames_accepted(person: int, lesions: int) -> None:
    config = Config(camera=Camera(rate_hz=1000), phantom=Phantom(lesions_per_person=lesions))
    camera = PhantomCamera("", config, SystemClock())
    scene = draw_scene(camera.plan, person)
    previous: SmallCopy | None = None
    for sequence in range(50 * person, 50 * person + 50):
        view = camera.plan.at(sequence)
        small = JUDGE.small(camera.draw(scene, sequence))
        moving, still = JUDGE.judge_small(small, previous), JUDGE.judge_small(small)
        previous = small
        if view.blurred:
            assert still.hint == "too_blurry"
            assert moving.hint in {"hold_still", "too_blurry"}
        elif view.glare:
            assert still.hint == moving.hint == "glare"
        else:
            assert still.accepted, (sequence, still)
            assert moving.accepted, (sequence, moving)
    camera.close()


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        (lambda rgb: (rgb * 0.1).astype(np.uint8), "too_dark"),
        (lambda rgb: np.clip(rgb.astype(int) + 110, 0, 255).astype(np.uint8), "too_bright"),
        (lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 9), "too_blurry"),
        (lambda rgb: cv2.blur(rgb, (1, 45)), "too_blurry"),
        (lambda rgb: cv2.circle(rgb.copy(), (500, 300), 70, (255, 255, 255), -1), "glare"),
        (lambda rgb: np.full_like(rgb, 128), "too_blurry"),
        (lambda rgb: np.full_like(rgb, 255), "too_bright"),
        (np.zeros_like, "too_dark"),
        (lambda rgb: cv2.flip(rgb, 1), None),
    ],
)
def test_one_fault_gets_its_hint(good: Pixels, fault: object, hint: Hint | None) -> None:
    assert callable(fault)
    report = JUDGE.judge(fault(good))
    assert report.hint == hint, report
    assert report.accepted == (hint is None)


def test_a_small_bright_spot_with_colour_is_no_glare(good: Pixels) -> None:
    yellow = cv2.circle(good.copy(), (500, 300), 70, (255, 230, 120), -1)
    assert JUDGE.judge(yellow).accepted


def test_a_measured_movement_is_its_length_in_pixels_of_the_copy(good: Pixels) -> None:
    moved = np.roll(good, (16, 48), axis=(0, 1))
    report = JUDGE.judge(moved, JUDGE.small(good))
    assert report.motion_px == pytest.approx(np.hypot(4, 12), abs=1.0)
    assert report.hint == "hold_still"
    assert JUDGE.judge(good, JUDGE.small(good)).motion_px == pytest.approx(0, abs=0.1)


def test_a_previous_copy_of_another_size_is_not_compared(good: Pixels) -> None:
    assert JUDGE.judge(good, JUDGE.small(np.zeros((10, 10, 3), dtype=np.uint8))).motion_px == 0


def test_a_picture_with_nothing_in_common_tells_no_movement(good: Pixels) -> None:
    other = np.random.default_rng(1).integers(90, 160, good.shape).astype(np.uint8)
    assert JUDGE.judge(good, JUDGE.small(other)).motion_px == 0


def test_the_copy_of_yuv420_looks_like_the_copy_of_rgb(good: Pixels) -> None:
    planes = np.asarray(cv2.cvtColor(good, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
    frame = Frame(planes, "YUV420", 0, NOON, 0)
    from_planes, from_rgb = JUDGE.small_frame(frame), JUDGE.small(frame.rgb())
    assert from_planes.rgb.shape == from_rgb.rgb.shape == (180, 320, 3)
    assert np.abs(from_planes.rgb.astype(int) - from_rgb.rgb).mean() < 2
    assert JUDGE.judge_small(from_planes).accepted
    shiny = cv2.circle(good.copy(), (500, 300), 70, (255, 255, 255), -1)
    planes = np.asarray(cv2.cvtColor(shiny, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
    assert JUDGE.judge_small(JUDGE.small_frame(Frame(planes, "YUV420", 0, NOON, 0))).hint == "glare"


def test_the_judge_is_quick(good: Pixels) -> None:
    small = JUDGE.small(good)
    spent_ms = []
    for _ in range(30):
        start = time.perf_counter()
        JUDGE.judge(small.rgb, small)
        spent_ms.append((time.perf_counter() - start) * 1e3)
    assert min(spent_ms) < 3, "expected about 1 ms; the margin is for a machine that is busy"


def test_the_thread_judges_what_it_is_offered_and_ends() -> None:
    thread = QualityThread(JUDGE, 200)
    assert thread.newest() is None
    frames = list(islice(PhantomCamera("", Config(camera=Camera(rate_hz=1000)), SystemClock()).frames(), 6))
    for frame in frames:
        thread.offer(frame)
    deadline = time.monotonic() + 5
    while (newest := thread.newest()) is None or newest[1] != frames[-1].monotonic_ns:
        assert time.monotonic() < deadline, "expected a verdict on the last frame"
        time.sleep(0.002)
    assert isinstance(newest[0], QualityReport)
    thread.stop()
    thread.stop()
    assert thread.newest() == newest


def judged(thread: QualityThread, rgb: Pixels, at_ms: int) -> QualityReport:
    """Offer a picture taken at this moment, and wait for its verdict."""
    thread.offer(Frame(rgb, "RGB888", at_ms, NOON, at_ms * 1_000_000))
    deadline = time.monotonic() + 5
    while (newest := thread.newest(at_ms * 1_000_000)) is None or newest[1] != at_ms * 1_000_000:
        assert time.monotonic() < deadline, "expected a verdict on this frame"
    return newest[0]


@pytest.mark.parametrize(("max_age_ms", "hint"), [(600, "hold_still"), (200, None)])
def test_a_slow_camera_is_told_to_hold_still_too(good: Pixels, max_age_ms: int, hint: Hint | None) -> None:
    """Frames every 210 ms, as at 5 Hz with a late one; the second case shows that it is the age that does it."""
    thread = QualityThread(JUDGE, max_age_ms)
    judged(thread, good, 0)
    assert judged(thread, np.roll(good, (16, 48), axis=(0, 1)), 210).hint == hint
    thread.stop()


def test_a_reader_waits_for_the_verdict_on_its_own_frame_but_not_for_long(good: Pixels) -> None:
    class Slow(QualityJudge):
        """A double that takes as long as it is told."""

        pause_s = 0.005

        def small_frame(self, frame: Frame) -> SmallCopy:
            time.sleep(self.pause_s)
            return super().small_frame(frame)

    judge = Slow(Quality())
    thread = QualityThread(judge, 200)
    judged(thread, good, 0)  # the first one also starts the library
    exact = 0
    for at_ns in range(1, 21):
        thread.offer(Frame(good, "RGB888", at_ns, NOON, at_ns))
        newest = thread.newest(at_ns)
        exact += newest is not None and newest[1] == at_ns
    assert exact >= 10, "without waiting it would be none"
    judge.pause_s = 0.5
    thread.offer(Frame(good, "RGB888", 99, NOON, 99))
    begun = time.monotonic()
    newest = thread.newest(99)
    assert time.monotonic() - begun < 0.4
    assert newest is not None
    assert newest[1] < 99
    thread.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_does_not_pass_off_old_verdicts_as_new() -> None:
    class Broken(QualityJudge):
        """A double that fails, to see what its thread does."""

        def small_frame(self, frame: Frame) -> SmallCopy:
            raise RuntimeError("broken on purpose")

    thread = QualityThread(Broken(Quality()), 200)
    thread.offer(Frame(np.zeros((40, 40, 3), dtype=np.uint8), "RGB888", 0, NOON, 0))
    thread._thread.join(5)
    with pytest.raises(DermedgeError, match="quality thread"):
        thread.newest()


def test_most_real_pictures_are_accepted_and_blurred_ones_are_not(data_folder: Path) -> None:
    """On validation pictures only; the limits were chosen on these and on the phantom, never on test pictures."""
    with (data_folder / "boxes.csv").open(encoding="utf-8") as file:
        names = sorted({row["file"] for row in csv.DictReader(file) if row["split"] == "val"})[::5]
    whole: Counter[bool] = Counter()
    blurred: Counter[bool] = Counter()
    for name in names:
        small = JUDGE.small(read_picture(data_folder / "images" / name).rgb).rgb
        whole[JUDGE.judge(small).accepted] += 1
        blurred[JUDGE.judge(cv2.GaussianBlur(small, (0, 0), 2.5)).accepted] += 1
    assert whole[True] >= 0.85 * len(names), whole
    assert blurred[True] <= 0.05 * len(names), blurred
