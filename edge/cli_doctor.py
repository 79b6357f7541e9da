"""`dermedge doctor`: one line a part, with what to do; the exit code is that of the first part that fails."""

from __future__ import annotations

import argparse

from edge.cli_settings import add_settings, settings
from edge.errors import UsageError

WAIT_MAX_S = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", type=float, default=5.0, metavar="S", help="for the broker (default: 5)")
    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    if not 0 < arguments.wait <= WAIT_MAX_S:
        raise UsageError(f"expected --wait of more than 0 and at most {WAIT_MAX_S:g} seconds, got {arguments.wait:g}")
    import logging

    from edge.clock import SystemClock
    from edge.doctor import examine

    # A broker that is away is a check's line, and is not told twice.
    logging.basicConfig(level=logging.ERROR, format="dermedge: %(message)s")
    config, _ = settings(arguments)
    exit_code = 0
    for check in examine(config, SystemClock(), arguments.wait):
        print(f"{'FAIL' if check.exit_code else 'ok':<5} {check.name:<7} {' '.join(check.told.split())}", flush=True)
        exit_code = exit_code or check.exit_code
    return exit_code
