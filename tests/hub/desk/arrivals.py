"""Events put into a hub's database as `hub ingest` does, without a broker: opened, then stored in one transaction."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.clock import uuid7
from edge.events import EventBody
from edge.sealing import sha256
from edge.wire import FIRST_PREVIOUS, Header
from hub.opening import Arrival, Opened
from hub.registry import Device
from hub.schema import devices
from hub.store import Store
from tests.hub.sender import EPOCH

BEGIN = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)


class Arrivals:
    """`now` is the hub's clock: a second later with every event, and set by whoever tests."""

    def __init__(self, engine: sa.Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.now = BEGIN
        self._store = Store(engine)
        self._seqs: dict[str, itertools.count[int]] = {}
        self._hashes: dict[str, str] = {}
        self._signer = Ed25519PrivateKey.generate().public_key()

    def register(self, device: str = "cam-1", site: str = "village-3") -> None:
        row = {"device": device, "site": site, "added_at": self.now}
        keys = {
            "seal_key": X25519PrivateKey.generate().public_key().public_bytes_raw(),
            "sign_key": self._signer.public_bytes_raw(),
        }
        with self.engine.begin() as connection:
            connection.execute(sa.insert(devices).values(**row, **keys))

    def opened(self, body: EventBody, device: str = "cam-1", site: str = "village-3") -> Opened:
        self.now += timedelta(seconds=1)
        seq = next(self._seqs.setdefault(device, itertools.count(1)))
        header = Header(
            kind="event",
            device=device,
            epoch=EPOCH,
            seq=seq,
            event_id=uuid7(self.now),
            priority="live",
            prev_hash=self._hashes.get(device, FIRST_PREVIOUS),
        )
        digest = sha256(f"{device}/{header.event_id}".encode())
        self._hashes[device] = digest
        arrival = Arrival(b"", self.now)
        return Opened(arrival, Device(device, site, self._signer), header, body, digest, digest, digest)

    def take(self, *bodies: EventBody, device: str = "cam-1", site: str = "village-3") -> list[Opened]:
        opened = [self.opened(body, device, site) for body in bodies]
        self._store.write(opened)
        return opened

    def again(self, *opened: Opened) -> None:
        """Let them arrive once more, or for the first time."""
        self._store.write(opened)
