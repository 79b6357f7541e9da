"""The options by which every subcommand of the device takes its settings. Imports nothing heavy until they are read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.config import Config, Origin


def add_settings(parser: argparse.ArgumentParser) -> None:
    """--profile, --config and --set, and the short forms of settings that one often gives."""
    group = parser.add_argument_group("settings")
    group.add_argument("--profile", metavar="P", help="a board's profile, as `dermedge firmware list` names them")
    group.add_argument("--config", type=Path, metavar="F", help="a TOML file (default: /etc/dermedge/config.toml)")
    group.add_argument("--set", action="append", default=[], metavar="S.F=V", help="one setting: section.field=value")
    group.add_argument("--identity", metavar="DIR", help="what `dermedge provision` wrote: identity.directory")
    group.add_argument("--broker", metavar="H:P", help="broker.host and broker.port")
    group.add_argument("--bundle", metavar="DIR", help="a model bundle: inference.bundle")


def settings(arguments: argparse.Namespace) -> tuple[Config, list[Origin]]:
    """The effective configuration and where each value came from. Raises ConfigError, UsageError."""
    from edge.config import load

    return load(arguments.profile, arguments.config, [*arguments.set, *_short_forms(arguments)])


def _short_forms(arguments: argparse.Namespace) -> list[str]:
    overrides = []
    if arguments.identity is not None:
        overrides.append(f"identity.directory={arguments.identity}")
    if arguments.bundle is not None:
        overrides.append(f"inference.bundle={arguments.bundle}")
    if arguments.broker is not None:
        from edge.config import broker_address

        host, port = broker_address(arguments.broker)
        overrides += [f"broker.host={host}", f"broker.port={port}"]
    return overrides
