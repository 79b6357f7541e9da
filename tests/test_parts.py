"""The driver behind `make test` and .ci/run: it must not turn green by itself."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from tests.tree import ROOT

WHOLE_MODULE = "import pytest\npytest.importorskip('nothing_of_that_name', reason='no camera')\n"


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The driver on an empty project of three heavy parts, with records of its own."""
    spec = importlib.util.spec_from_file_location("parts", ROOT / ".ci" / "parts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "parts", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "RECORDS", tmp_path / "records")
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.py").write_text(name)
    heavy = {name: module.HeavyPart("heavy", f"tests/{name}", (name,)) for name in "abc"}
    monkeypatch.setattr(module, "HEAVY", heavy)
    return module


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


@pytest.mark.parametrize(
    ("body", "may_be_none", "counts"),
    [
        ("def test_a(): pass", False, (1, 0, 0)),
        ("def test_a(): assert 0", False, (0, 1, 0)),
        ("import pytest\ndef test_a(): pytest.skip('no camera')", False, (0, 0, 1)),
        ("import nothing_of_that_name", False, (0, 1, 0)),
        ("", False, (0, 1, 0)),
        ("", True, (0, 0, 0)),
    ],
)
def test_counts_are_those_of_pytest(
    parts: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    body: str,
    may_be_none: bool,
    counts: tuple[int, int, int],
) -> None:
    (tmp_path / "test_body.py").write_text(body)
    session = parts.Session()
    arguments = ["-p", "no:cacheprovider", "test_body.py"]
    assert session.tests("part", Path(sys.executable), arguments, may_be_none=may_be_none) == (counts[1] == 0)
    assert session.report() == int(counts[1] > 0)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("{} passed, {} failed, {} skipped in ".format(*counts))


@pytest.mark.parametrize(
    "body", ["import pytest\n@pytest.mark.skip('no camera')\ndef test_a(): pass\n", WHOLE_MODULE], ids=["one", "module"]
)
def test_skips_are_told_by_reason(
    parts: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str
) -> None:
    (tmp_path / "test_body.py").write_text(body)
    session = parts.Session()
    session.tests("part", Path(sys.executable), ["-p", "no:cacheprovider", "test_body.py"], may_be_none=True)
    session.report()
    assert "skipped 1: no camera" in capsys.readouterr().out


def test_a_part_that_hangs_is_ended(parts: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    session = parts.Session()
    monkeypatch.setattr(parts, "LIMIT_S", 1)
    begun = time.monotonic()
    assert not session.check("hangs", ["sleep", "30"])
    assert time.monotonic() - begun < 10


def test_the_tables_are_of_this_project() -> None:
    """What heavy parts watch is there; the workshop's requirements are resolved, without a comment among them."""
    spec = importlib.util.spec_from_file_location("parts_here", ROOT / ".ci" / "parts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert not [name for part in module.HEAVY.values() for name in part.watched if not (ROOT / name).exists()]
    lines = module.requirements(["models", "dev"])
    assert "torch==2.13.0" in lines
    assert any(line.startswith("numpy") for line in lines)
    assert not [line for line in lines if line.startswith("#") or "%" in line]


def test_a_run_that_is_terminated_leaves_nothing_running(tmp_path: Path) -> None:
    """The parts have process groups of their own, which a signal to the driver alone does not reach."""
    sleeper = tmp_path / "sleeper.pid"
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / '.ci')!r}); import parts; parts.room_tests = dict; "
        f"parts.PREPARATION = {{'sleeps': ['sh', '-c', 'sleep 300 & echo $! > {sleeper}; wait']}}; "
        "sys.exit(parts.main(['core']))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL) as driver:
        deadline = time.monotonic() + 20
        while not (sleeper.exists() and sleeper.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        driver.terminate()
        assert driver.wait(timeout=10) == 143
    status = Path(f"/proc/{int(sleeper.read_text())}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"
