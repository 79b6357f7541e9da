"""Whether this device could work now: model, broker, hub, outbox. Each answer is one line that says what to do.

It changes nothing, and works beside a running device: no outbox is made or written, no event is sent, and its client id
is not the device's own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge import bundle, identity, wire
from edge.clock import Clock
from edge.config import Config
from edge.detect import Detector
from edge.errors import BrokerError, ConfigError, DermedgeError, StoreError
from edge.identity import Identity
from edge.outbox_database import check_quota, read_status
from edge.provisioned import outbox_path
from edge.publish.base import open_publisher

RETAINED_WITHIN_S = 1.0
"""A broker sends what it kept right after the subscription."""


@dataclass(frozen=True, slots=True)
class Check:
    """One answer; exit_code is 0 where all is well."""

    name: str
    exit_code: int
    told: str


def examine(config: Config, clock: Clock, answer_within_s: float) -> Iterator[Check]:
    """Check after check, in the order of the flow. No failure of a part is raised: it is the answer."""
    yield _check("model", lambda: model(config))
    probe = BrokerProbe(config, answer_within_s)
    yield _check("broker", probe.broker)
    yield _check("hub", probe.hub)
    yield _check("outbox", lambda: outbox(config, clock))


def _check(name: str, ask: Callable[[], str]) -> Check:
    try:
        return Check(name, 0, ask())
    except DermedgeError as error:
        return Check(name, error.exit_code, str(error))


def model(config: Config) -> str:
    """Load the bundle and run it once on a grey picture. Raises BundleError, ConfigError."""
    folder = Path(config.inference.bundle) if config.inference.bundle else None
    detector = Detector(bundle.load(folder), config.inference, config.detect)
    card = detector.bundle.card
    _, height, width, _ = card.picture_input.shape
    detector.detect(np.full((height, width, 3), card.picture_input.pad_value, dtype=np.uint8))
    return (
        f"{card.name} {card.version} runs on {detector.backend.engine}, threads {config.inference.threads}; "
        f"first picture {detector.latency.total_ms:.0f} ms; status {card.status}, gate {card.gate_kind}"
    )


def outbox(config: Config, clock: Clock) -> str:
    """Read the outbox that is there. Raises ConfigError, StoreError."""
    owner, path = _owner(config), outbox_path(config)
    check_quota(config.outbox.max_bytes)
    if not path.is_file():
        return f"none yet at {path}; the first `dermedge run` of device {owner.device} makes it"
    status = read_status(path, owner.device, clock.now())
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise StoreError(f"expected an outbox that can be written at {path}: give the file and its folder to this user")
    return (
        f"{path} of device {owner.device}: backlog {status.backlog}, oldest {status.oldest_s:.0f} s, "
        f"{status.used_bytes} of {config.outbox.max_bytes} bytes"
    )


class BrokerProbe:
    """What one short connection to the broker heard: whether it answers, and what it keeps of the hub."""

    def __init__(self, config: Config, answer_within_s: float) -> None:
        self._config = config
        self._failure: DermedgeError | None = None
        self._presence = b""
        try:
            self._listen(answer_within_s)
        except DermedgeError as error:
            self._failure = error

    def broker(self) -> str:
        """Raises BrokerError, ConfigError."""
        if self._failure is not None:
            raise self._failure
        return f"answers at {self._address}"

    def hub(self) -> str:
        """Raises BrokerError where no hub is present, ConfigError where it is another one, WireError."""
        if self._failure is not None:
            raise BrokerError("not asked, because the broker is out of reach: see the line above")
        if not self._presence:
            raise BrokerError(
                f"expected a hub that takes events through {self._address}, got none: start `dermedge hub ingest` "
                "there; until then events wait in the outbox"
            )
        presence: wire.HubPresence = wire.decode(self._presence, wire.HubPresence)
        if self._config.identity.directory:
            expected = _owner(self._config).hub.hub
            if presence.hub != expected:
                raise ConfigError(
                    f"expected hub {expected}, for which this device was provisioned, got {presence.hub}: set "
                    "broker.host and broker.port to that hub's broker, or provision the device for this one"
                )
        return f"{presence.hub} takes events since {presence.ts.isoformat(timespec='seconds')}"

    @property
    def _address(self) -> str:
        return f"{self._config.broker.host}:{self._config.broker.port}"

    def _listen(self, answer_within_s: float) -> None:
        publisher = open_publisher(self._config.delivery.publisher, self._config.broker)
        connected, present = threading.Event(), threading.Event()

        def on_message(_topic: str, payload: bytes, _retained: bool) -> None:
            self._presence = payload
            present.set()

        publisher.start(f"doctor-{threading.get_native_id()}", [(wire.HUB_TOPIC, 1)], connected.set, on_message)
        try:
            if not connected.wait(answer_within_s):
                raise BrokerError(
                    f"{publisher.problem}; start a broker there, or set broker.host and broker.port (--broker H:P)"
                )
            present.wait(RETAINED_WITHIN_S)
        finally:
            publisher.stop()


def _owner(config: Config) -> Identity:
    """Raises ConfigError where the device is not provisioned or its keys are damaged."""
    if not config.identity.directory:
        raise ConfigError(
            "not provisioned: this device shows what it detects, keeps and sends nothing; `dermedge provision` makes "
            "its keys, and identity.directory (--identity DIR) names them"
        )
    return identity.load(Path(config.identity.directory))
