"""The architecture of setup.cfg holds, and its contracts would notice if it did not."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tree import ROOT, files

LINES_MAX = 300
PACKAGES = ("benchmarks", "convert", "edge", "firmware_cfg", "hub", "models")
EMPTY_WORDS = {"utils", "util", "common", "helpers", "helper", "types", "manager", "handler", "misc"}
ENGINES = re.compile(r"ai_edge_litert|tflite_runtime")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )


def test_contracts_are_kept() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("edge/wire.py", "import edge.outbox", "flow"),
        ("edge/unheard_of.py", "", "flow"),
        ("edge/config.py", "import hub", "rooms"),
        ("convert/__init__.py", "import hub.store", "rooms"),
        ("hub/store.py", "import edge.track", "hub"),
        ("convert/__init__.py", "import edge.outbox", "convert"),
        ("firmware_cfg/profiles.py", "import edge.wire", "firmware"),
        ("edge/outbox.py", "import edge.frame", "tell"),
        ("edge/screen/__init__.py", "import nicegui", "light"),
        ("hub/store.py", "import demo", "command"),
    ],
)
def test_contracts_notice(tmp_path: Path, file: str, line: str, contract: str) -> None:
    """Each line alone, in a copy of the tree, breaks the contract that is meant for it."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("bundles", "__pycache__"))
    for name in ("setup.cfg", "dermedge.py", "demo.py", "witness.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    with (tmp_path / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert f"{setup[f'importlinter:contract:{contract}']['name']} BROKEN" in done.stdout


def test_files_are_short_and_their_names_say_something() -> None:
    written = [path for path in files(".py") if path.parent != ROOT / "hub" / "migrations" / "versions"]
    long = [path for path in written if len(path.read_text(encoding="utf-8").splitlines()) > LINES_MAX]
    empty = [path for path in files() if EMPTY_WORDS & set(path.relative_to(ROOT).with_suffix("").parts)]
    assert not long
    assert not empty


def test_one_file_of_edge_knows_the_engines() -> None:
    knowing = {path.name for path in (ROOT / "edge").rglob("*.py") if ENGINES.search(path.read_text(encoding="utf-8"))}
    assert knowing <= {"litert.py", "base.py"}, "base.py has the table of names, litert.py the imports"


def test_witness_stands_alone() -> None:
    """Who recounts must not use what is recounted: the standard library, and our errors for the command."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / "witness.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    ours = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert ours <= {"edge.errors"}
