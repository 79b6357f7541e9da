"""The heavy parts of the driver: which come first, what they need, and that nothing is left out without a word."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from tests import ci_driver
from tests.tree import ROOT


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    return ci_driver.on_empty_project(monkeypatch, tmp_path)


@pytest.fixture
def ran(parts: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The heavy parts that ran, in order; each passes."""
    names: list[str] = []

    def tests(session: object, name: str, python: Path, arguments: Sequence[str]) -> bool:
        del session, python, arguments
        names.append(name)
        return True

    monkeypatch.setattr(parts.Session, "tests", tests)
    monkeypatch.setattr(parts.Session, "check", lambda session, name, command: True)
    return names


def test_changed_parts_first_then_the_longest_unseen(parts: ModuleType, ran: list[str], tmp_path: Path) -> None:
    for name in "bac":
        parts.write_record(name, parts.content_hash((name,)))
        time.sleep(0.01)
    (tmp_path / "c" / "file.py").write_text("changed")
    parts.heavy(parts.Session(), everything=False)
    assert ran == ["c", "b", "a"]
    assert parts.read_record("c")["sha256"] == parts.content_hash(("c",))


def test_what_had_no_time_is_named(parts: ModuleType, ran: list[str]) -> None:
    session = parts.Session()
    session.started -= parts.LAST_START_S + 1
    parts.heavy(session, everything=False)
    assert ran == []
    assert sorted(session.not_run) == ["a", "b", "c"]
    parts.heavy(session, everything=True)
    assert sorted(ran) == ["a", "b", "c"]


def test_an_environment_that_cannot_be_made_stops_its_own_parts_alone(
    parts: ModuleType, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def check(session: object, name: str, command: Sequence[str]) -> bool:
        asked.append(" ".join(command))
        return name != "broken"

    environment = sys.modules["heavy_parts"].Environment
    environments = {
        "fine": environment("fine-target"),
        "broken": environment("broken-target"),
        "elsewhere": environment("no-target", ("2.4", "2.5"), "its wheels end there"),
    }
    monkeypatch.setattr(parts, "ENVIRONMENTS", environments)
    monkeypatch.setattr(parts.Session, "check", check)
    for name, needed in {"a": ("fine", "broken"), "b": ("elsewhere",), "c": ("fine",)}.items():
        monkeypatch.setitem(parts.HEAVY, name, parts.HEAVY[name]._replace(environments=needed))
    session = parts.Session()
    parts.heavy(session, everything=True)
    assert ran == ["c"]
    assert session.not_run == {
        "a": "the environment broken could not be made",
        "b": "its wheels end there, and there is no Python 2.4 or 2.5 on this machine",
    }
    assert sorted(asked) == [f"make {target} PYTHON={sys.executable}" for target in ("broken-target", "fine-target")]


def test_a_python_is_found_by_its_version_and_must_run(
    parts: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, code in (("python2.4", 0), ("python2.5", 127)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert parts.interpreter(["2.5", "2.4"]) == str(tmp_path / "python2.4")
    assert parts.interpreter(["2.5"]) is None
    assert parts.interpreter(["2.6"]) is None
    assert parts.interpreter([]) == sys.executable
    assert parts.interpreter(["2.4", f"{sys.version_info.major}.{sys.version_info.minor}"]) == sys.executable


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sha256": "x", "passed_at": "yesterday"}', '{"sha256": "x"}'])
def test_a_damaged_record_is_none(parts: ModuleType, ran: list[str], text: str) -> None:
    parts.RECORDS.mkdir()
    parts.record_path("b").write_text(text)
    for name in "ac":
        parts.write_record(name, parts.content_hash((name,)))
    parts.heavy(parts.Session(), everything=False)
    assert ran[0] == "b"
    assert parts.read_record("b")["sha256"] == parts.content_hash(("b",))


def test_another_requirement_makes_a_part_due(
    parts: ModuleType, ran: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ask_for(requirement: str) -> str:
        (tmp_path / "setup.cfg").write_text(f"[options.extras_require]\nx =\n    {requirement}\n")
        hashed: str = parts.content_hash(("c",), ("x",))
        return hashed

    monkeypatch.setitem(parts.HEAVY, "c", parts.HEAVY["c"]._replace(extras=("x",)))
    parts.write_record("c", ask_for("torch==1"))
    for name in "ab":
        time.sleep(0.01)
        parts.write_record(name, parts.content_hash((name,)))
    now = ask_for("torch==2")
    parts.write_record("b", "")
    parts.heavy(parts.Session(), everything=False)
    assert ran == ["c", "b", "a"]
    assert parts.read_record("c")["sha256"] == now


@pytest.fixture(params=["workshop", "environment"])
def workshop(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], subprocess.Popen[bytes]]:
    """Starts the script with a double of Python that writes down what it is asked; `broken` breaks what it made."""
    double, folder = tmp_path / "python", tmp_path / "workshop"
    double.write_text(f"""#!/bin/sh
        echo "$*" >> {tmp_path}/asked
        case "$*" in
          *requirements*) cat {tmp_path}/extras ;;
          *venv*) sleep 0.2; rm -rf {folder}; mkdir -p {folder}/bin; cp {double} {folder}/bin/python ;;
          -c*) test ! -e {folder}/broken ;;
          *pip*) test ! -e {tmp_path}/offline ;;
        esac
    """)
    double.chmod(0o755)
    (tmp_path / "extras").write_text("torch\n")

    def start() -> subprocess.Popen[bytes]:
        words = ["sh", str(ROOT / ".ci" / request.param), str(double), str(folder)]
        if request.param == "workshop":
            return subprocess.Popen(words)
        with (tmp_path / "extras").open("rb") as requirements:
            return subprocess.Popen([*words, "import torch"], stdin=requirements)

    return start


def test_an_environment_is_kept_while_it_works(workshop: Callable[[], subprocess.Popen[bytes]], tmp_path: Path) -> None:
    def times_made() -> int:
        return (tmp_path / "asked").read_text().count("venv --clear")

    at_once = [workshop(), workshop()]
    assert [each.wait(20) for each in at_once] == [0, 0]
    assert times_made() == 1
    (tmp_path / "workshop" / "broken").touch()
    assert workshop().wait(20) == 0
    assert times_made() == 2
    (tmp_path / "extras").write_text("torch==2\n")
    (tmp_path / "offline").touch()
    assert workshop().wait(20) != 0
    (tmp_path / "offline").unlink()
    assert workshop().wait(20) == 0
    assert times_made() == 4
    assert workshop().wait(20) == 0
    assert times_made() == 4


def test_the_tables_are_of_this_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """What heavy parts watch is there, and the environments' targets; requirements are resolved, without comments."""
    module = ci_driver.load(monkeypatch)
    heavy = module.HEAVY.values()
    assert not [name for part in heavy for name in (*part.watched, *part.tests) if not (ROOT / name).exists()]
    targets = {module.ENVIRONMENTS[name].target for part in heavy for name in part.environments}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert not [target for target in targets if f"\n{target}: " not in makefile]
    lines = module.requirements(["models", "dev"])
    assert "torch==2.13.0" in lines
    assert any(line.startswith("numpy") for line in lines)
    assert not [line for line in lines if line.startswith("#") or "%" in line]
    assert "numpy==1.26" in module.oldest(["runtime", "tflite"])
    assert not [line for line in module.oldest(["runtime", "tflite", "test"]) if ">" in line]
