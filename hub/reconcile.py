"""What devices committed against what the hub has, event by event over the chain of hashes; nothing is written.

A device's word on how many events it has committed may be any number: ranges are never told one by one.

missing     nobody has said that it is gone: it may still come, or be asked for
lost        the hub lacks it, and its device has freed it
quarantined its bytes are held, and are no event
altered     it does not follow the event before, or is not what its device noted at the end of the day
reordered   it follows another event of the chain than the one before
repeated    two events have this number
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from edge.wire import FIRST_PREVIOUS
from hub.schema import chains, events, quarantine, reconciliations, unheld

Range = tuple[int, int]


@dataclass(frozen=True)
class Report:
    """One chain. told_to: the device has committed so many, as far as it has said. closed_at: its last reconciliation.

    stored: events with their content; voids: by reason.
    """

    device: str
    epoch: str
    told_to: int
    closed_at: datetime | None
    stored: int
    voids: Mapping[str, int]
    missing: Sequence[Range] = ()
    lost: Sequence[Range] = ()
    quarantined: Sequence[int] = ()
    altered: Sequence[int] = ()
    reordered: Sequence[int] = ()
    repeated: Sequence[int] = ()

    @property
    def whole(self) -> bool:
        """Every event is here, as its device sealed it, or as the void that its device signed."""
        return not any((self.missing, self.lost, self.quarantined, self.altered, self.reordered, self.repeated))


@dataclass
class _Places:
    """Of one chain, by seq: (prev_hash, ciphertext_sha256) of each event."""

    told_to: int = 0
    by_seq: dict[int, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    voids: Counter[str] = field(default_factory=Counter)
    quarantined: set[int] = field(default_factory=set)
    unheld: list[Range] = field(default_factory=list)
    closings: list[tuple[int, str, datetime]] = field(default_factory=list)


def reconcile(engine: sa.Engine, device: str | None = None) -> list[Report]:
    """A report a chain, by device and epoch; of one device or of all. Raises what the database raises."""
    places: dict[tuple[str, str], _Places] = defaultdict(_Places)
    with engine.connect() as connection:
        for row in connection.execute(_of(chains, device)):
            places[row.device, row.epoch].told_to = row.told_to
        columns = (events.c.device, events.c.epoch, events.c.seq, events.c.prev_hash, events.c.ciphertext_sha256)
        query = sa.select(*columns, events.c.void_reason)
        for row in connection.execute(query if device is None else query.where(events.c.device == device)):
            chain = places[row.device, row.epoch]
            chain.by_seq[row.seq].append((row.prev_hash, row.ciphertext_sha256))
            if row.void_reason is not None:
                chain.voids[row.void_reason] += 1
        for row in connection.execute(_of(unheld, device)):
            places[row.device, row.epoch].unheld.append((row.first_seq, row.last_seq))
        held = _of(quarantine, device).where(quarantine.c.trust == "verified", quarantine.c.seq.is_not(None))
        for row in connection.execute(held):
            if (row.device, row.epoch) in places:
                places[row.device, row.epoch].quarantined.add(row.seq)
        for row in connection.execute(_of(reconciliations, device)):
            places[row.device, row.epoch].closings.append((row.last_seq, row.last_hash, row.at))
    return [_report(device_, epoch, places[device_, epoch]) for device_, epoch in sorted(places)]


def _of(table: sa.Table, device: str | None) -> sa.Select[Any]:
    query = sa.select(table)
    return query if device is None else query.where(table.c.device == device)


def _report(device: str, epoch: str, chain: _Places) -> Report:
    end = max([chain.told_to, *chain.by_seq, *(last for last, _, _ in chain.closings)], default=0)
    known = {digest: seq for seq, found in chain.by_seq.items() for _, digest in found}
    absent = _without([(1, end)] if end else [], [(seq, seq) for seq in chain.by_seq])
    not_lost = _without(absent, chain.unheld)
    quarantined = sorted(seq for seq in chain.quarantined if 1 <= seq <= end and seq not in chain.by_seq)
    altered, reordered = _misfits(chain, known)
    for last, last_hash, _ in chain.closings:
        found = {digest for _, digest in chain.by_seq.get(last, ())}
        if found and last_hash not in found:
            altered.add(last)
    return Report(
        device=device,
        epoch=epoch,
        told_to=end,
        closed_at=max((at for _, _, at in chain.closings), default=None),
        stored=sum(map(len, chain.by_seq.values())) - chain.voids.total(),
        voids=dict(chain.voids),
        missing=_without(not_lost, [(seq, seq) for seq in quarantined]),
        lost=_without(absent, not_lost),
        quarantined=quarantined,
        altered=sorted(altered),
        reordered=sorted(reordered),
        repeated=sorted(seq for seq, found in chain.by_seq.items() if len(found) > 1),
    )


def _misfits(chain: _Places, known: Mapping[str, int]) -> tuple[set[int], set[int]]:
    """Events that do not follow the one before; those that follow another one of the chain apart."""
    altered: set[int] = set()
    reordered: set[int] = set()
    for seq, found in chain.by_seq.items():
        before = {digest for _, digest in chain.by_seq.get(seq - 1, ())} if seq > 1 else {FIRST_PREVIOUS}
        for prev_hash, _ in found:
            if before and prev_hash not in before:
                (reordered if prev_hash in known else altered).add(seq)
    return altered, reordered


def _without(ranges: Iterable[Range], others: Iterable[Range]) -> list[Range]:
    """What of these ranges, in order and apart, is in none of the others, which may come in any order and overlap."""
    left: list[Range] = []
    cuts = sorted(others)
    at = 0
    for first, last in ranges:
        while at < len(cuts) and cuts[at][1] < first:
            at += 1
        begin = first
        for number in range(at, len(cuts)):
            cut_first, cut_last = cuts[number]
            if cut_first > last or begin > last:
                break
            if cut_first > begin:
                left.append((begin, cut_first - 1))
            begin = max(begin, cut_last + 1)
        if begin <= last:
            left.append((begin, last))
    return left
