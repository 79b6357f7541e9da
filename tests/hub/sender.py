"""A provisioned device without camera and outbox: seals bodies as a device does, and keeps what the hub answers."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from edge import identity, pseudonym
from edge.clock import SystemClock, uuid7
from edge.encounter import Encounter
from edge.events import EncounterClosed, EncounterOpened, EventBody, Finding, Model, Quality, Refusal
from edge.publish.base import Publisher
from edge.sealing import ciphertext_hash, seal, sha256, verify_signed, void
from edge.wire import (
    FIRST_PREVIOUS,
    HUB_TOPIC,
    Acknowledgement,
    Envelope,
    Header,
    Receipt,
    Signed,
    State,
    Status,
    Tier,
    VoidReason,
    decode,
    device_topic,
    encode,
    encode_sealed,
)
from hub import database, keys, registry
from tests.patience import wait_until

EPOCH = "e" * 32
RESEARCH = Model(name="lesion-320", version="1.0.0", card_sha256="c" * 64, status="research")


def now() -> datetime:
    return datetime.now(UTC)


def make_hub(directory: Path, url: str | None = None) -> Path:
    """What `dermedge hub init` does, its tables copied from a database that was made once.

    url: of a PostgreSQL that has them already.
    """
    keys.create(directory, SystemClock())
    name, content = (database.DATABASE_FILE, new_database()) if url is None else (database.URL_FILE, url.encode())
    (directory / name).write_bytes(content)
    (directory / name).chmod(0o600)
    return directory


@cache
def new_database() -> bytes:
    """An SQLite file as `dermedge hub init` writes it."""
    with tempfile.TemporaryDirectory() as folder:
        return database.create(Path(folder)).read_bytes()


def encounter(**changes: Any) -> Encounter:
    fresh = Encounter(
        encounter_id=uuid7(now()),
        cohort="village-3",
        operator="operator-1",
        participant=pseudonym.make(os.urandom),
        consent=uuid7(now()),
    )
    return msgspec.structs.replace(fresh, **changes)


def finding(seen: Encounter | None = None, *, label: str = "cutaneous_tumour", **changes: Any) -> Finding:
    fresh = Finding(
        at=now(),
        encounter=seen or encounter(),
        finding_id=uuid7(now()),
        body_site="forearm",
        captured_at=now(),
        clock_synced=True,
        model=RESEARCH,
        label=label,
        score=0.81,
        tier="routine",
        rules="triage-1",
        box_px=(100.0, 120.0, 260.0, 300.0),
        frame_size_px=(1280, 720),
        frame_sequence=41,
        track_id=3,
        observations=12,
        quality=Quality(sharpness=180.0, motion_px=0.4, mean_luma=128.0, clipped_fraction=0.0),
    )
    return msgspec.structs.replace(fresh, **changes)


def closed(seen: Encounter, findings: int, tier: Tier | None = None) -> EncounterClosed:
    retakes = {"hold-still": 2}
    return EncounterClosed(
        at=now(),
        encounter=seen,
        outcome="completed",
        shots=50,
        retakes=retakes,
        duration_ms=9000,
        findings=findings,
        tier=tier,
    )


def person(*found: Finding) -> list[EventBody]:
    """All events of one person who was seen; the findings are given that person's encounter."""
    seen = encounter()
    mine = [msgspec.structs.replace(each, encounter=seen) for each in found]
    return [EncounterOpened(at=now(), encounter=seen), *mine, closed(seen, len(mine), mine[0].tier if mine else None)]


def refusal() -> Refusal:
    return Refusal(at=now(), encounter_id=uuid7(now()), cohort="village-3", reason="no_time")


@dataclass(frozen=True)
class Sealed:
    """A message as it goes to the broker."""

    header: Header
    envelope: Envelope
    message: bytes

    @property
    def sha256(self) -> str:
        return sha256(self.message)


class Sender:
    """`connect`, `send`, then look at `receipts`."""

    def __init__(self, folder: Path, hub: Path, site: str = "village-3", device: str = "cam-1") -> None:
        self.keys_file = identity.create(folder, site, device, hub / keys.PUBLIC_FILE)
        self.identity = identity.load(folder)
        self.receipts: list[Receipt] = []
        self.presences: list[bytes] = []
        self._hub = hub
        self._seq = 0
        self._hashes: dict[int, str] = {}
        self._publisher: Publisher | None = None

    def register(self) -> Sender:
        """What `dermedge hub device add` does."""
        engine = database.open_database(self._hub)
        registry.add(engine, registry.read_device_keys(self.keys_file), SystemClock())
        engine.dispose()
        return self

    def seal(self, body: EventBody, *, event_id: str | None = None) -> Sealed:
        self._seq += 1
        header = Header(
            kind="event",
            device=self.identity.device,
            epoch=EPOCH,
            seq=self._seq,
            event_id=event_id or uuid7(now()),
            priority="live",
            prev_hash=self._hashes.get(self._seq - 1, FIRST_PREVIOUS),
        )
        envelope = seal(header, encode(body), self.identity.hub.recipients, self.identity.signing_key)
        self._hashes[self._seq] = ciphertext_hash(envelope)
        return Sealed(decode(envelope.header, Header), envelope, encode_sealed(envelope))

    def void(self, sealed: Sealed, reason: VoidReason = "consent_withdrawn") -> bytes:
        return encode_sealed(void(sealed.envelope, reason, self.identity.signing_key))

    def connect(self, publisher: Publisher) -> Sender:
        """Returns when the broker has taken the connection."""
        self._publisher = publisher
        topics = [(self._topic("ack"), 0), (HUB_TOPIC, 1)]
        publisher.start(f"test-{self.identity.device}", topics, lambda: None, self._take)
        wait_for(lambda: publisher.connected, "a connection to the broker")
        return self

    def disconnect(self) -> None:
        if self._publisher is not None:
            self._publisher.stop()

    def send(self, *messages: bytes | Sealed) -> None:
        for each in messages:
            self._publish("event", each if isinstance(each, bytes) else each.message)

    def send_status(self, *, online: bool) -> None:
        self._publish("status", encode(Status(ts=now(), online=online)), retain=True)

    def send_state(self, **changes: Any) -> None:
        state = State(
            ts=now(),
            backlog=0,
            app="1",
            clock_synced=True,
            epoch=EPOCH,
            last_seq=self._seq,
            fps=14.8,
            p90_ms=9.6,
            model="lesion-320 1.0.0",
        )
        self._publish("state", encode(msgspec.structs.replace(state, **changes)), retain=True)

    def receipt(self, message: bytes | Sealed) -> Receipt | None:
        """The hub's newest word on this very message."""
        digest = sha256(message) if isinstance(message, bytes) else message.sha256
        return next((each for each in reversed(self.receipts) if each.message_sha256 == digest), None)

    def times_acknowledged(self, sealed: Sealed) -> int:
        return sum(each.message_sha256 == sealed.sha256 for each in self.receipts)

    def await_receipts(self, *messages: bytes | Sealed) -> list[str]:
        """The outcomes, when all are there."""
        wait_for(lambda: all(self.receipt(each) for each in messages), f"receipts for {len(messages)} messages")
        return [receipt.outcome for each in messages if (receipt := self.receipt(each)) is not None]

    def _topic(self, leaf: str) -> str:
        return device_topic(self.identity.site, self.identity.device, leaf)

    def _publish(self, leaf: str, payload: bytes, *, retain: bool = False) -> None:
        assert self._publisher is not None
        assert self._publisher.publish(self._topic(leaf), payload, retain=retain)

    def _take(self, topic: str, payload: bytes, _retained: bool) -> None:
        if topic == HUB_TOPIC:
            self.presences.append(payload)
            return
        signed: Signed = decode(payload, Signed)
        text = verify_signed("acknowledgement", signed, self.identity.hub.signer)
        acknowledgement: Acknowledgement = decode(text, Acknowledgement)
        assert (acknowledgement.device, acknowledgement.epoch) == (self.identity.device, EPOCH)
        self.receipts.extend(acknowledgement.receipts)


wait_for = partial(wait_until, within_s=30.0)


def days_ago(days: float) -> datetime:
    return now() - timedelta(days=days)
