from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge import failpoints
from edge.errors import ConfigError


@pytest.fixture(autouse=True)
def forget_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_hits", {})


def test_nothing_happens_unless_the_environment_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(failpoints.ENVIRONMENT, raising=False)
    failpoints.hit("outbox.before_commit")
    monkeypatch.setenv(failpoints.ENVIRONMENT, "outbox.after_commit=raise")
    failpoints.hit("outbox.before_commit")


def test_raise_at_the_third_hit_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(failpoints.ENVIRONMENT, "outbox.before_commit=raise@3, delivery.after_publish=raise")
    failpoints.hit("outbox.before_commit")
    failpoints.hit("outbox.before_commit")
    with pytest.raises(OSError, match=r"failpoint outbox\.before_commit"):
        failpoints.hit("outbox.before_commit")
    failpoints.hit("outbox.before_commit")


def test_kill_is_a_sigkill_of_this_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from edge import failpoints; failpoints.hit('hub.after_commit'); print('alive')"],
        env={**os.environ, failpoints.ENVIRONMENT: "hub.after_commit=kill", "PYTHONPATH": "."},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == b""


def test_hold_waits_until_the_path_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "held"
    monkeypatch.setenv(failpoints.ENVIRONMENT, f"outbox.after_commit=hold:{path}")
    thread = threading.Thread(target=failpoints.hit, args=("outbox.after_commit",), daemon=True)
    thread.start()
    deadline = time.monotonic() + 5
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    thread.join(0.05)
    assert thread.is_alive()
    path.unlink()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "text", ["outbox.before_commit", "outbox.nowhere=kill", "outbox.before_commit=explode", "hub.after_commit=kill@0"]
)
def test_a_misspelt_failpoint_is_told(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(failpoints.ENVIRONMENT, text)
    with pytest.raises(ConfigError, match="unset it"):
        failpoints.hit("outbox.before_commit")
