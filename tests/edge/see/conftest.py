"""The device whole, and a hub in miniature that knows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import identity
from edge.config import Broker
from edge.publish.mqtt import MqttPublisher
from tests.broker import Mosquitto
from tests.edge.see.device import Device
from tests.edge.tell.tiny_hub import TinyHub
from tests.golden.keys import Keys, read_keys


@pytest.fixture(scope="module")
def keys() -> Keys:
    return read_keys()


@pytest.fixture
def device(tmp_path: Path, keys: Keys, mosquitto: Mosquitto) -> Device:
    return Device(tmp_path, keys, mosquitto.port)


@pytest.fixture
def hub(tmp_path: Path, device: Device, keys: Keys, mosquitto: Mosquitto) -> Iterator[TinyHub]:
    """It knows the device by the key that was made for it."""
    who = identity.load(tmp_path / "device")
    known = Keys(keys.hub, keys.hub_seal, keys.hub_sign, keys.escrow_seal, who.sealing_key, who.signing_key)
    made = TinyHub(MqttPublisher(Broker(port=mosquitto.port)), known)
    made.start()
    yield made
    made.stop()
