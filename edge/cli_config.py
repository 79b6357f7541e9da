"""`dermedge config show`: each setting, its value, and where it came from."""

from __future__ import annotations

import argparse

from edge.cli_settings import add_settings, settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add_settings(actions.add_parser("show", help="one setting a line: key, value as TOML, source"))


def run(arguments: argparse.Namespace) -> int:
    import json

    _, origins = settings(arguments)
    for origin in origins:
        # Booleans, numbers and strings are written alike in JSON and in TOML; TOML has no null, so it stays bare.
        value = "" if origin.value is None else json.dumps(origin.value, ensure_ascii=False)
        print(f"{origin.key:<32} {value:<28} {origin.source}")
    return 0
