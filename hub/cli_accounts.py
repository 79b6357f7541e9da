"""The subcommands of `dermedge hub` about who may use its pages, and what they did.

What a subcommand needs is imported when it runs, so that --help stays light.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.errors import EX_DATA

ROLES = ("viewer", "reviewer", "admin")
ACTIONS = {
    "link": "a new one-time link, for who has lost the password",
    "disable": "nobody signs in with it any more; its sessions end",
    "enable": "it may be used again",
}


def add_accounts(actions: Any, add_directory: Callable[[argparse.ArgumentParser], None]) -> None:
    """Their arguments, beside the other subcommands of `dermedge hub`."""
    account = actions.add_parser("account", help="who may use the pages, and as what")
    verbs = account.add_subparsers(dest="account_action", metavar="ACTION", required=True)
    for verb, summary in (("add", "a new account; prints a one-time link"), ("role", "another role; sessions end")):
        parser = verbs.add_parser(verb, help=summary)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--role", choices=ROLES, required=True)
        add_directory(parser)
    for verb, summary in ACTIONS.items():
        parser = verbs.add_parser(verb, help=summary)
        parser.add_argument("name", metavar="NAME")
        add_directory(parser)
    add_directory(verbs.add_parser("list", help="one line an account: name, role, state, since"))

    audit = actions.add_parser("audit", help="the audit log as CSV; exit 65 where a row was changed or taken out")
    add_directory(audit)


def run_accounts(arguments: argparse.Namespace) -> int:
    """Raises DermedgeError; the command turns it into one line and an exit code."""
    if arguments.hub_action == "audit":
        return _audit(arguments.dir)
    if arguments.account_action == "list":
        return _list(arguments.dir)
    return _change(arguments.dir, arguments)


def _change(directory: Path, arguments: argparse.Namespace) -> int:
    from edge.clock import SystemClock
    from hub import accounts, database, settings

    loaded, name, now, token = settings.load(directory), arguments.name, SystemClock().now(), ""
    with database.opened(directory) as engine, engine.begin() as connection:
        match arguments.account_action:
            case "add":
                token = accounts.add(connection, name, arguments.role, now)
            case "link":
                token = accounts.link(connection, name, now)
            case "role":
                accounts.set_role(connection, name, arguments.role, now)
            case "disable":
                accounts.disable(connection, name, now)
            case _:
                accounts.enable(connection, name, now)
    if token:
        print(accounts.link_url(loaded, token))
        print(f"for {name}, once, within 24 hours: who opens it sets the password", file=sys.stderr)
    return 0


def _list(directory: Path) -> int:
    from hub import accounts, database

    with database.opened(directory, read_only=True) as engine, engine.connect() as connection:
        found = accounts.listed(connection)
    for each in found:
        state = "disabled" if each.disabled_at else "active" if each.has_password else "no password yet"
        print(each.account, each.role, state, each.added_at.isoformat(timespec="seconds"), sep="\t")
    return 0


def _audit(directory: Path) -> int:
    from hub import auditing, database

    with database.opened(directory, read_only=True) as engine, engine.connect() as connection:
        wrong = auditing.export(connection, sys.stdout)
    if wrong:
        some = ", ".join(str(number) for number in wrong[:10])
        print(f"expected an unbroken audit log; rows were changed or taken out at {some}", file=sys.stderr)
    return EX_DATA if wrong else 0
