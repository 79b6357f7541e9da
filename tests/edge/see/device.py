"""A provisioned device on the phantom, and doubles of what somebody else may plug into it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from edge import config, events, identity
from edge.clock import SystemClock
from edge.errors import CameraError
from edge.frame import Frame
from edge.operators import SingleOperator
from edge.session import SessionChange
from edge.wire import decode
from tests.edge.see.blobs import write_bundle
from tests.edge.tell.tiny_hub import TinyHub
from tests.golden.keys import DEVICE, SITE, Keys

PERSON_FRAMES = 30


class Device:
    """A provisioned device on the phantom."""

    def __init__(self, folder: Path, keys: Keys, port: int) -> None:
        hub_keys = folder / "hub-keys.json"
        hub_keys.write_bytes(msgspec.json.encode(keys.hub_keys))
        identity.create(folder / "device", SITE, DEVICE, hub_keys)
        self.settings = [
            "camera.source=phantom",
            "camera.width_px=480",
            "camera.height_px=270",
            "camera.rate_hz=8",  # so that a busy machine keeps up
            f"phantom.frames_per_person={PERSON_FRAMES}",
            "operator.script=phantom",
            "inference.backend=tests.edge.see.blobs:BlobBackend",
            f"inference.bundle={write_bundle(folder / 'bundle')}",
            f"identity.directory={folder / 'device'}",
            f"broker.port={port}",
        ]

    def config(self, *more: str) -> config.Config:
        return config.load(None, None, [*self.settings, *more], {})[0]

    def command(self, *more: str) -> list[str]:
        settings = [part for each in self.settings for part in ("--set", each)]
        return [sys.executable, "dermedge.py", "run", *settings, *more]


def bodies(hub: TinyHub) -> list[events.EventBody]:
    return [decode(hub.bodies[each], events.EventBody) for each in hub.order]


FALTERING = "camera.source=tests.edge.see.device:FalteringCamera"


class FalteringCamera:
    """A double: each one gives five frames and then stalls until it is closed; the third one is not there at all."""

    opened = 0

    def __init__(self, argument: str, settings: config.Config, clock: SystemClock) -> None:
        del argument
        type(self).opened += 1
        if type(self).opened > 1:
            time.sleep(0.25)  # as a driver takes its time to open
        if type(self).opened == 3:
            raise CameraError("expected a camera, got none")
        self._size, self._clock = (settings.camera.height_px, settings.camera.width_px), clock
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        for sequence in range(5):
            planes = np.full((*self._size, 3), 128, dtype=np.uint8)
            yield Frame(planes, "RGB888", sequence, self._clock.now(), self._clock.monotonic_ns())
            time.sleep(0.02)
        self._closed.wait(20)

    def close(self) -> None:
        self._closed.set()


class WrongOperator:
    """An operator as somebody else might write it: what it says of the body is no name that the wire knows."""

    def __init__(self, settings: config.Config) -> None:
        self._single = SingleOperator(settings)

    def step(self, taken: Frame) -> list[SessionChange]:
        return [replace(change, body_site="Left Arm") for change in self._single.step(taken)]
