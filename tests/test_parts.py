"""The driver behind `make test` and .ci/run: it must not turn green by itself."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from tests.patience import wait_until
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

    monkeypatch.setitem(parts.HEAVY, "c", parts.HeavyPart("heavy", "tests/c", ("c",), ("x",)))
    parts.write_record("c", ask_for("torch==1"))
    for name in "ab":
        time.sleep(0.01)
        parts.write_record(name, parts.content_hash((name,)))
    now = ask_for("torch==2")
    parts.write_record("b", "")
    parts.heavy(parts.Session(), everything=False)
    assert ran == ["c", "b", "a"]
    assert parts.read_record("c")["sha256"] == now


def test_a_command_that_is_not_there_is_a_failure(parts: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    session = parts.Session()
    assert not session.check("absent", ["nothing-of-that-name"])
    assert not session.tests("tests", Path("/nothing/python"), [], may_be_none=True)
    assert session.report() == 1
    printed = capsys.readouterr().out
    assert "absent: expected to run nothing-of-that-name, got: [Errno 2]" in printed
    assert printed.splitlines()[-1].startswith("0 passed, 2 failed, 0 skipped")


def test_a_run_that_breaks_off_reports_what_it_has(
    parts: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def core(session: object) -> None:
        session.check("first", ["true"])  # type: ignore[attr-defined]
        raise RuntimeError("in the middle")

    monkeypatch.setattr(parts, "core", core)
    with pytest.raises(RuntimeError, match="in the middle"):
        parts.main(["core"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 passed, 1 failed, 0 skipped")


def test_what_a_part_leaves_running_is_ended(parts: ModuleType, tmp_path: Path) -> None:
    """It would hold our output open, and a pipe behind the run would wait for it."""
    sleeper = tmp_path / "sleeper.pid"
    assert parts.Session().check("leaves", ["sh", "-c", f"sleep 300 & echo $! > {sleeper}"])
    wait_until(lambda: has_ended(int(sleeper.read_text())), "the sleeper's end", 5)


def test_a_part_that_hangs_is_ended(parts: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    session = parts.Session()
    monkeypatch.setattr(parts, "LIMIT_S", 1)
    begun = time.monotonic()
    assert not session.check("hangs", ["sleep", "30"])
    assert time.monotonic() - begun < 10


@pytest.fixture
def workshop(tmp_path: Path) -> Callable[[], subprocess.Popen[bytes]]:
    """Starts .ci/workshop with a double of Python that writes down what it is asked; `broken` breaks what it made."""
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
    return lambda: subprocess.Popen(["sh", str(ROOT / ".ci" / "workshop"), str(double), str(folder)])


def test_the_workshop_is_kept_while_it_works(workshop: Callable[[], subprocess.Popen[bytes]], tmp_path: Path) -> None:
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
    nowhere = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, "-c", program], stdin=nowhere, stdout=nowhere, stderr=nowhere) as driver:
        wait_until(lambda: sleeper.exists() and sleeper.read_text(), "the sleeper", 20)
        driver.terminate()
        assert driver.wait(timeout=10) == 143
    wait_until(lambda: has_ended(int(sleeper.read_text())), "the sleeper's end", 5)


def has_ended(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
