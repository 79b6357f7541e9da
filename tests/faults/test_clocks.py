"""Clocks that jump, and long absences: by libfaketime for a whole process, and by a clock in hand for a day."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import witness
from benchmarks.processes import environment
from edge.clock import SystemClock
from edge.errors import OutboxFullError
from tests.broker import Mosquitto
from tests.edge.tell.conftest import HandClock
from tests.faults import hub_lives
from tests.faults.disks import fill, small_disk
from tests.faults.pair import Pair
from tests.faults.test_restored import LINE
from tests.golden import messages
from tests.patience import wait_until


class JumpingClock(HandClock):
    """The wall clock is in the test's hands; the monotonic one is the machine's, since threads wait on it."""

    def monotonic_ns(self) -> int:
        return SystemClock().monotonic_ns()


@pytest.fixture
def jumping(tmp_path: Path) -> Iterator[tuple[Pair, JumpingClock]]:
    clock = JumpingClock()
    pair = Pair(tmp_path, clock)
    yield pair, clock
    pair.stop()


@pytest.mark.parametrize("days", [-20_000, -1, 1, 20_000])
def test_a_device_whose_clock_jumps_loses_nothing(jumping: tuple[Pair, JumpingClock], days: int) -> None:
    pair, clock = jumping
    pair.start_device()
    pair.outbox.append_many([LINE] * 20)
    clock.time += timedelta(days=days)
    pair.outbox.append_many([LINE] * 20, "urgent")
    pair.start_hub()
    pair.drained()
    clock.time -= timedelta(days=days)
    pair.outbox.append_many([LINE] * 20)
    pair.drained()
    device = pair.folder / "device" / witness.OUTBOX
    pair.stop()
    verdict = witness.judge(pair.folder / witness.LEDGER, device, pair.hub / witness.HUB)
    assert verdict.clean, verdict
    assert verdict.committed >= 60


def test_a_day_away_from_the_hub_and_an_hour_of_a_full_disk_lose_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24 * 2**20) as folder:
        clock = JumpingClock()
        pair = Pair(folder, clock, max_bytes=64 * 2**20, ballast_bytes=2**20)
        pair.start_device()
        kept = refused = 0
        other: Path | None = None
        for minute in range(24 * 60):
            clock.time += timedelta(minutes=1)
            if minute == 12 * 60:
                other = fill(folder)
            if minute == 13 * 60 and other is not None:
                other.unlink()
            try:
                pair.outbox.append(messages.EVENTS[3] if minute % 60 == 0 else LINE)
                kept += 1
            except (OutboxFullError, OSError):
                refused += 1
        assert refused > 0, "expected that the disk was full for an hour"
        assert kept + refused == 24 * 60
        assert kept > 22 * 60
        pair.start_hub()
        pair.drained()
        pair.stop()
        verdict = witness.judge(folder / witness.LEDGER, folder / "device" / witness.OUTBOX, pair.hub / witness.HUB)
        # The same finding comes in several events here, so it counts once at the hub.
        assert (verdict.lost, verdict.waiting, verdict.altered, verdict.unknown, verdict.gaps) == (0, 0, 0, 0, 0)
        assert verdict.stored == verdict.committed >= kept


@pytest.mark.parametrize("jump", ["+400d", "-400d"])
def test_a_whole_device_whose_system_clock_jumps(tmp_path: Path, mosquitto: Mosquitto, jump: str) -> None:
    """libfaketime: everything in the process sees the jump, the MQTT client too."""
    program = shutil.which("faketime")
    assert program is not None, "expected faketime on this machine; `make packages` installs it"
    assert hub_lives.make(str(tmp_path)) == 0
    steps = tmp_path / "faketime"
    steps.write_text("+0")
    faked = {"FAKETIME_TIMESTAMP_FILE": str(steps), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    faked["LD_PRELOAD"] = _library(program)
    hub = _life("hub", "serve", {}, folder=str(tmp_path), port=mosquitto.port)
    arguments = {"folder": str(tmp_path), "port": mosquitto.port, "seed": 1, "appends": 60, "rate_hz": 20.0}
    device = _life("device", "work_slowly", faked, **arguments)
    try:
        ledger = tmp_path / "device" / witness.LEDGER
        wait_until(
            lambda: device.poll() is not None or (ledger.exists() and ledger.read_bytes().count(b"committed") >= 15),
            "the first events",
            30,
        )
        steps.write_text(jump)
        assert device.wait(60) == 0, "expected everything to be acknowledged"
    finally:
        for process in (device, hub):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(20)
    verdict = witness.judge(ledger, tmp_path / "device" / witness.OUTBOX, tmp_path / "hub" / witness.HUB)
    assert verdict.clean, verdict
    assert _years(tmp_path / "device" / witness.OUTBOX) == 2, "expected that the device saw the jump"


def _life(kind: str, life: str, more: dict[str, str], **arguments: object) -> subprocess.Popen[bytes]:
    program = (
        f"import sys; from tests.faults import {kind}_lives as lives; sys.exit(lives.LIVES[{life!r}](**{arguments!r}))"
    )
    return subprocess.Popen([sys.executable, "-c", program], env={**environment(), **more}, stdin=subprocess.DEVNULL)


def _library(program: str) -> str:
    """What the command `faketime` would preload."""
    done = subprocess.run(
        [program, "2030-01-01", sys.executable, "-c", "import os; print(os.environ['LD_PRELOAD'])"],
        env={**os.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _years(outbox: Path) -> int:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(DISTINCT substr(appended_at, 1, 4)) FROM events").fetchone()[0])
