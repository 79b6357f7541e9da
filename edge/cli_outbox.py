"""`dermedge outbox status`: what waits on this device to be acknowledged."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edge.cli_settings import add_settings, settings
from edge.errors import ConfigError, StoreError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = actions.add_parser("status", help="backlog, age of the oldest event, size")
    status.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    add_settings(status)


def run(arguments: argparse.Namespace) -> int:
    from edge import identity
    from edge.clock import SystemClock
    from edge.outbox_database import read_status
    from edge.provisioned import outbox_path

    config, _ = settings(arguments)
    if not config.identity.directory:
        raise ConfigError("expected --identity DIR or identity.directory: a device without one keeps nothing")
    owner, path = identity.load(Path(config.identity.directory)), outbox_path(config)
    if not path.is_file():
        raise StoreError(f"expected an outbox at {path}, got no file: the first `dermedge run` makes it")
    status = read_status(path, owner.device, SystemClock().now())
    facts = {"path": str(path), "device": owner.device, "max_bytes": config.outbox.max_bytes} | status._asdict()
    if arguments.json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name:<12} {value}")
    return 0
