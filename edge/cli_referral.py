"""`dermedge referral list`: what became of the referrals that this device asked for. It says nothing of whom."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli_settings import add_settings, settings
from edge.errors import ConfigError, StoreError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.recalls import Recall
    from edge.referrals import Referral
    from edge.words import Language


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="each referral and where it stands, the newest first")
    listing.add_argument("--json", action="store_true", help="one JSON object a line, with every reply")
    listing.add_argument("--language", choices=("en", "zh"), default="en", help="of the table (default: %(default)s)")
    add_settings(listing)
    called = actions.add_parser("recalls", help="whom reviewers ask to call back, for a picture or a referral")
    called.add_argument("--json", action="store_true", help="one JSON object a line")
    called.add_argument("--language", choices=("en", "zh"), default="en", help="of the table (default: %(default)s)")
    add_settings(called)


def run(arguments: argparse.Namespace) -> int:
    """Beside a device that runs; nothing in the outbox is changed. Raises ConfigError, StoreError, SealError."""
    from contextlib import closing

    from edge import identity, recalls, referrals
    from edge.device_secret import DeviceSecret
    from edge.outbox_database import open_reader
    from edge.provisioned import outbox_path

    config, _ = settings(arguments)
    if not config.identity.directory:
        raise ConfigError("expected --identity DIR or identity.directory: a device without one asks for no referral")
    owner, path = identity.load(Path(config.identity.directory)), outbox_path(config)
    if not path.is_file():
        raise StoreError(f"expected an outbox at {path}, got no file: the first `dermedge run` makes it")
    secret = DeviceSecret(owner.sealing_key)
    with closing(open_reader(path, owner.device)) as connection:
        if arguments.action == "recalls":
            called = recalls.listed(connection, secret)
            lines = _json_lines(called) if arguments.json else _recall_table(called, arguments.language)
        else:
            found = referrals.listed(connection, secret)
            lines = _json(found) if arguments.json else _table(found, arguments.language)
    for line in lines:
        print(line)
    return 0


def _json(found: Sequence[Referral]) -> list[str]:
    import msgspec

    told = [{**each._asdict(), "replies": [reply._asdict() for reply in each.replies]} for each in found]
    return [msgspec.json.encode(each).decode() for each in told]


def _json_lines(called: Sequence[Recall]) -> list[str]:
    import msgspec

    return [msgspec.json.encode(each._asdict()).decode() for each in called]


def _recall_table(called: Sequence[Recall], language: Language) -> list[str]:
    """One line a person to call back."""
    from edge.words import word

    rows = [tuple(word(f"referral.{head}", language) for head in ("participant", "why", "since", "place", "note"))]
    for each in called:
        since = f"{each.at.astimezone():%Y-%m-%d %H:%M}"
        why = word(f"recall.{each.kind}", language)
        rows.append((each.participant, why, since, printable(each.place), printable(each.note)))
    return _columned(rows)


def _table(found: Sequence[Referral], language: Language) -> list[str]:
    """One line a referral; place and note are the last reply's that has one."""
    from edge.words import word

    heads = ("referral", "requested", "step", "since", "place", "note")
    rows = [tuple(word(f"referral.{head}", language) for head in heads)]
    for each in found:
        standing = [reply for reply in each.replies if reply.step == each.step]
        since = standing[-1].at if standing else each.requested_at
        place = next((reply.place for reply in reversed(each.replies) if reply.place), "")
        note = next((reply.note for reply in reversed(each.replies) if reply.note), "")
        times = (f"{at:%Y-%m-%d %H:%M}" for at in (each.requested_at.astimezone(), since.astimezone()))
        requested, since_text = times
        step = word(f"step.{each.step}", language)
        rows.append((each.referral_id, requested, step, since_text, printable(place), printable(note)))
    return _columned(rows)


def _columned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(_columns, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (cell + " " * (width - _columns(cell)) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return lines


def _columns(text: str) -> int:
    """Of a terminal; Chinese characters take two each."""
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(each) in "WF" else 1 for each in text)
