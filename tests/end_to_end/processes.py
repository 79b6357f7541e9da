"""Hub, broker and device as separate processes, for tests that end them hard."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.processes import DERMEDGE, environment
from tests.broker import Mosquitto
from tests.patience import wait_until


class Field:
    """A folder with a provisioned hub and device, a real mosquitto, and the processes that were started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mosquitto = Mosquitto(folder)
        self.port = self.mosquitto.port
        self.hub, self.device = folder / "hub", folder / "device"
        self._started: list[subprocess.Popen[bytes]] = []
        self.call("hub", "init", str(self.hub))
        keys = ("--hub-keys", str(self.hub / "hub-keys.json"))
        self.call("provision", "--offline", *keys, "--site", "village-3", "--device", "handheld-7", str(self.device))
        self.call("hub", "device", "add", str(self.device / "device.json"), "--dir", str(self.hub))

    def call(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*DERMEDGE, *command],
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"dermedge {' '.join(command)}: {done.returncode}: {done.stderr}")
        return done

    def broker(self) -> subprocess.Popen[bytes]:
        return self.mosquitto.start()

    def ingest(self) -> subprocess.Popen[bytes]:
        address = f"127.0.0.1:{self.port}"
        return self._start("ingest", [*DERMEDGE, "hub", "ingest", "--dir", str(self.hub), "--broker", address])

    def run_device(self, *more: str) -> subprocess.Popen[bytes]:
        settings = ["operator.script=phantom", "phantom.frames_per_person=25", "camera.rate_hz=15"]
        settings += ["camera.width_px=640", "camera.height_px=360", f"outbox.ledger={self.device / 'ledger.jsonl'}"]
        command = [*DERMEDGE, "run", "--source", "phantom", "--identity", str(self.device)]
        command += ["--broker", f"127.0.0.1:{self.port}", *more]
        return self._start("device", command + [part for each in settings for part in ("--set", each)])

    def unacknowledged(self) -> int:
        """Rows of the outbox that wait for the hub's receipt, read from outside."""
        with contextlib.closing(sqlite3.connect(f"file:{self.device / 'outbox.db'}?mode=ro", uri=True)) as outbox:
            return int(outbox.execute("SELECT count(*) FROM events WHERE acknowledged_at IS NULL").fetchone()[0])

    def acknowledged(self) -> int:
        with contextlib.closing(sqlite3.connect(f"file:{self.device / 'outbox.db'}?mode=ro", uri=True)) as outbox:
            return int(outbox.execute("SELECT count(*) FROM events WHERE acknowledged_at IS NOT NULL").fetchone()[0])

    def verdict(self) -> dict[str, Any]:
        done = self.call("witness", str(self.folder), check=False)
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def words(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        self.mosquitto.stop()

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._started.append(process)
        return process


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """A condition that reads the outbox: as long as the device has not made it, it is not true."""

    def is_true() -> bool:
        with contextlib.suppress(sqlite3.Error):
            return condition()
        return False

    wait_until(is_true, what, seconds, every_s=0.05)  # gently: it opens the device's database each time
