"""`dermedge run`: the device. One JSON line on stdout at its end."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.cli_settings import add_settings, settings
from edge.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser)
    parser.add_argument(
        "--source", metavar="S", help="phantom, replay:PATH, v4l2:/dev/video0 or package.module:Class: camera.source"
    )
    parser.add_argument("--frames", type=int, metavar="N", help="end after N frames")
    parser.add_argument("--duration", type=float, metavar="S", help="end after S seconds")
    parser.add_argument("--view", type=int, metavar="PORT", help="serve the live view on 127.0.0.1:PORT: screen.port")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="a JSON line per frame and finding; drawn and replayed sources only"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.frames is not None and arguments.frames < 1:
        raise UsageError(f"expected --frames of at least 1, got {arguments.frames}")
    if arguments.duration is not None and not arguments.duration > 0:
        raise UsageError(f"expected --duration of more than 0 seconds, got {arguments.duration}")
    if arguments.view is not None and not 1 <= arguments.view <= 65535:
        raise UsageError(f"expected --view from 1 to 65535, got {arguments.view}")
    if arguments.source is not None:
        arguments.set.append(f"camera.source={arguments.source}")
    if arguments.view is not None:
        arguments.set.append(f"screen.port={arguments.view}")
    import logging

    import msgspec

    from edge import app

    logging.basicConfig(level=logging.WARNING, format="dermedge: %(message)s")
    config, _ = settings(arguments)
    summary = app.run(config, frames=arguments.frames, duration_s=arguments.duration, trace=arguments.trace)
    print(msgspec.json.encode(summary).decode(), flush=True)
    return 0
