"""How fast events become durable, against SQLite alone on the same disk, and how soon they are acknowledged."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

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


ROUNDS = 25
"""Turn by turn: what else the machine does, and its disk, slow both down alike."""


def measure(folder: Path, events: int, batch: int = 100) -> dict[str, Any]:
    """Events a second, singly and in batches, of the outbox and of bare SQLite (WAL, FULL, rows of the same size).

    Medians over ROUNDS turns; a ratio is the median of the ratios of each turn. In memory: what is left where a sync
    costs nothing, which is what sealing and the outbox's own pages take.
    """
    singly, batched = _turns(folder, events // ROUNDS, batch)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as memory:
        in_memory, _ = _turns(Path(memory), events // ROUNDS, batch)
    return {
        "events": events,
        "rounds": ROUNDS,
        "sealed_singly_hz": round(median(each.sealed_hz for each in singly)),
        "bare_singly_hz": round(median(each.bare_hz for each in singly)),
        "singly_ratio": round(median(each.ratio for each in singly), 3),
        "batch": batch,
        "sealed_batched_hz": round(batch * median(each.sealed_hz for each in batched)),
        "bare_batched_hz": round(batch * median(each.bare_hz for each in batched)),
        "batched_ratio": round(median(each.ratio for each in batched), 3),
        "sealed_in_memory_us": round(median(1e6 / each.sealed_hz for each in in_memory)),
        "bare_in_memory_us": round(median(1e6 / each.bare_hz for each in in_memory)),
    }


class _Turn(NamedTuple):
    """Commits a second, one right after the other."""

    sealed_hz: float
    bare_hz: float

    @property
    def ratio(self) -> float:
        return self.sealed_hz / self.bare_hz


def _turns(folder: Path, times: int, batch: int) -> tuple[list[_Turn], list[_Turn]]:
    """Singly and in batches."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = config.Outbox(max_bytes=1 << 30)
    with (
        closing(Outbox(open_database(folder / "rate.db"), read_keys().identity(), SystemClock(), settings)) as outbox,
        closing(open_database(folder / "bare.db")) as bare,
    ):
        outbox.append(FINDING)
        row = bytes(len(outbox.pending(0, 1)[0].message))
        bare.execute("CREATE TABLE events(seq INTEGER PRIMARY KEY, message BLOB NOT NULL)")

        def turn(times: int, count: int) -> _Turn:
            return _Turn(
                _rate(times, lambda: outbox.append_many([FINDING] * count)),
                _rate(times, lambda: _insert(bare, [row] * count)),
            )

        turns = [(turn(times, 1), turn(1, batch)) for _ in range(ROUNDS)]
    return [singly for singly, _ in turns], [batched for _, batched in turns]


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
