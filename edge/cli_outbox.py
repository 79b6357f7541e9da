"""`dermedge outbox status|export|acknowledge`: what waits on this device, and the way to the hub without a network."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli_settings import add_settings, settings
from edge.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from edge.config import Config
    from edge.identity import Identity


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = actions.add_parser("status", help="backlog, age of the oldest event, size")
    status.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    add_settings(status)
    export = actions.add_parser("export", help="write what waits into a file for `dermedge hub import`")
    export.add_argument("file", type=Path, metavar="FILE", help="a new file, say on a USB stick")
    export.add_argument("--all", action="store_true", help="also what the hub has acknowledged and is still here")
    add_settings(export)
    acknowledge = actions.add_parser("acknowledge", help="take the receipts of `dermedge hub import --receipts`")
    acknowledge.add_argument("file", type=Path, metavar="FILE")
    add_settings(acknowledge)


def run(arguments: argparse.Namespace) -> int:
    from edge import identity
    from edge.provisioned import outbox_path

    config, _ = settings(arguments)
    if not config.identity.directory:
        raise ConfigError("expected --identity DIR or identity.directory: a device without one keeps nothing")
    owner, path = identity.load(Path(config.identity.directory)), outbox_path(config)
    if not path.is_file():
        raise StoreError(f"expected an outbox at {path}, got no file: the first `dermedge run` makes it")
    match arguments.action:
        case "export":
            return _export(owner, path, arguments.file, with_acknowledged=arguments.all)
        case "acknowledge":
            return _acknowledge(owner, path, config, arguments.file)
        case _:
            return _status(owner, path, config, as_json=arguments.json)


def _status(owner: Identity, path: Path, config: Config, *, as_json: bool) -> int:
    from edge.clock import SystemClock
    from edge.outbox_database import read_status

    status = read_status(path, owner.device, SystemClock().now())
    facts = {"path": str(path), "device": owner.device, "max_bytes": config.outbox.max_bytes} | status._asdict()
    if as_json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name:<13} {value}")
    return 0


def _export(owner: Identity, path: Path, file: Path, *, with_acknowledged: bool) -> int:
    """Beside a device that runs: the file is one moment of the outbox, and nothing in the outbox is changed."""
    from edge.clock import SystemClock
    from edge.exporting import export

    count = export(path, owner.device, file, SystemClock().now(), with_acknowledged=with_acknowledged)
    print(f"{count} events in {file}; at the hub: dermedge hub import {file} --dir DIR", file=sys.stderr)
    print(count)
    return 0


def _acknowledge(owner: Identity, path: Path, config: Config, file: Path) -> int:
    """While no device runs on this outbox."""
    from edge.clock import SystemClock
    from edge.exporting import acknowledge
    from edge.outbox import Outbox, open_database
    from edge.provisioned import hold

    with hold(path):
        outbox = Outbox(open_database(path), owner, SystemClock(), config.outbox)
        try:
            marked = acknowledge(outbox, owner, file)
        finally:
            outbox.close()
    print(marked)
    return 0
