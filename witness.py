"""`dermedge witness`: recount what a run left behind, in both directions, trusting nobody's counters.

Reads files with the standard library alone: each device's ledger.jsonl (an `intend` line fsynced before each outbox
transaction, a `committed` line after it, a `voided` line before an event is given up) and the outbox beside it, and the
hub's database. It opens no seal. Of events, from the devices to the hub:

lost       committed on the device, and neither stored at the hub nor waiting in the outbox for its acknowledgement
doubled    stored or counted more than once at the hub: the same event, bytes, place in the order, or finding
altered    stored with other bytes or at another place than the device noted, or noted twice with different bytes
unknown    stored at the hub or held in the outbox without a line in the ledger, or a ledger line that repeats
uncounted  a stored finding that the hub's list of findings lacks, or a row of that list without its event
gaps       places that the device's order of commits skips

What the hub made of an event's body it cannot check: that would need the hub's private key. Of commands, from the hub
to the device; a commands.jsonl beside the folders, written as the ledger is, says which were queued:

lost       queued and gone from the hub, or answered at the hub and not done at the device
doubled    done more than once at the device, or answered by more than one answer
altered    done in another order, or under another number, than the hub gave it
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LEDGER, OUTBOX, HUB, COMMANDS = "ledger.jsonl", "outbox.db", "hub.db", "commands.jsonl"


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
    uncounted: int
    gaps: int

    @property
    def clean(self) -> bool:
        """Something happened, and nothing of it is lost, doubled, altered, unexplained, uncounted or skipped."""
        faults = self.lost, self.doubled, self.altered, self.unknown, self.uncounted, self.gaps
        return self.committed > 0 and not any(faults)


@dataclass(frozen=True, slots=True)
class CommandsVerdict:
    """Counts of commands. waiting: without an answer at the hub."""

    queued: int
    answered: int
    waiting: int
    lost: int
    doubled: int
    altered: int

    @property
    def clean(self) -> bool:
        """Nothing of what was queued is lost, doubled or altered."""
        return not (self.lost or self.doubled or self.altered)


def judge_commands(outbox: Path, hub: Path, ledger: Path | None = None) -> CommandsVerdict:
    """To one device. Raises ValueError or OSError where a file is missing or is not what it should be."""
    return judge_all_commands([outbox], hub, ledger)


def judge_all_commands(outboxes: Sequence[Path], hub: Path, ledger: Path | None = None) -> CommandsVerdict:
    """The same of every device that the hub has; the hub's epochs are of one device each."""
    known = _rows(hub, "SELECT command_id, epoch, seq, answered_at FROM commands")
    query = "SELECT command_id, epoch, seq FROM commands ORDER BY number"
    done = [row for outbox in outboxes for row in _rows(outbox, query)]
    answers = Counter(row[0] for row in _rows(hub, "SELECT command_id FROM responses"))
    queued = {row[0] for row in known} if ledger is None else _queued(ledger)
    answered = {row[0] for row in known if row[3] is not None}
    places = {row[0]: row[1:3] for row in known}
    times_done, done_at, order = Counter(row[:2] for row in done), defaultdict(set), defaultdict(list)
    for command, epoch, seq in done:
        done_at[command].add((epoch, seq))
        order[epoch].append(seq)
    return CommandsVerdict(
        queued=len(queued),
        answered=len(answered),
        waiting=len(known) - len(answered),
        lost=len(queued - {row[0] for row in known}) + len(answered - done_at.keys()),
        doubled=sum(count - 1 for tally in (times_done, answers) for count in tally.values()),
        altered=sum(places.get(command) not in seen for command, seen in done_at.items())
        + sum(seqs != list(range(1, len(seqs) + 1)) for seqs in order.values()),
    )


def _queued(ledger: Path) -> set[str]:
    """Those whose commit had returned; a kill may have torn the last line."""
    lines = ledger.read_bytes().split(b"\n")[:-1]
    return {row["command_id"] for row in map(json.loads, lines) if row["what"] == "committed"}


def judge(ledger: Path, outbox: Path, hub: Path) -> Verdict:
    """Of one device. Raises ValueError or OSError where a file is missing or is not what it should be."""
    return judge_all([(ledger, outbox)], hub)


def judge_all(devices: Sequence[tuple[Path, Path]], hub: Path) -> Verdict:
    """The same of every device that the hub has, each by its ledger and outbox."""
    ledgers = [_read_ledger(ledger) for ledger, _ in devices]
    noted = _together(ledgers)
    query = "SELECT event_id, message_sha256, seq, acknowledged_at FROM events"
    outbox_rows = [row for _, outbox in devices for row in _rows(outbox, query)]
    hub_rows = _rows(hub, "SELECT event_id, message_sha256, seq, device, epoch, type, body, received_count FROM events")
    counted = _rows(hub, "SELECT finding_id, event_id FROM findings")
    stored, held = {row[0] for row in hub_rows}, {row[0] for row in outbox_rows}
    missing = noted.committed.keys() - stored
    unacknowledged = {row[0] for row in outbox_rows if row[3] is None}
    findings = [row for row in hub_rows if row[5] == "finding"]
    tallies = (
        Counter(row[0] for row in hub_rows),
        Counter(row[1] for row in hub_rows),
        Counter(row[2:5] for row in hub_rows),
        Counter(json.loads(row[6])["finding_id"] for row in findings if row[6] is not None),
        Counter(row[0] for row in counted),
        Counter(row[1] for row in counted),
    )
    return Verdict(
        committed=len(noted.committed),
        stored=len(stored),
        waiting=len(missing & unacknowledged),
        redelivered=sum(row[7] > 1 for row in hub_rows),
        lost=len(missing - unacknowledged),
        doubled=sum(count - 1 for tally in tallies for count in tally.values()),
        altered=noted.conflicting + sum(noted.contradicts(*row[:3]) for row in (*outbox_rows, *hub_rows)),
        unknown=noted.repeated + len((stored | held) - noted.committed.keys()),
        uncounted=len({row[0] for row in findings} ^ {row[1] for row in counted}),
        gaps=sum(each.gaps for each in ledgers),
    )


@dataclass(slots=True)
class _Noted:
    """intended: event → SHA-256 of its sealed bytes. committed: event → its place in the order.

    voids: event → SHA-256 of what may stand in its place since it was given up.
    """

    intended: dict[str, str]
    committed: dict[str, int]
    voids: dict[str, set[str]]
    repeated: int = 0
    conflicting: int = 0

    @property
    def gaps(self) -> int:
        """Places that the order of commits skips."""
        places = set(self.committed.values())
        return max(places, default=0) - len(places)

    def contradicts(self, event: str, digest: str, seq: int) -> bool:
        """Whether a database says otherwise of this event than the ledger."""
        is_other = self.intended.get(event, digest) != digest and digest not in self.voids.get(event, ())
        return is_other or self.committed.get(event, seq) != seq


def _read_ledger(ledger: Path) -> _Noted:
    noted = _Noted({}, {}, {})
    lines = ledger.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            what, event, value = row["what"], row["event_id"], row.get("sha256", row.get("seq"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number == len(lines):
                break  # a kill may tear the last line; its event was not committed before the line was whole
            raise ValueError(f"expected a ledger line in {ledger}:{number}, got {line[:60]!r}") from error
        if what == "intend":
            noted.repeated += event in noted.intended
            noted.conflicting += noted.intended.setdefault(event, value) != value
        elif what == "committed":
            noted.repeated += event in noted.committed
            noted.conflicting += noted.committed.setdefault(event, value) != value or event not in noted.intended
        elif what == "voided":
            noted.voids.setdefault(event, set()).add(value)
            noted.conflicting += event not in noted.intended
    return noted


def _together(ledgers: Sequence[_Noted]) -> _Noted:
    """Of several devices; an event that two of them noted repeats."""
    merged = _Noted({}, {}, {})
    for each in ledgers:
        merged.repeated += each.repeated + len(merged.intended.keys() & each.intended.keys())
        merged.conflicting += each.conflicting
        merged.intended |= each.intended
        merged.committed |= each.committed
        merged.voids |= each.voids
    return merged


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


def find_devices(folder: Path) -> list[tuple[Path, Path]]:
    """Ledger and outbox of every device in the folder or below it. Raises FileNotFoundError where there is none."""
    ledgers = sorted(folder.rglob(LEDGER))
    if len(ledgers) == 1:
        return [(ledgers[0], find(folder, OUTBOX))]
    if not ledgers:
        raise FileNotFoundError(f"expected a {LEDGER} in {folder}, got none")
    return [(ledger, ledger.with_name(OUTBOX)) for ledger in ledgers]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="what `dermedge demo --keep DIR` left")


def run(arguments: argparse.Namespace) -> int:
    """Print the verdict as one JSON line; 0 when clean and nothing waits, 1 otherwise."""
    from edge.errors import StoreError

    try:
        devices, hub = find_devices(arguments.folder), find(arguments.folder, HUB)
        verdict = judge_all(devices, hub)
        noted = arguments.folder / COMMANDS
        outboxes = [outbox for _, outbox in devices]
        commands = judge_all_commands(outboxes, hub, noted if noted.is_file() else None)
    except (OSError, ValueError, sqlite3.Error) as error:
        raise StoreError(f"cannot recount {arguments.folder}: {error}") from error
    print(json.dumps(asdict(verdict) | {"commands": asdict(commands)}))
    return 0 if verdict.clean and commands.clean and not (verdict.waiting or commands.waiting) else 1
