"""The subcommands of `dermedge hub` about what was kept, brought, put back, and asked to be forgotten.

What a subcommand needs is imported when it runs, so that --help stays light.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from edge.errors import EX_DATA, UsageError


def add_records(actions: Any, add_directory: Callable[[argparse.ArgumentParser], None]) -> None:
    """Their arguments, beside the other subcommands of `dermedge hub`."""
    reconcile = actions.add_parser("reconcile", help="what devices committed against what is here; exit 65 for a gap")
    reconcile.add_argument("--device", metavar="D", help="of one device; default: of all")
    reconcile.add_argument("--json", action="store_true", help="a JSON object a chain instead of lines")
    add_directory(reconcile)

    imports = actions.add_parser("import", help="take events from files of `dermedge outbox export`")
    imports.add_argument("files", type=Path, nargs="*", metavar="FILE")
    imports.add_argument("--receipts", type=Path, metavar="F", help="write what is to be carried back to the device")
    imports.add_argument(
        "--escrow", type=Path, metavar="KEY", help="open with this escrow key what was sealed to a hub key that is lost"
    )
    add_directory(imports)

    withdraw = actions.add_parser(
        "withdraw", help="erase all that is about a participant, here and on devices, for ever"
    )
    withdraw.add_argument("participant", metavar="PARTICIPANT", help="the pseudonym on the person's slip")
    add_directory(withdraw)
    add_directory(actions.add_parser("withdrawn", help="who has withdrawn, and which devices have heard of it"))

    backup = actions.add_parser("backup", help="copy the database into a new file, while everything runs")
    backup.add_argument("file", type=Path, metavar="FILE")
    add_directory(backup)
    restore = actions.add_parser("restore", help="put a backup in the database's place, and ask devices for the rest")
    restore.add_argument("file", type=Path, metavar="FILE")
    add_directory(restore)

    commands = actions.add_parser("commands", help="what devices were told, and what they answered")
    commands.add_argument("--waiting", action="store_true", help="only those without an answer")
    add_directory(commands)


def run_records(arguments: argparse.Namespace) -> int:
    """Raises DermedgeError; the command turns it into one line and an exit code."""
    match arguments.hub_action:
        case "reconcile":
            return _reconcile(arguments.dir, arguments.device, as_json=arguments.json)
        case "import":
            return _import(arguments.dir, arguments.files, arguments.receipts, arguments.escrow)
        case "withdraw":
            return _withdraw(arguments.dir, arguments.participant)
        case "withdrawn":
            return _withdrawn(arguments.dir)
        case "backup":
            return _backup(arguments.dir, arguments.file)
        case "restore":
            return _restore(arguments.dir, arguments.file)
        case _:
            return _commands(arguments.dir, only_waiting=arguments.waiting)


def _reconcile(directory: Path, device: str | None, *, as_json: bool) -> int:
    import msgspec

    from hub import database
    from hub.reconcile import reconcile

    with database.opened(directory, read_only=True) as engine:
        reports = reconcile(engine, device)
    for each in reports:
        if as_json:
            print(msgspec.json.encode({**vars(each), "whole": each.whole}).decode())
            continue
        closed = "never" if each.closed_at is None else each.closed_at.isoformat(timespec="seconds")
        print(
            f"{each.device} {each.epoch}: {each.told_to} committed, {each.stored} here, {sum(each.voids.values())} void"
        )
        print(f"    last day closed: {closed}; {'whole' if each.whole else 'NOT WHOLE'}")
        for name in ("missing", "lost", "quarantined", "altered", "reordered", "repeated"):
            if found := getattr(each, name):
                print(f"    {name}: {_ranges(found)}")
    return 0 if all(each.whole for each in reports) else EX_DATA


def _ranges(found: Iterable[int | tuple[int, int]]) -> str:
    pairs = [(each, each) if isinstance(each, int) else each for each in found]
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in pairs)


def _import(directory: Path, files: list[Path], receipts_file: Path | None, escrow: Path | None) -> int:
    from edge.clock import SystemClock
    from edge.errors import StoreError
    from hub import importing

    if not (files or escrow):
        raise UsageError(
            "expected a FILE of `dermedge outbox export`, or --escrow KEY for what is in quarantine, got none"
        )
    receipts: list[bytes] = []
    result = importing.take(directory, files, SystemClock(), receipts, escrow)
    if receipts_file is not None:
        try:
            receipts_file.write_bytes(b"".join(each + b"\n" for each in receipts))
        except OSError as error:
            raise StoreError(f"expected to write the receipts to {receipts_file}; {error}; import it again") from error
    print(json.dumps(vars(result)))
    if result.problem:
        print(f"not all of it: {result.problem}", file=sys.stderr)
    if result.refused:
        print(
            f"{result.refused} refused: of a device that is not registered, or not to be held in quarantine",
            file=sys.stderr,
        )
    return EX_DATA if result.problem or result.refused else 0


def _withdraw(directory: Path, participant: str) -> int:
    from edge.clock import SystemClock
    from hub import database, withdrawal

    with database.opened(directory) as engine:
        erased = withdrawal.withdraw(directory, engine, participant, SystemClock().now())
    print(f"{erased} events erased here; each device erases its own when it connects next")
    print("what quarantine holds about them, and what cannot be read, loses its bytes at the next step of `hub ingest`")
    return 0


def _withdrawn(directory: Path) -> int:
    from hub import database, withdrawal

    with database.opened(directory, read_only=True) as engine:
        found = withdrawal.listed(engine)
    for each in found:
        waiting = f"; waiting for {', '.join(each.waiting)}" if each.waiting else ""
        at = each.at.isoformat(timespec="seconds")
        print(f"{each.participant} since {at}: {each.erased} events erased; told {each.told} devices{waiting}")
    return 0


def _backup(directory: Path, file: Path) -> int:
    from hub import backup

    count = backup.backup(directory, file)
    print(f"{file}: {count} events; it holds them opened, so keep it as you keep the database")
    return 0


def _restore(directory: Path, file: Path) -> int:
    from edge.clock import SystemClock
    from hub import backup

    done = backup.restore(directory, file, SystemClock().now())
    if done.aside is not None:
        print(f"the database before: {done.aside}")
    print(f"{done.asked} chains of events are asked for again from where this backup ends")
    print(f"{done.erased} events of participants who have withdrawn were erased from it")
    print(f"{done.acts} acts of people since this backup, as decisions, are in the database before only")
    print("everybody has to sign in again; accounts stand as they were: see `dermedge hub account list`")
    return 0


def _commands(directory: Path, *, only_waiting: bool) -> int:
    from hub import commanding, database

    with database.opened(directory, read_only=True) as engine:
        rows = commanding.listed(engine)
    for row in rows:
        if only_waiting and row["answered_at"] is not None:
            continue
        at = row["queued_at"].isoformat(timespec="seconds")
        print(at, row["device"], row["type"], row["outcome"] or "waiting", row["detail"] or "", sep="\t")
    return 0
