"""`dermedge provision`: this device's keys, made here, and a public file for the hub's registry."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="where the keys go; it must hold none yet")
    parser.add_argument("--offline", action="store_true", help="without the network: the hub's keys come as a file")
    parser.add_argument("--hub-keys", type=Path, metavar="F", help="hub-keys.json of `dermedge hub init`")
    parser.add_argument("--site", required=True, metavar="S", help="1 to 32 of a-z, 0-9 and '-'")
    parser.add_argument("--device", required=True, metavar="D", help="1 to 32 of a-z, 0-9 and '-'")


def run(arguments: argparse.Namespace) -> int:
    from edge import identity

    if not arguments.offline or arguments.hub_keys is None:
        raise UsageError(
            "expected --offline with --hub-keys F: this version enrols without a network service; "
            "F is the hub-keys.json that `dermedge hub init` wrote"
        )
    public = identity.create(arguments.directory, arguments.site, arguments.device, arguments.hub_keys)
    print(public)
    print(f"now, at the hub: dermedge hub device add {public} --dir DIR", file=sys.stderr)
    return 0
