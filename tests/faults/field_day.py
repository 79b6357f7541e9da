"""A day in the field: people seen and pictures taken without a network, then a slow link. Time is simulated.

Outbox, sending and the hub's store are the real ones, on real files; only the link is a double, which takes as long as
its bytes do, and holds as much as the publisher hands to the network.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import witness
from edge import config, events, identity, wire
from edge.clock import uuid7
from edge.encounter import Encounter
from edge.ledger import Ledger
from edge.outbox import Outbox, open_database
from edge.pseudonym import make as make_pseudonym
from edge.publish.mqtt import PENDING_BYTES_MAX
from edge.renditions import cut
from edge.repeats import Repeats
from edge.sending import Sending
from hub import database, keys, registry, schema
from hub.opening import Arrival, open_message
from hub.store import Store
from hub.subscribe import acknowledgements
from tests.edge.tell.conftest import HandClock
from tests.golden import messages
from tests.hub.sender import make_hub

RENDITIONS = (("thumbnail", 6_000), ("crop", 40_000), ("full", 250_000))
PERSON_S = 60.0
URGENT_EVERY = 40


@dataclass(frozen=True)
class Day:
    """link_bytes_s: of the slow link. round_trip_s: there and back on it, beside the bytes."""

    people: int = 500
    pictures: int = 3
    max_bytes: int = 256 * 1024 * 1024
    link_bytes_s: float = 250_000.0
    round_trip_s: float = 0.6


class SlowLink:
    """A double of a publisher: what is handed over arrives when its bytes have gone through."""

    def __init__(self, clock: HandClock, bytes_s: float) -> None:
        self._clock, self._bytes_s = clock, bytes_s
        self._free_at_s = 0.0
        self.on_way: deque[tuple[float, bytes]] = deque()
        self.sent_bytes = 0

    def publish(self, topic: str, payload: bytes, **_: object) -> bool:
        del topic
        if self.on_way and sum(len(each) for _, each in self.on_way) + len(payload) > PENDING_BYTES_MAX:
            return False
        now_s = self._clock.monotonic_ns() / 1e9
        self._free_at_s = max(self._free_at_s, now_s) + len(payload) / self._bytes_s
        self.on_way.append((self._free_at_s, payload))
        self.sent_bytes += len(payload)
        return True

    def payload_bytes_max(self, topic: str) -> int:
        del topic
        return wire.MESSAGE_BYTES_MAX


class _Field:
    """Both ends on files in one folder."""

    def __init__(self, folder: Path, day: Day, seed: int) -> None:
        self.folder, self.day, self.chance, self.clock = folder, day, random.Random(seed), HandClock()
        self.hub = make_hub(folder / "hub")
        identity.create(folder / "device", "village-3", "handheld-7", self.hub / keys.PUBLIC_FILE)
        who = identity.load(folder / "device")
        self.engine = database.open_database(self.hub)
        registry.add(self.engine, registry.read_device_keys(folder / "device" / "device.json"), self.clock)
        settings = config.Outbox(max_bytes=day.max_bytes)
        self.ledger = Ledger(folder / "device" / witness.LEDGER)
        self.outbox = Outbox(open_database(folder / "device" / witness.OUTBOX), who, self.clock, settings, self.ledger)
        self.degraded_at_once = 0
        self._hub_identity, self._registry = keys.load(self.hub), registry.Registry(self.engine, self.clock)
        self._store = Store(self.engine)

    def see(self, person: int) -> None:
        """One person: consent, findings, their pictures, and the end of it."""
        now = self.clock.now()
        who = Encounter(
            encounter_id=uuid7(now),
            cohort="village-3",
            operator="operator-1",
            participant=make_pseudonym(self.chance.randbytes),
            consent=uuid7(now),
        )
        consent = events.Consent(at=now, encounter=who, scope=("screening", "pictures"), consent_form="form-a")
        self.outbox.append_many([consent])
        for number in range(self.day.pictures):
            tier: wire.Tier = "urgent" if person % URGENT_EVERY == 0 and number == 0 else "routine"
            finding = msgspec.structs.replace(
                messages.EVENTS[3], at=now, encounter=who, finding_id=uuid7(now), captured_at=now, tier=tier
            )
            self.outbox.append(finding, "urgent" if tier == "urgent" else "live")
            for name, size_bytes in RENDITIONS:
                jpeg = self.chance.randbytes(int(size_bytes * self.chance.uniform(0.7, 1.3)))
                parts = cut(who, finding.finding_id, name, jpeg, now)  # type: ignore[arg-type]
                self.degraded_at_once += not self.outbox.append_rendition(parts)
        closed = msgspec.structs.replace(messages.EVENTS[8], at=now, encounter=who, findings=self.day.pictures)
        self.outbox.append_many([closed])
        self.clock.forward(PERSON_S)

    def arrive(self, payload: bytes) -> wire.Acknowledgement:
        """At the hub: opened, stored, acknowledged."""
        now = self.clock.now()
        opened = open_message(Arrival(payload, now), self._registry, self._hub_identity)
        outcomes = self._store.write([opened])
        ((_, _, signed),) = acknowledgements(outcomes, self._hub_identity, now)
        outer: wire.Signed = wire.decode(signed, wire.Signed)
        return wire.decode(outer.payload, wire.Acknowledgement)

    def close(self) -> None:
        self.outbox.close()
        self.ledger.close()
        self.engine.dispose()


def live(folder: Path, day: Day, seed: int) -> dict[str, Any]:
    """The day, and then the drain: what it cost, what was given up, and when what had arrived."""
    folder.mkdir(parents=True, exist_ok=True)
    field = _Field(folder, day, seed)
    for person in range(day.people):
        field.see(person)
    status = field.outbox.status()
    waiting = Counter(row.priority for row in field.outbox.pending(0, 1_000_000, "urgent"))
    link = SlowLink(field.clock, day.link_bytes_s)
    arrived_s = _drain(field, link, day)
    types = Counter(row.type for row in _rows(field))
    findings = day.people * day.pictures
    field.close()
    verdict = witness.judge(
        folder / "device" / witness.LEDGER, folder / "device" / witness.OUTBOX, folder / "hub" / witness.HUB
    )
    return {
        "seed": seed,
        "people": day.people,
        "link_bytes_s": day.link_bytes_s,
        "round_trip_s": day.round_trip_s,
        "findings": findings,
        "findings_stored": types["finding"],
        "urgent": waiting["urgent"],
        "outbox_bytes": status.used_bytes,
        "renditions": findings * len(RENDITIONS),
        "renditions_given_up": types["picture_degraded"],
        "parts_stored": types["picture_part"],
        "sent_bytes": link.sent_bytes,
        "last_urgent_s": round(arrived_s["urgent"], 1),
        "last_finding_s": round(arrived_s["live"], 1),
        "drained_s": round(max(arrived_s.values()), 1),
        "committed": verdict.committed,
        "stored": verdict.stored,
        "redelivered": verdict.redelivered,
        "lost": verdict.lost,
        "clean": verdict.clean and not verdict.waiting and types["finding"] == findings,
    }


def _drain(field: _Field, link: SlowLink, day: Day) -> dict[str, float]:
    """Until all is acknowledged; when the last of each priority was stored, in seconds from the first byte."""
    clock, begun_ns = field.clock, field.clock.monotonic_ns()
    repeats = Repeats(logging.getLogger(__name__), clock)
    sending = Sending(field.outbox, link, "event", config.Delivery(), clock, repeats)  # type: ignore[arg-type]
    coming_back: deque[tuple[float, wire.Acknowledgement]] = deque()
    arrived_s: dict[str, float] = {}
    while field.outbox.status().backlog:
        sending.step()
        times = [queue[0][0] for queue in (link.on_way, coming_back) if queue]
        clock.forward(max(0.01, (min(times) if times else 0.0) - clock.monotonic_ns() / 1e9))
        now_s = clock.monotonic_ns() / 1e9
        while link.on_way and link.on_way[0][0] <= now_s:
            _, payload = link.on_way.popleft()
            coming_back.append((now_s + day.round_trip_s, field.arrive(payload)))
            arrived_s[wire.decode_sealed(payload)[1].priority] = now_s - begun_ns / 1e9
        while coming_back and coming_back[0][0] <= now_s:
            _, acknowledgement = coming_back.popleft()
            field.outbox.acknowledge(acknowledgement)
            sending.acknowledged(acknowledgement.receipts)
    return arrived_s


def _rows(field: _Field) -> list[Any]:
    with field.engine.connect() as connection:
        return list(connection.execute(schema.events.select().with_only_columns(schema.events.c.type)))
