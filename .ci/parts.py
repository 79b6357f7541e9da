# ruff: noqa: INP001 - a script, not a package
"""The tests part by part: minutes, counts, reasons for skips, and what was not run. Standard library only.

    parts.py core            packages, environment, lint, and every folder of tests/ (what `make test` runs)
    parts.py heavy           the heavy parts, all of them
    parts.py core heavy      core; then the heavy parts whose files changed since they last passed; then the others in
                             turn until 65 minutes have gone (what .ci/run asks for)
    parts.py requirements EXTRA…   the requirements behind extras of setup.cfg, one a line
    parts.py oldest EXTRA…         the same, each at its lower bound

The environment is DERMEDGE_VENV or .venv; the heavy parts run in those that .ci/heavy_parts.py names.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from heavy_parts import ENVIRONMENTS, HEAVY

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dermedge"
RECORDS = CACHE / "ci"
ENVIRONMENT = ROOT / os.environ.get("DERMEDGE_VENV", ".venv")

CORE_AIM_S = 20 * 60
LAST_START_S = 65 * 60
LIMIT_S = 88 * 60

PREPARATION = {
    "packages": ["make", "packages"],
    "install": ["make", "environment"],
    "lint": ["make", "--keep-going", "lint"],
}
ROOMS_FIRST = ("edge", "contracts", "firmware_cfg", "convert", "models", "hub", "end_to_end", "faults")
NO_TESTS_COLLECTED = 5


class Result(NamedTuple):
    """What one part came to; skips by reason."""

    name: str
    seconds: float
    passed: int = 0
    failed: int = 0
    skips: Counter[str] = Counter()  # noqa: RUF012 - never written to


class Session:
    """One run: its clock, its results, and what was left out."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.results: list[Result] = []
        self.not_run: dict[str, str] = {}

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.started

    def check(self, name: str, command: Sequence[str]) -> bool:
        """A command that passes or fails as one."""
        begun = self.elapsed_s
        ok = self._call(name, command) == 0
        self._add(Result(name, self.elapsed_s - begun, passed=int(ok), failed=int(not ok)))
        return ok

    def tests(self, name: str, python: Path, arguments: Sequence[str], *, may_be_none: bool = False) -> bool:
        """A pytest run. may_be_none: a room whose tests are all heavy has none in the core."""
        begun = self.elapsed_s
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            code = self._call(name, [str(python), "-m", "pytest", "-q", f"--junitxml={report}", *arguments])
            passed, failed, skips = read_report(report)
        if not failed and code != 0 and not (may_be_none and code == NO_TESTS_COLLECTED):
            failed = 1
        self._add(Result(name, self.elapsed_s - begun, passed, failed, skips))
        return not failed

    def _call(self, name: str, command: Sequence[str]) -> int:
        print(f"\n==== {name}: {' '.join(command)}", flush=True)
        try:
            process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        except OSError as error:
            print(f"{name}: expected to run {command[0]}, got: {error}", flush=True)
            return 1
        try:
            return process.wait(timeout=max(1.0, LIMIT_S - self.elapsed_s))
        except subprocess.TimeoutExpired:
            print(f"{name}: stopped, the {LIMIT_S // 60} minutes of this run are over", flush=True)
            return 1
        finally:
            # What it left running would hold our own output open, and .ci/run would wait for it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _add(self, result: Result) -> None:
        self.results.append(result)
        print(f"==== {result.name}: {minutes(result.seconds)} minutes", flush=True)

    def report(self) -> int:
        """Print the summary; the exit code."""
        skips: Counter[str] = sum((result.skips for result in self.results), Counter())
        passed, failed = sum(result.passed for result in self.results), sum(result.failed for result in self.results)
        print("\nminutes per part")
        for result in self.results:
            verdict = f"{result.failed} FAILED" if result.failed else "ok"
            print(f"  {result.name:<20} {minutes(result.seconds):>5}  {result.passed:>5} passed  {verdict}")
        for reason, count in skips.most_common():
            print(f"skipped {count}: {reason}")
        for name, reason in self.not_run.items():
            print(f"not run: {name} ({reason})")
        print(f"{passed} passed, {failed} failed, {skips.total()} skipped in {minutes(self.elapsed_s)} minutes")
        return int(failed > 0)


def core(session: Session) -> None:
    """Everything that needs neither TensorFlow nor PyTorch; stops early where the environment cannot be made."""
    begun = session.elapsed_s
    rooms = room_tests()
    for name, command in PREPARATION.items():
        if not session.check(name, command) and name == "install":
            session.not_run.update(dict.fromkeys([*rooms, "lint"], "the environment could not be made"))
            return
    for name, paths in rooms.items():
        session.tests(name, ENVIRONMENT / "bin" / "python", paths, may_be_none=True)
    if session.elapsed_s - begun > CORE_AIM_S:
        print(f"core took {minutes(session.elapsed_s - begun)} minutes; the aim is {CORE_AIM_S // 60}", flush=True)


def room_tests() -> dict[str, list[str]]:
    """Part → paths: every folder of tests/ that has tests, so that none is forgotten, then the files beside them."""
    folders = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py") if path.parent != TESTS}
    ordered = [name for name in ROOMS_FIRST if name in folders] + sorted(folders.difference(ROOMS_FIRST))
    house = sorted(f"tests/{path.name}" for path in TESTS.glob("test_*.py"))
    return {"house": house} | {name: [f"tests/{name}"] for name in ordered}


def heavy(session: Session, *, everything: bool) -> None:
    """Heavy parts: those whose files changed since they last passed, then those that waited longest."""
    digests = {name: content_hash(part.watched, part.extras) for name, part in HEAVY.items()}
    records = {name: read_record(name) for name in HEAVY}
    due = sorted(HEAVY, key=lambda name: (records[name]["sha256"] == digests[name], records[name]["passed_at"]))
    lacking: dict[str, str] = {}
    for name in due:
        if not everything and session.elapsed_s > LAST_START_S:
            session.not_run[name] = f"{LAST_START_S // 60} minutes have gone"
            continue
        part = HEAVY[name]
        for each in part.environments:
            if each not in lacking:
                lacking[each] = prepare(session, each)
        why_not = next(filter(None, map(lacking.get, part.environments)), "")
        if why_not:
            session.not_run[name] = why_not
        elif session.tests(name, CACHE / part.environments[0] / "bin" / "python", ["-m", part.marker, *part.tests]):
            write_record(name, digests[name])


def prepare(session: Session, name: str) -> str:
    """Make an environment, or bring it up to date; why there is none, or nothing."""
    environment = ENVIRONMENTS[name]
    python = interpreter(environment.pythons)
    if python is None:
        return f"{environment.reason}, and there is no Python {' or '.join(environment.pythons)} on this machine"
    if session.check(name, ["make", environment.target, f"PYTHON={python}"]):
        return ""
    return f"the environment {name} could not be made"


def interpreter(versions: Sequence[str]) -> str | None:
    """A Python of one of these versions, or ours where any will do: our own, or the first that PATH has."""
    if not versions or f"{sys.version_info.major}.{sys.version_info.minor}" in versions:
        return sys.executable
    for version in versions:
        found = shutil.which(f"python{version}")
        # A version manager may have a program of that name on PATH for a version that is not there.
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    return None


def content_hash(watched: Sequence[str], extras: Sequence[str] = ()) -> str:
    """SHA-256 over requirements, and paths and contents of these files and of all files under these folders."""
    digest = hashlib.sha256("\n".join(requirements(extras)).encode())
    for name in watched:
        for path in sorted([ROOT / name, *(ROOT / name).rglob("*")]):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def read_record(name: str) -> dict[str, str | float]:
    """When a heavy part last passed, and over which content; never, where the record is missing or damaged."""
    try:
        record = json.loads(record_path(name).read_text(encoding="utf-8"))
        return {"sha256": str(record["sha256"]), "passed_at": float(record["passed_at"])}
    except (OSError, ValueError, TypeError, KeyError):
        return {"sha256": "", "passed_at": 0.0}


def write_record(name: str, sha256: str) -> None:
    RECORDS.mkdir(parents=True, exist_ok=True)
    record_path(name).write_text(json.dumps({"sha256": sha256, "passed_at": time.time()}), encoding="utf-8")


def record_path(name: str) -> Path:
    return RECORDS / f"{name.replace(': ', '-')}.json"


def read_report(path: Path) -> tuple[int, int, Counter[str]]:
    """Passed, failed, skips by reason of a JUnit file; zeros where pytest did not come so far as to write one."""
    if not path.is_file():
        return 0, 0, Counter()
    skips: Counter[str] = Counter()
    passed = failed = 0
    for case in ET.parse(path).iter("testcase"):  # noqa: S314 - our own file
        skip = case.find("skipped")
        if skip is not None:
            skips[reason(skip)] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        else:
            passed += 1
    return passed, failed, skips


def reason(skip: ET.Element) -> str:
    """Why; a module that is skipped as a whole has it in a text of (path, line, reason)."""
    message, text = skip.get("message", ""), skip.text or ""
    return text.rpartition("Skipped: ")[2].rstrip("')\"") if message == "collection skipped" else message


def requirements(extras: Sequence[str]) -> list[str]:
    """The requirements of these extras, each once, sorted."""
    if not extras:
        return []
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    table = setup["options.extras_require"]
    return sorted({line for extra in extras for line in table[extra].splitlines() if line})


def oldest(extras: Sequence[str]) -> list[str]:
    """The requirements with each lower bound as the version that is meant."""
    return [line.replace(">=", "==", 1) for line in requirements(extras)]


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


def main(words: Sequence[str]) -> int:
    if words and words[0] in (listing := {"requirements": requirements, "oldest": oldest}):
        print("\n".join(listing[words[0]](words[1:])))
        return 0
    if not words or set(words) - {"core", "heavy"}:
        print(__doc__, file=sys.stderr)
        return 64
    # The parts run in process groups of their own, which end only because Session._call unwinds.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    session = Session()
    try:
        if "core" in words:
            core(session)
        if "heavy" in words:
            heavy(session, everything="core" not in words)
        else:
            session.not_run.update(dict.fromkeys(HEAVY, "`make test-heavy` runs it"))
    except BaseException:
        session.results.append(Result("broken off", 0.0, failed=1))
        raise
    finally:
        code = session.report()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
