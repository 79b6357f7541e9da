"""How fast events become durable, against SQLite alone on the same disk, and how soon they are acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from edge import config
from edge.clock import SystemClock
from edge.delivery import Delivery
from edge.outbox import Outbox, open_database
from edge.publish.mqtt import MqttPublisher
from hub.ingest import Ingest
from tests.broker import Mosquitto
from tests.faults.pair import Pair
from tests.golden import messages
from tests.golden.keys import read_keys
from tests.patience import wait_until

FINDING = messages.EVENTS[3]


def measure(folder: Path, events: int, batch: int = 100) -> dict[str, Any]:
    """Events a second, singly and in batches, of the outbox and of bare SQLite (WAL, FULL, rows of the same size)."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = config.Outbox(max_bytes=1 << 30)
    with closing(Outbox(open_database(folder / "rate.db"), read_keys().identity(), SystemClock(), settings)) as outbox:
        sealed_singly = _rate(events, lambda: outbox.append(FINDING))
        size_bytes = len(outbox.pending(0, 1)[0].message)
        sealed_batched = batch * _rate(events // batch, lambda: outbox.append_many([FINDING] * batch))
    with closing(open_database(folder / "bare.db")) as bare:
        bare.execute("CREATE TABLE events(seq INTEGER PRIMARY KEY, message BLOB NOT NULL)")
        row = bytes(size_bytes)
        bare_singly = _rate(events, lambda: _insert(bare, [row]))
        bare_batched = batch * _rate(events // batch, lambda: _insert(bare, [row] * batch))
    return {
        "events": events,
        "event_bytes": size_bytes,
        "sealed_singly_hz": round(sealed_singly),
        "bare_singly_hz": round(bare_singly),
        "singly_ratio": round(sealed_singly / bare_singly, 3),
        "batch": batch,
        "sealed_batched_hz": round(sealed_batched),
        "bare_batched_hz": round(bare_batched),
    }


def acknowledgement_ms(folder: Path, events: int) -> dict[str, Any]:
    """From the append of a finding to its mark, one after the other: outbox, mosquitto, hub, and back, on loopback."""
    folder.mkdir(parents=True, exist_ok=True)
    broker = Mosquitto(folder)
    broker.start()
    pair = Pair(folder)
    address = config.Broker(port=broker.port)
    pair.ingest = Ingest(pair.hub, MqttPublisher(address), pair.clock)
    pair.ingest.start()
    pair.open_outbox()
    pair.delivery = Delivery(
        pair.outbox, MqttPublisher(address), pair.identity, config.Delivery(), pair.clock, lambda: {"app": "rates"}
    )
    pair.delivery.start()
    try:
        pair.outbox.append(FINDING)
        wait_until(lambda: pair.delivery is not None and pair.delivery.idle, "the hub")
        took_ms = []
        for _ in range(events):
            begun = time.perf_counter()
            pair.outbox.append(FINDING)
            while pair.outbox.pending(0, 1):
                time.sleep(0.0005)
            took_ms.append((time.perf_counter() - begun) * 1000)
    finally:
        pair.stop()
        broker.stop()
    ranked = sorted(took_ms)
    return {"events": events, "p50_ms": _rank(ranked, 0.5), "p99_ms": _rank(ranked, 0.99)}


def _rate(times: int, action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        action()
    return times / (time.perf_counter() - begun)


def _insert(connection: apsw.Connection, rows: list[bytes]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO events(message) VALUES (?)", [(row,) for row in rows])
    connection.execute("COMMIT")


def _rank(ranked: list[float], fraction: float) -> float:
    return round(ranked[min(len(ranked) - 1, int(fraction * len(ranked)))], 2)
