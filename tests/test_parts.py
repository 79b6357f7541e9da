"""The driver behind `make test` and .ci/run: it must not turn green by itself."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from tests import ci_driver
from tests.patience import wait_until
from tests.tree import ROOT

WHOLE_MODULE = "import pytest\npytest.importorskip('nothing_of_that_name', reason='no camera')\n"


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    return ci_driver.on_empty_project(monkeypatch, tmp_path)


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
