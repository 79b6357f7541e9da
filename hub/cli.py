"""`dermedge hub …`. What a subcommand needs is imported when it runs, so that --help stays light."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from edge.errors import UsageError
from hub.cli_accounts import add_accounts, run_accounts
from hub.cli_boards import add_boards, run_boards
from hub.cli_desk import ACTIONS as DESK_ACTIONS
from hub.cli_desk import add_desk, run_desk
from hub.cli_records import add_records, run_records
from hub.cli_upkeep import add_upkeep, run_upkeep

DEFAULT_PORT = 8640


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `dermedge hub`."""
    actions = parser.add_subparsers(dest="hub_action", metavar="ACTION", required=True)

    init = actions.add_parser("init", help="make a hub: its keys and its database, in a new folder")
    init.add_argument("directory", type=Path, metavar="DIR")
    init.add_argument(
        "--database-url-file",
        type=Path,
        metavar="FILE",
        help="a file with postgresql+psycopg://user:password@host/database of a new database; default: SQLite in DIR",
    )

    device = actions.add_parser("device", help="the registry of devices")
    registry = device.add_subparsers(dest="device_action", metavar="ACTION", required=True)
    add = registry.add_parser("add", help="register a device by the device.json that `dermedge provision` wrote")
    add.add_argument("file", type=Path, metavar="FILE")
    _add_directory(add)
    _add_directory(registry.add_parser("list", help="one line a device: site, name, key, since"))

    ingest = actions.add_parser("ingest", help="take events from the broker: open, verify, store once, acknowledge")
    _add_directory(ingest)
    ingest.add_argument("--broker", default="127.0.0.1:1883", metavar="HOST:PORT", help="default: %(default)s")

    add_records(actions, _add_directory)
    add_boards(actions, _add_directory)
    add_desk(actions, _add_directory)
    add_accounts(actions, _add_directory)
    add_upkeep(actions, _add_directory)

    serve = actions.add_parser("serve", help="the page of this hub, on 127.0.0.1 only")
    _add_directory(serve)
    serve.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="P", help="default: %(default)s")
    serve.add_argument("--no-browser", action="store_true", help="do not open a browser")


def run(arguments: argparse.Namespace) -> int:
    """Raises DermedgeError; the command turns it into one line and an exit code."""
    match arguments.hub_action:
        case "init":
            return _init(arguments.directory, arguments.database_url_file)
        case "device" if arguments.device_action == "add":
            return _device_add(arguments.dir, arguments.file)
        case "device":
            return _device_list(arguments.dir)
        case "ingest":
            return _ingest(arguments.dir, arguments.broker)
        case "serve":
            return _serve(arguments.dir, arguments.port, show=not arguments.no_browser)
        case "boards" | "asyncapi":
            return run_boards(arguments)
        case "account" | "audit":
            return run_accounts(arguments)
        case "migrate" | "retention" | "export-person":
            return run_upkeep(arguments)
        case action if action in DESK_ACTIONS:
            return run_desk(arguments)
        case _:
            return run_records(arguments)


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, required=True, metavar="DIR", help="the hub's folder")


def _init(directory: Path, url_file: Path | None) -> int:
    from edge.clock import SystemClock
    from hub import database, keys

    url = None if url_file is None else _read_url(url_file)
    keys.refuse_existing(directory, (*keys.KEY_FILES, database.DATABASE_FILE, database.URL_FILE))
    written = keys.create(directory, SystemClock())
    try:
        path = database.create(directory, url)
    except BaseException:
        keys.remove(written)  # keys without a database are no hub, and would refuse the next try
        raise
    public, private, escrow = written
    print(f"{public}    public: give it to `dermedge provision --hub-keys`")
    print(f"{private}    secret: stays here, only `dermedge hub ingest` reads it")
    print(f"{escrow}    secret: move escrow-private.json offline now; it opens events if this hub's key is lost")
    print(f"{path}    database")
    return 0


def _read_url(file: Path) -> str:
    """From a file, since others see a command's arguments."""
    from edge.errors import ConfigError

    try:
        return file.read_text().strip()
    except OSError as error:
        raise ConfigError(f"expected a database's URL in {file}; {error}") from error


def _device_add(directory: Path, file: Path) -> int:
    from edge.clock import SystemClock
    from hub import database, registry

    device_keys = registry.read_device_keys(file)
    with database.opened(directory) as engine:
        added = registry.add(engine, device_keys, SystemClock())
    print(f"{device_keys.device} at site {device_keys.site}: {'registered' if added else 'was registered already'}")
    return 0


def _device_list(directory: Path) -> int:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from edge.sealing import key_id
    from hub import database, registry

    with database.opened(directory, read_only=True) as engine:
        rows = registry.listed(engine)
    for row in rows:
        key = key_id(Ed25519PublicKey.from_public_bytes(row["sign_key"]))
        print(row["site"], row["device"], key, row["added_at"].isoformat(timespec="seconds"), sep="\t")
    return 0


def _ingest(directory: Path, broker: str) -> int:
    from edge.clock import SystemClock
    from edge.config import Broker, broker_address
    from edge.publish.base import open_publisher
    from hub import ingest

    host, port = broker_address(broker)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
    publisher = open_publisher("mqtt", Broker(host=host, port=port))
    until = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: until.set())
    ingest.run(directory, publisher, SystemClock(), until)
    return 0


def _serve(directory: Path, port: int, *, show: bool) -> int:
    if not 1 <= port <= 65535:
        raise UsageError(f"expected --port between 1 and 65535, got {port}")
    from edge.clock import SystemClock
    from hub import database
    from hub.dashboard.serve import HOST, require_free, serve

    database.open_database(directory, read_only=True).dispose()
    require_free(port)
    print(f"the hub's page: http://{HOST}:{port}/ (Ctrl-C ends it)", file=sys.stderr)
    serve(directory, port, SystemClock(), show=show)
    return 0
