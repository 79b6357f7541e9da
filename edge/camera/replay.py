"""A camera that plays a picture, a folder of pictures or a video, and then ends."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.camera.opencv_log import quiet
from edge.camera.pace import Pace
from edge.clock import Clock
from edge.config import Config
from edge.errors import ConfigError, PictureError
from edge.frame import Frame, Pixels
from edge.pictures import PICTURE_SUFFIXES, pictures_in, read_picture

logger = logging.getLogger(__name__)

# FFmpeg writes its own words about a file to stderr; ours are in the error. Read by OpenCV at its first video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class ReplayCamera:
    """`replay:PATH`, paced by config.camera.rate_hz; frames keep the size that they have in the file.

    Raises ConfigError for a path that does not exist, PictureError for a file that is neither a picture nor a video,
    for a damaged picture, and for a folder without pictures. A video that ends early is told in the log.
    """

    def __init__(self, argument: str, config: Config, clock: Clock) -> None:
        path = Path(argument)
        if not argument or not path.exists():
            raise ConfigError(
                f"expected camera.source replay:PATH with a picture, a folder of pictures or a video, got "
                f"{argument or 'no path'!r}, which does not exist: check the path"
            )
        self._path = path
        self._clock = clock
        self._pace = Pace(config.camera.rate_hz, clock)
        # Held while the decoder is in use: it must not be released under its own feet.
        self._decoding = threading.Lock()
        self._video: cv2.VideoCapture | None = None
        self._pictures: list[Path] = []
        self._first: Pixels | None = None
        self._closed = False
        if path.is_dir():
            self._pictures = pictures_in(path)
        elif path.suffix.lower() in PICTURE_SUFFIXES:
            self._pictures, self._first = [path], read_picture(path).rgb
        else:
            self._video = _open_video(path)

    def frames(self) -> Iterator[Frame]:
        """One frame a picture, sorted by name; an unreadable one in a folder is skipped with one line in the log.

        Raises PictureError where no picture of a folder can be read.
        """
        pictures = self._from_pictures() if self._video is None else self._from_video(self._video)
        for sequence, rgb in enumerate(pictures):
            if not self._pace.wait():
                return
            yield Frame(rgb, "RGB888", sequence, self._clock.now(), self._clock.monotonic_ns())

    def close(self) -> None:
        self._pace.stop()
        with self._decoding:
            self._closed = True
            if self._video is not None:
                self._video.release()

    def _from_pictures(self) -> Iterator[Pixels]:
        if self._first is not None:
            yield self._first
            return
        readable = 0
        for path in self._pictures:
            try:
                rgb = read_picture(path).rgb
            except PictureError as error:
                logger.warning("skipped: %s", error)
                continue
            readable += 1
            yield rgb
        if readable == 0:
            raise PictureError(
                f"expected a readable picture in {self._path}, got {len(self._pictures)} that are not: see the log"
            )

    def _from_video(self, video: cv2.VideoCapture) -> Iterator[Pixels]:
        announced, played = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0
        while True:
            with self._decoding:
                if self._closed:
                    return
                taken, bgr = video.read()
            if not taken:
                # A damaged place reads like the end.
                if played < announced:
                    logger.warning("%s ended after %d of %d frames: it may be damaged", self._path, played, announced)
                return
            played += 1
            yield np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _open_video(path: Path) -> cv2.VideoCapture:
    with quiet():
        video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not video.isOpened():
        raise PictureError(
            f"expected a picture ({', '.join(PICTURE_SUFFIXES)}), a folder of pictures or a video, got {path}, which "
            "cannot be opened as a video: convert it to MP4 (H.264)"
        )
    return video
