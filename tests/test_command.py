"""The command: --help stays light, every error is one line and the right exit code."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

import dermedge
from edge.errors import StoreError

ROOT = Path(__file__).resolve().parent.parent
HEAVY = (
    "numpy",
    "cv2",
    "msgspec",
    "tensorflow",
    "torch",
    "sqlalchemy",
    "nicegui",
    "cryptography",
    "apsw",
    "paho",
    "PIL",
)
PROBE = """
import json, sys
import dermedge
try:
    code = dermedge.main(sys.argv[1:])
except SystemExit as exit:
    code = exit.code
print("\\n" + json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize("words", [[], *([name] for name in dermedge.COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    text, _, last = done.stdout.rstrip().rpartition("\n")
    code, modules = json.loads(last)
    assert code == 0, done.stderr
    assert text.startswith("usage: dermedge")
    assert not set(HEAVY) & set(modules)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A subcommand `room` whose `run` a test sets."""
    module = types.ModuleType("room_of_a_test")
    module.add_arguments = lambda parser: parser.add_argument("--count", type=int)  # type: ignore[attr-defined]
    module.run = lambda arguments: arguments.count or 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(dermedge.COMMANDS, "room", dermedge.Command(module.__name__, "runtime", "for a test"))
    return module


def raises(module: types.ModuleType, error: BaseException) -> None:
    def run(_arguments: object) -> int:
        raise error

    module.run = run  # type: ignore[attr-defined]


def test_the_code_is_the_rooms(room: types.ModuleType) -> None:
    assert dermedge.main(["room", "--count", "3"]) == 3


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (StoreError("expected a disk,\ngot none"), 74, "dermedge: expected a disk, got none\n"),
        (KeyError("x"), 70, "dermedge: unexpected KeyError: 'x' (--debug shows where)\n"),
        (
            ModuleNotFoundError("No module named 'nicegui'", name="nicegui"),
            69,
            "dermedge: expected the module nicegui for `dermedge room`, which is not installed here; "
            "`pip install 'dermedge[runtime]'`\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_one_line(
    room: types.ModuleType, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    raises(room, error)
    assert dermedge.main(["room"]) == code
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize("words", [["--debug", "room"], ["room", "--debug"], ["room", "--count", "1", "--debug"]])
def test_debug_shows_where(room: types.ModuleType, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    raises(room, StoreError("expected a disk, got none"))
    assert dermedge.main(words) == 74
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "test_command.py" in printed
    assert printed.endswith("dermedge: expected a disk, got none\n")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["room", "--nonsense"], ["room", "--count", "x"], ["--nonsense"]])
def test_a_wrong_command_line_is_64(
    room: types.ModuleType, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    del room
    with pytest.raises(SystemExit) as caught:
        dermedge.main(words)
    assert caught.value.code == 64
    assert capsys.readouterr().out == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        dermedge.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("dermedge 0.")


def test_a_missing_room_breaks_no_other(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(dermedge.COMMANDS, "absent", dermedge.Command("edge.absent", "runtime", "not there"))
    assert dermedge.main(["firmware", "list"]) == 0
    capsys.readouterr()
    assert dermedge.main(["absent"]) == 69
    assert "edge.absent" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`dermedge … | head -1`, with more output than a pipe holds."""
    endless = "import sys, dermedge, types; m = types.ModuleType('m'); sys.modules['m'] = m\n" + (
        "m.add_arguments = lambda p: None\n"
        "m.run = lambda a: [print('x' * 1000) for _ in range(1000)] and 0\n"
        "dermedge.COMMANDS['m'] = dermedge.Command('m', '', 'for a test')\n"
        "sys.exit(dermedge.main(['m']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", endless], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=20) == dermedge.EX_BROKEN_PIPE
