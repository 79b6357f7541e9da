"""The subcommands of `dermedge hub` about who is expected, which models count, and the work of the day.

What a subcommand needs is imported when it runs, so that --help stays light.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

ACTIONS = ("roster", "cards", "model", "daily", "rebuild")


def add_desk(actions: Any, add_directory: Callable[[argparse.ArgumentParser], None]) -> None:
    """Their arguments, beside the other subcommands of `dermedge hub`."""
    roster = actions.add_parser("roster", help="who is expected in a cohort")
    rosters = roster.add_subparsers(dest="roster_action", metavar="ACTION", required=True)
    imports = rosters.add_parser("import", help="take a CSV file: participant, or participant,unit, or unit,eligible")
    imports.add_argument("file", type=Path, metavar="FILE")
    imports.add_argument("--cohort", required=True, metavar="C")
    imports.add_argument("--wave", type=int, default=1, metavar="W", help="default: %(default)s")
    imports.add_argument("--unit", metavar="U", help="the village or class, where the file does not name it")
    add_directory(imports)

    cards = actions.add_parser("cards", help="cards with QR codes for participants to carry, as SVG pages to print")
    cards.add_argument("folder", type=Path, metavar="FOLDER", help="new; also gets participants.csv, a roster")
    cards.add_argument("--count", type=int, required=True, metavar="N", help="new pseudonyms, at most 10000")
    cards.add_argument("--title", default="", metavar="TEXT", help="on every card, say the cohort")

    model = actions.add_parser("model", help="which models this hub vouches for")
    models = model.add_subparsers(dest="model_action", metavar="ACTION", required=True)
    add = models.add_parser("add", help="register a model by its bundle, so that pages can say what it covers")
    add.add_argument("bundle", type=Path, metavar="BUNDLE_DIR")
    add.add_argument("--clinical", action="store_true", help="it counts as clinical here; its card must say so too")
    add_directory(add)
    add_directory(models.add_parser("list", help="one line a model"))

    daily = actions.add_parser("daily", help="the work of the day, now: `hub ingest` does it once a day by itself")
    add_directory(daily)
    again = actions.add_parser("rebuild", help="make the worklist anew from the events and from what people decided")
    add_directory(again)


def run_desk(arguments: argparse.Namespace) -> int:
    """Raises DermedgeError; the command turns it into one line and an exit code."""
    match arguments.hub_action:
        case "roster":
            return _roster_import(arguments)
        case "cards":
            return _cards(arguments.folder, arguments.count, arguments.title)
        case "model" if arguments.model_action == "add":
            return _model_add(arguments.dir, arguments.bundle, clinical=arguments.clinical)
        case "model":
            return _model_list(arguments.dir)
        case "daily":
            return _daily(arguments.dir)
        case _:
            return _rebuild(arguments.dir)


def _roster_import(arguments: argparse.Namespace) -> int:
    from edge.clock import SystemClock
    from hub import database
    from hub.auditing import CONSOLE
    from hub.desk import rosters

    units = rosters.read(arguments.file, arguments.unit)
    engine = database.open_database(arguments.dir)
    with engine.begin() as connection:
        done = rosters.replace(connection, units, arguments.cohort, arguments.wave, CONSOLE, SystemClock().now())
    engine.dispose()
    print(json.dumps(vars(done)))
    return 0


def _cards(folder: Path, count: int, title: str) -> int:
    from edge.errors import StoreError, UsageError
    from hub.desk import cards

    if not 1 <= count <= cards.CARDS_MAX:
        raise UsageError(f"expected --count from 1 to {cards.CARDS_MAX}, got {count}")
    names = cards.new_pseudonyms(count)
    try:
        folder.mkdir(parents=True)
        for number, sheet in enumerate(cards.sheets(names, title), start=1):
            (folder / f"cards-{number:04}.svg").write_text(sheet, encoding="utf-8")
        (folder / "participants.csv").write_text("\n".join(["participant", *names]) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"expected to write cards into a new folder at {folder}; {error}") from error
    print(f"{folder}: {count} cards; participants.csv is a roster for `dermedge hub roster import`")
    return 0


def _model_add(directory: Path, bundle: Path, *, clinical: bool) -> int:
    from edge.bundle import load
    from edge.clock import SystemClock
    from hub import database
    from hub.auditing import CONSOLE
    from hub.desk import models

    card = load(bundle).card
    engine = database.open_database(directory)
    with engine.begin() as connection:
        models.register(connection, card, CONSOLE, SystemClock().now(), clinical=clinical)
    engine.dispose()
    print(f"{card.name} {card.version}: registered as {'clinical' if clinical else 'research'}")
    return 0


def _model_list(directory: Path) -> int:
    from hub import database
    from hub.desk import models

    engine = database.open_database(directory, read_only=True)
    with engine.connect() as connection:
        for each in models.registered(connection):
            labels = ",".join(each.labels)
            print(each.name, each.version, each.status, labels, each.card_sha256, sep="\t")
    engine.dispose()
    return 0


def _daily(directory: Path) -> int:
    from edge.clock import SystemClock
    from hub import database, settings
    from hub.desk import daily

    engine = database.open_database(directory)
    counts = daily.run(engine, directory, settings.load(directory), SystemClock().now())
    engine.dispose()
    print(json.dumps(dict(counts)))
    return 0


def _rebuild(directory: Path) -> int:
    from edge.clock import SystemClock
    from hub import database
    from hub.desk.rebuilding import rebuild
    from hub.registry import Registry

    engine = database.open_database(directory)
    count = rebuild(engine, Registry(engine, SystemClock()))
    engine.dispose()
    print(f"{count} encounters made anew; those whose events are not kept any more stay as they were")
    return 0
