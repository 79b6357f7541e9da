"""`dermedge firmware`: list, show and validate the boards' profiles."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="the profiles that ship, one a line")
    show = actions.add_parser("show", help="a profile's text, as `dermedge run --profile` reads it")
    show.add_argument("profile", help="a name from `dermedge firmware list`")
    validate = actions.add_parser("validate", help="check profiles of your own")
    validate.add_argument("files", nargs="+", type=Path, metavar="FILE", help="TOML with settings of `config show`")


def run(arguments: argparse.Namespace) -> int:
    from edge.config import profile_names, profile_path
    from firmware_cfg import profiles

    if arguments.action == "list":
        for name in profile_names():
            print(f"{name:<16} {profiles.summary(profile_path(name))}")
        return 0
    if arguments.action == "show":
        path = profile_path(arguments.profile)
        profiles.validate(path)
        print(path.read_text(encoding="utf-8"), end="")
        return 0
    exit_code = 0
    for path in arguments.files:
        try:
            config = profiles.validate(path)
        except ConfigError as error:
            print(f"dermedge: {error}", file=sys.stderr)
            exit_code = error.exit_code
        else:
            print(
                f"{path}: valid; camera.source = {config.camera.source}, inference.threads = {config.inference.threads}"
            )
    return exit_code
