"""`dermedge hub boards …` and `dermedge hub asyncapi`: what other people's dashboards read.

What a subcommand needs is imported when it runs, so that --help stays light.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.errors import UsageError

DEFAULT_PORT = 9641


def add_boards(actions: Any, add_directory: Callable[[argparse.ArgumentParser], None]) -> None:
    """Their arguments, beside the other subcommands of `dermedge hub`."""
    boards = actions.add_parser("boards", help="numbers for Prometheus, Grafana, Node-RED, Home Assistant")
    below = boards.add_subparsers(dest="boards_action", metavar="ACTION", required=True)
    run = below.add_parser("run", help="/metrics for Prometheus, and a summary of each site on the broker")
    add_directory(run)
    run.add_argument("--broker", default="127.0.0.1:1883", metavar="HOST:PORT", help="default: %(default)s")
    run.add_argument("--host", default="127.0.0.1", metavar="H", help="of /metrics; default: %(default)s")
    run.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="P", help="of /metrics; default: %(default)s")
    run.add_argument("--token-file", type=Path, metavar="FILE", help="who asks must bring it; needed with --host")
    files = below.add_parser("files", help="write alert rules, dashboards and a flow into a new folder")
    files.add_argument("target", type=Path, metavar="DIR")
    actions.add_parser("asyncapi", help="print what travels on the broker as an AsyncAPI 3 document")


def run_boards(arguments: argparse.Namespace) -> int:
    """Raises DermedgeError; the command turns it into one line and an exit code."""
    if arguments.hub_action == "asyncapi":
        return _asyncapi()
    if arguments.boards_action == "files":
        return _files(arguments.target)
    return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    if not 1 <= arguments.port <= 65535:
        raise UsageError(f"expected --port between 1 and 65535, got {arguments.port}")
    from edge.clock import SystemClock
    from edge.config import Broker, broker_address
    from edge.publish.base import open_publisher
    from hub.boards import run
    from hub.boards.endpoint import PATH, read_token

    host, port = broker_address(arguments.broker)
    token = None if arguments.token_file is None else read_token(arguments.token_file)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
    until = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: until.set())
    run.run(
        arguments.dir,
        open_publisher("mqtt", Broker(host=host, port=port)),
        SystemClock(),
        until,
        host=arguments.host,
        port=arguments.port,
        token=token,
        ready=lambda served: print(f"metrics: http://{arguments.host}:{served}{PATH}", file=sys.stderr, flush=True),
    )
    return 0


def _files(target: Path) -> int:
    from hub.boards import files

    for path in files.write(target):
        print(path)
    return 0


def _asyncapi() -> int:
    from hub.boards import asyncapi

    sys.stdout.write(asyncapi.text())
    return 0
