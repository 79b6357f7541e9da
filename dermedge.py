"""The command: a table of subcommands, each imported only when it is asked for.

A room's module has `add_arguments(parser)` and `run(arguments) -> int`; its argument definitions import nothing heavy.
Here alone an error becomes one line on stderr and an exit code (sysexits.h numbers; 130 after Ctrl-C).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from edge import __version__
from edge.errors import EX_IO, EX_SOFTWARE, EX_UNAVAILABLE, EX_USAGE, DermedgeError, printable

EX_INTERRUPTED = 130
EX_BROKEN_PIPE = 141


class Command(NamedTuple):
    """One subcommand. extra: what `pip install dermedge[…]` it needs."""

    module: str
    extra: str
    summary: str


COMMANDS = {
    "demo": Command(
        "demo", "demo", "broker, hub and three sites' devices on drawn skin in one room; opens the hub's page"
    ),
    "run": Command("edge.cli_run", "runtime", "the device: camera, detector, findings, delivery"),
    "detect": Command("edge.cli_detect", "runtime", "look at pictures; no network, no state"),
    "doctor": Command("edge.cli_doctor", "runtime", "check model, broker, hub and outbox; one line each"),
    "config": Command("edge.cli_config", "runtime", "show each setting and where it came from"),
    "outbox": Command("edge.cli_outbox", "runtime", "what waits on this device to be acknowledged"),
    "referral": Command("edge.cli_referral", "runtime", "what became of the referrals of this device"),
    "provision": Command("edge.cli_provision", "runtime", "make a device's keys"),
    "hub": Command("hub.cli", "hub", "the receiver: init, device add, ingest, serve"),
    "firmware": Command("firmware_cfg.cli", "runtime", "list, show and validate the boards' profiles"),
    "bench": Command("benchmarks.cli", "runtime", "measure each stage on this machine"),
    "convert": Command(
        "convert.cli", "convert", "a trained model into an int8 bundle that is judged before it is written"
    ),
    "inspect": Command("convert.cli_inspect", "runtime", "what a model is made of; whether the runtime takes it"),
    "verify": Command(
        "convert.cli_verify", "runtime", "a bundle's hashes, card and gate; its answers to a drawn picture"
    ),
    "witness": Command("witness", "runtime", "recount a finished run from what it left: lost, doubled"),
}


class Parser(argparse.ArgumentParser):
    """argparse with sysexits' code for a wrong command line."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; the exit code. Raises SystemExit for --help, --version and a wrong command line."""
    words = sys.argv[1:] if argv is None else list(argv)
    debug = "--debug" in words  # taken out here, so that it may stand behind any subcommand
    argv = [word for word in words if word != "--debug"]
    try:
        code = _dispatch(argv, debug=debug)
        if sys.stdout is not None:  # `>&-` closes it
            sys.stdout.flush()
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    except BrokenPipeError:
        _give_up_stdout()  # the reader has gone, as in `dermedge detect … | head -1`
        return EX_BROKEN_PIPE
    except DermedgeError as error:
        return _complain(str(error), error.exit_code, debug=debug)
    except OSError as error:
        _give_up_stdout()
        return _complain(f"expected to read or write; {error}: is there space, and may this user?", EX_IO, debug=debug)
    except Exception as error:  # noqa: BLE001 - the last resort: one line, and where to look
        where = "" if debug else " (--debug shows where)"
        return _complain(f"unexpected {type(error).__name__}: {error}{where}", EX_SOFTWARE, debug=debug)
    return code


def parser_for(argv: Sequence[str]) -> tuple[argparse.ArgumentParser, Callable[[argparse.Namespace], int] | None]:
    """The parser with the arguments of the one subcommand that argv asks for, and that subcommand's `run`.

    Raises _MissingError where the subcommand's module is not in this installation.
    """
    parser = Parser(
        prog="dermedge",
        description="Screens skin on small devices and suggests whom to see; it never diagnoses. Not for clinical use.",
    )
    parser.add_argument("--version", action="version", version=f"dermedge {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    rooms = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    asked, run = _asked(argv), None
    for name, command in COMMANDS.items():
        room = rooms.add_parser(name, help=command.summary, description=_sentence(command.summary))
        if name == asked:
            module = _import(name)
            module.add_arguments(room)
            run = module.run
    return parser, run


class _MissingError(DermedgeError):
    exit_code = EX_UNAVAILABLE


def _dispatch(argv: Sequence[str], *, debug: bool) -> int:
    parser, run = parser_for(argv)
    arguments = parser.parse_args(argv)
    arguments.debug = debug
    assert run is not None, "argparse has refused a command line without a known subcommand"
    try:
        return run(arguments)
    except ModuleNotFoundError as error:
        raise _MissingError(_missing(_asked(argv), error)) from error


def _asked(argv: Sequence[str]) -> str:
    """The subcommand's name; the options before it take no values."""
    return next((word for word in argv if not word.startswith("-")), "")


def _import(name: str) -> Any:
    try:
        return importlib.import_module(COMMANDS[name].module)
    except ModuleNotFoundError as error:
        raise _MissingError(_missing(name, error)) from error


def _missing(name: str, error: ModuleNotFoundError) -> str:
    return (
        f"expected the module {error.name} for `dermedge {name}`, which is not installed here; "
        f"`pip install 'dermedge[{COMMANDS[name].extra}]'`"
    )


def _sentence(summary: str) -> str:
    return summary[0].upper() + summary[1:] + "."


def _give_up_stdout() -> None:
    """The interpreter must not flush again, at its end, into what could not be written."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    if sys.stderr is not None:
        print(f"dermedge: {printable(message)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
