"""Pictures, folders and videos played as a camera; all of them made here."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.camera.replay import ReplayCamera
from edge.clock import SystemClock
from edge.config import Camera, Config
from edge.errors import ConfigError, PictureError
from edge.frame import Frame, Pixels
from edge.pictures import encode_jpeg
from tests.edge.camera.clocks import NOON

FAST = Config(camera=Camera(rate_hz=1000))


def play(path: Path | str, config: Config = FAST) -> list[Frame]:
    camera = ReplayCamera(str(path), config, SystemClock())
    frames = list(camera.frames())
    camera.close()
    return frames


def red_square() -> Pixels:
    """Grey with a red square in the upper left quarter."""
    picture = np.full((96, 128, 3), 120, dtype=np.uint8)
    picture[16:48, 16:64] = (200, 20, 20)
    return picture


def assert_red_square(rgb: Pixels) -> None:
    assert np.abs(rgb[32, 40].astype(int) - (200, 20, 20)).max() <= 12
    assert np.abs(rgb[80, 100].astype(int) - 120).max() <= 12


def test_a_red_square_stays_red_through_a_picture(tmp_path: Path) -> None:
    (tmp_path / "square.jpg").write_bytes(encode_jpeg(red_square(), 95))
    (frame,) = play(tmp_path / "square.jpg")
    assert_red_square(frame.rgb())


def test_a_red_square_stays_red_through_a_video(tmp_path: Path) -> None:
    frames = play(film(tmp_path / "square.avi", 5))
    assert [frame.sequence for frame in frames] == [0, 1, 2, 3, 4]
    for frame in frames:
        assert_red_square(frame.rgb())


def film(path: Path, frames: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15, (128, 96))
    assert writer.isOpened()
    for _ in range(frames):
        writer.write(cv2.cvtColor(red_square(), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def test_a_video_that_ends_early_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = film(tmp_path / "film.avi", 20)
    assert len(play(path)) == 20
    assert caplog.text == "", "a whole one is not spoken of"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    frames = play(path)
    assert 0 < len(frames) < 20
    assert f"ended after {len(frames)} of 20 frames" in caplog.text


def test_a_video_that_we_close_is_no_damaged_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    camera = ReplayCamera(str(film(tmp_path / "film.avi", 20)), FAST, SystemClock())
    frames = camera.frames()
    next(frames)
    camera.close()
    assert list(frames) == []
    assert caplog.text == ""


def test_a_red_square_stays_red_through_yuv420() -> None:
    planes = np.asarray(cv2.cvtColor(red_square(), cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
    frame = Frame(planes, "YUV420", 0, NOON, 0)
    assert frame.size_px == (128, 96)
    assert_red_square(frame.rgb())


def test_a_folder_is_played_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name, value in (("b.png", 120), ("a.jpg", 40), ("c.bmp", 200)):
        cv2.imwrite(str(tmp_path / name), np.full((40, 40, 3), value, dtype=np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture", encoding="utf-8")
    assert [int(frame.rgb()[0, 0, 0]) for frame in play(tmp_path)] == [40, 120, 200]


def test_an_unreadable_picture_is_skipped_with_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = encode_jpeg(red_square(), 90)
    (tmp_path / "1.jpg").write_bytes(whole)
    (tmp_path / "2.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "3.jpg").write_bytes(whole)
    with caplog.at_level(logging.WARNING):
        frames = play(tmp_path)
    assert [frame.sequence for frame in frames] == [0, 1]
    assert len(caplog.records) == 1
    assert "2.jpg" in caplog.text
    assert "truncated" in caplog.text


def test_a_folder_of_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"")
    with pytest.raises(PictureError, match="got 1 that are not"):
        play(tmp_path)


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="got none"):
        play(tmp_path)


@pytest.mark.parametrize("argument", ["", "/no/such/folder"])
def test_a_missing_path_is_an_error_of_the_configuration(argument: str) -> None:
    with pytest.raises(ConfigError, match=r"replay:PATH.*does not exist"):
        play(argument)


def test_what_is_neither_picture_nor_video_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "film.mp4").write_bytes(b"not a film")
    with pytest.raises(PictureError, match="cannot be opened as a video"):
        play(tmp_path / "film.mp4")
    assert capfd.readouterr().err == ""


def test_a_damaged_single_picture_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "half.jpg").write_bytes(encode_jpeg(red_square(), 90)[:400])
    with pytest.raises(PictureError, match="truncated"):
        ReplayCamera(str(tmp_path / "half.jpg"), FAST, SystemClock())


def test_frames_are_paced(tmp_path: Path) -> None:
    for index in range(5):
        cv2.imwrite(str(tmp_path / f"{index}.png"), red_square())
    start = time.monotonic()
    frames = play(tmp_path, Config(camera=Camera(rate_hz=20)))
    assert time.monotonic() - start >= 0.19
    times_ns = [frame.monotonic_ns for frame in frames]
    assert (times_ns[-1] - times_ns[0]) / 4e6 > 40  # a busy machine delays single frames, never the mean's lower bound
