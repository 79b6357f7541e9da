"""The documents tell the truth where a machine can check it: commands, links, paths."""

from __future__ import annotations

import argparse
import configparser
import re
import shlex
from pathlib import Path

import pytest

import dermedge
from tests.tree import ROOT, files

DOCUMENTS = [path for path in files(".md") if path.relative_to(ROOT).parts[0] not in {"tests", "edge"}]
MACHINE_PATHS = re.compile(r"(?<![\w./-])/(?:work|root|home/[a-z]+)/[a-z.]")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def commands(document: Path) -> list[str]:
    """What a reader would type: lines of indented or fenced blocks and inline code that begin as a command does."""
    text = document.read_text(encoding="utf-8")
    outside = FENCED.sub("", text)
    lines = [line for line in outside.splitlines() if line.startswith("    ")]
    lines += [line for block in FENCED.findall(text) for line in block.splitlines()]
    found = [line.partition(" #")[0].strip() for line in [*INLINE.findall(outside), *lines]]
    return sorted({line for line in found if re.match(r"(dermedge|make) [a-zA-Z-]", line)})


ALL_COMMANDS = sorted({(command, path) for path in DOCUMENTS for command in commands(path)})


def test_the_documents_name_commands() -> None:
    """The search above finds what is there to be found."""
    found = {command for command, path in ALL_COMMANDS if path == ROOT / "README.md"}
    assert {"make demo", "make test", "dermedge detect", "dermedge hub serve --dir clinic"} <= found


@pytest.mark.parametrize(
    ("command", "document"), ALL_COMMANDS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_command_exists(command: str, document: Path) -> None:
    words = shlex.split(command.replace("SUBCOMMAND", "run"))
    if words[0] == "make":
        targets = TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
        wanted = [word for word in words[1:] if "=" not in word]
        assert set(wanted) <= set(targets), document
        return
    parser, _ = dermedge.parser_for(words[1:])
    check(parser, words[1:], document)


def check(parser: argparse.ArgumentParser, words: list[str], document: Path) -> None:
    """Every subcommand and option among the words is one that the parser knows; values are not looked at."""
    options = {option for action in parser._actions for option in action.option_strings}
    below = next((a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)
    for index, word in enumerate(words):
        if word.startswith("--"):
            assert word in options, f"{document}: {word}"
        elif below is not None and not word.startswith("-"):
            assert word in below, f"{document}: {word}"
            check(below[word], words[index + 1 :], document)
            return


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(document: Path) -> None:
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        target = link.partition("#")[0]
        assert not target or (document.parent / target).exists(), f"{document.name}: {link}"


def test_table_of_the_readme_is_the_commands_table() -> None:
    rows = re.findall(r"^\| `dermedge ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == list(dermedge.COMMANDS)


def test_no_path_of_a_machine() -> None:
    found = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a model or a picture
        found += [f"{path}: {hit.group()}" for hit in MACHINE_PATHS.finditer(text)]
    assert not found


def test_every_decision_has_its_number_and_title() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").iterdir())
    for number, path in enumerate(decisions, 1):
        assert path.name.startswith(f"{number:04}-")
        title = path.read_text(encoding="utf-8").splitlines()[0]
        assert title.startswith(f"# {number:04} ")


def test_every_dependency_has_its_reason() -> None:
    """A package in setup.cfg stands in the table of decision 0006, and the other way round."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = [line for text in setup["options.extras_require"].values() for line in text.splitlines() if line]
    needed = {re.split(r"[<>=;\[ ]", line)[0] for line in lines}
    table = (ROOT / "docs" / "decisions" / "0006-dependencies.md").read_text(encoding="utf-8")
    told = {
        name.strip() for row in re.findall(r"^\| ([a-z0-9, -]+) \|", table, re.MULTILINE) for name in row.split(",")
    }
    assert needed == told - {"package"}
