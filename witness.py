"""`dermedge witness`: recount what a run left behind, trusting nobody's counters.

Reads three files with the standard library alone: the device's ledger.jsonl (an `intend` line fsynced before each
outbox transaction, a `committed` line after it), the outbox, and the hub's database. It opens no seal.

lost       committed on the device, and neither stored at the hub nor waiting in the outbox for its acknowledgement
doubled    stored or counted more than once at the hub
altered    stored with other bytes than the device intended, or intended twice with different bytes
unknown    stored at the hub or held in the outbox without a line in the ledger, or a ledger line that repeats
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LEDGER, OUTBOX, HUB = "ledger.jsonl", "outbox.db", "hub.db"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts of events. `waiting`: committed, not stored yet, still in the outbox (none may be left after a drain)."""

    committed: int
    stored: int
    waiting: int
    redelivered: int
    lost: int
    doubled: int
    altered: int
    unknown: int

    @property
    def clean(self) -> bool:
        """Nothing lost, doubled, altered or unexplained."""
        return not (self.lost or self.doubled or self.altered or self.unknown)


def judge(ledger: Path, outbox: Path, hub: Path) -> Verdict:
    """Raises ValueError or OSError where a file is missing or is not what it should be."""
    intended, committed, repeated, conflicting = _read_ledger(ledger)
    outbox_rows = _rows(outbox, "SELECT event_id, message_sha256, acknowledged_at FROM events")
    held = {row[0]: row[1] for row in outbox_rows}
    unacknowledged = {row[0] for row in outbox_rows if row[2] is None}
    stored_rows = _rows(hub, "SELECT event_id, message_sha256, received_count FROM events")
    stored = {row[0]: row[1] for row in stored_rows}
    copies = Counter(row[0] for row in stored_rows)
    same_bytes = Counter(row[1] for row in stored_rows)
    counted = Counter(row[0] for row in _rows(hub, "SELECT event_id FROM findings"))
    finding_ids = Counter(row[0] for row in _rows(hub, "SELECT finding_id FROM findings"))
    doubled = sum(
        count - 1 for tally in (copies, same_bytes, counted, finding_ids) for count in tally.values() if count > 1
    )
    missing = committed - stored.keys()
    altered = [
        event for known in (stored, held) for event in known if intended.get(event, known[event]) != known[event]
    ]
    return Verdict(
        committed=len(committed),
        stored=len(stored),
        waiting=len(missing & unacknowledged),
        redelivered=sum(1 for row in stored_rows if row[2] > 1),
        lost=len(missing - unacknowledged),
        doubled=doubled,
        altered=conflicting + len(altered),
        unknown=repeated + len((stored.keys() | held.keys()) - committed),
    )


def _read_ledger(ledger: Path) -> tuple[dict[str, str], set[str], int, int]:
    """Intended event → SHA-256, committed events, lines that repeat, intents that contradict each other."""
    intended: dict[str, str] = {}
    committed: set[str] = set()
    repeated = conflicting = 0
    lines = ledger.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            what, event = row["what"], row["event_id"]
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break  # a kill may tear the last line; its event was not committed before the line was whole
            raise ValueError(f"expected a ledger line in {ledger}:{number}, got {line[:60]!r}") from error
        if what == "intend":
            repeated += event in intended
            conflicting += intended.setdefault(event, row["sha256"]) != row["sha256"]
        elif what == "committed":
            repeated += event in committed
            committed.add(event)
            conflicting += event not in intended
    return intended, committed, repeated, conflicting


def _rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    if not database.is_file():
        raise FileNotFoundError(f"expected a database at {database}, got none")
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def find(folder: Path, name: str) -> Path:
    """The one file of that name in the folder or below it."""
    found = sorted(folder.rglob(name))
    if len(found) != 1:
        raise FileNotFoundError(f"expected exactly one {name} in {folder}, got {len(found)}")
    return found[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="what `dermedge demo --keep DIR` left")


def run(arguments: argparse.Namespace) -> int:
    """Print the verdict as one JSON line; 0 when clean and nothing waits, 1 otherwise."""
    from edge.errors import StoreError

    try:
        verdict = judge(*(find(arguments.folder, name) for name in (LEDGER, OUTBOX, HUB)))
    except (OSError, ValueError, sqlite3.Error) as error:
        raise StoreError(f"cannot recount {arguments.folder}: {error}") from error
    print(json.dumps(asdict(verdict)))
    return 0 if verdict.clean and not verdict.waiting else 1
