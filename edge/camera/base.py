"""The seam for cameras, and the table of those that ship."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.frame import Frame

CAMERAS = {
    "replay": "edge.camera.replay:ReplayCamera",
    "v4l2": "edge.camera.v4l2:V4l2Camera",
    "phantom": "edge.camera.phantom:PhantomCamera",
}
"""Name → "module:Class", imported only when chosen; a name with a colon of its own is imported as it is."""


class Camera(Protocol):
    """A source of frames. Opened by its constructor; `frames` may be iterated once."""

    def frames(self) -> Iterator[Frame]:
        """Frames as they come, paced by the source; ends when the source has no more.

        Raises CameraError when the camera vanished: the caller closes it and opens another.
        """

    def close(self) -> None:
        """Release the device; wakes a blocked `frames`. May be called twice."""
