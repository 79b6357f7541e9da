"""The seam for cameras, and the table of those that ship."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edge.clock import Clock
from edge.config import Config
from edge.frame import Frame
from edge.loading import open_named

CAMERAS = {
    "replay": "edge.camera.replay:ReplayCamera",
    "v4l2": "edge.camera.v4l2:V4l2Camera",
    "phantom": "edge.camera.phantom:PhantomCamera",
}
"""Name → "module:Class", imported only when chosen; a name with a colon of its own is imported as it is."""

STAGED = "phantom", "replay"
"""Nobody stands before these: what they show is drawn or was taken before."""


class Camera(Protocol):
    """A source of frames. Opened by its constructor; `frames` may be iterated once."""

    def frames(self) -> Iterator[Frame]:
        """Frames as they come, paced by the source; ends when the source has no more.

        Raises CameraError when the camera vanished: the caller closes it and opens another.
        """

    def close(self) -> None:
        """Release the device; wakes a blocked `frames`. May be called twice."""


def is_staged(source: str) -> bool:
    """Whether `camera.source` is one of STAGED; everything else may see whoever stands there."""
    return source.partition(":")[0] in STAGED


def open_camera(config: Config, clock: Clock) -> Camera:
    """The camera that `camera.source` names: "v4l2:/dev/video0", "replay:PATH", "phantom" or "package.module:Class".

    Camera classes are constructed with (argument, config, clock); the argument is what follows a name of the table and
    its colon, and empty for somebody else's class. Raises ConfigError for a source that nobody knows, CameraError for
    a camera that does not open.
    """
    source = config.camera.source
    name, _, argument = source.partition(":")
    known = name in CAMERAS
    camera: Camera = open_named(
        "camera.source", name if known else source, CAMERAS, Camera, argument if known else "", config, clock
    )
    return camera
