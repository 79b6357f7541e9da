"""`hub import`: events from a file, through the same opening, deduplication and quarantine as from the broker.

It may run beside `hub ingest`: the database decides what is new. Either way may come first. With the escrow key it
opens what was sealed to a hub whose own key was lost, in files and in quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from edge.clock import Clock
from edge.errors import WireError
from edge.parcel import read_parcel
from hub import database, keys
from hub.lock import beside
from hub.opening import Arrival, Opened, Refused, open_message
from hub.registry import Registry
from hub.retry import retry_held
from hub.store import Outcome, Store, not_storable
from hub.subscribe import acknowledgements
from hub.sweep import sweep
from hub.withdrawal import bring_together

BATCH_MESSAGES = 100


@dataclass
class Imported:
    """Counts of messages. refused: of nobody known, or not to be held. problem: why the file is not whole.

    from_quarantine: messages held there that could be opened now, and are stored.
    """

    messages: int = 0
    new: int = 0
    repeated: int = 0
    quarantined: int = 0
    refused: int = 0
    from_quarantine: int = 0
    problem: str = ""


def take(
    directory: Path,
    files: Sequence[Path],
    clock: Clock,
    receipts: list[bytes] | None = None,
    escrow: Path | None = None,
) -> Imported:
    """Take what is in these files. receipts: gets the signed acknowledgements, for who carries them back.

    escrow: the file of an escrow key, to open with what the hub's own key does not. Raises ConfigError where there is
    no hub, StoreError for a file that cannot be read, AlreadyRunningError beside a restore; a file that is torn is
    taken as far as it goes, and `problem` says so.
    """
    identity = keys.load(directory)
    if escrow is not None:
        identity = replace(identity, escrow_key=keys.load_escrow(escrow))
    with beside(directory):
        return _take(directory, files, clock, receipts, identity)


def _take(
    directory: Path, files: Sequence[Path], clock: Clock, receipts: list[bytes] | None, identity: keys.HubIdentity
) -> Imported:
    engine = database.open_database(directory)
    registry, store, result = Registry(engine, clock), Store(engine), Imported()
    bring_together(directory, engine, clock.now())
    if identity.escrow_key is not None:
        result.from_quarantine = retry_held(engine, store, registry, identity)
    sweep(engine, registry, identity)
    for batch in _batches(_whole_ones(files, result)):
        now = clock.now()
        messages = [open_message(Arrival(each, now), registry, identity) for each in batch]
        outcomes = _write(store, messages)
        _count(result, messages, outcomes)
        for each in messages:
            if isinstance(each, Refused) and each.reason == "malformed":
                result.problem = result.problem or "it has bytes in it that are no message of ours"
        if receipts is not None:
            receipts.extend(signed for _, _, signed in acknowledgements(outcomes, identity, now))
    engine.dispose()
    return result


def _whole_ones(files: Sequence[Path], result: Imported) -> Iterator[bytes]:
    for file in files:
        try:
            yield from read_parcel(file)
        except WireError as error:
            result.problem = result.problem or str(error)


def _batches(messages: Iterable[bytes]) -> Iterator[list[bytes]]:
    source = iter(messages)
    while batch := list(islice(source, BATCH_MESSAGES)):
        yield batch


def _write(store: Store, messages: Sequence[Opened | Refused]) -> list[Outcome]:
    try:
        return store.write(messages)
    except Exception as error:  # whatever it is that is wrong with one of them
        if database.passes(error):
            raise
        if len(messages) > 1:
            return [outcome for each in messages for outcome in _write(store, [each])]
        (message,) = messages
        return _write(store, [not_storable(message, type(error).__name__)]) if isinstance(message, Opened) else []


def _count(result: Imported, messages: Sequence[Opened | Refused], outcomes: Sequence[Outcome]) -> None:
    different = len({each.message_sha256 for each in messages})
    result.messages += len(messages)
    result.new += sum(each.is_new for each in outcomes)
    result.quarantined += sum(each.outcome == "quarantined" for each in outcomes)
    result.repeated += sum(each.outcome == "stored" and not each.is_new for each in outcomes)
    result.repeated += len(messages) - different
    result.refused += different - len(outcomes)
