"""A network that loses packets and then swallows all of them: nft rules in a network namespace of our own.

Everything runs inside the namespace: a real mosquitto, a hub and a device. `bad_network` is the whole story; it needs
root, `ip` and `nft`, and says so where they are missing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import witness
from benchmarks.processes import environment
from tests.broker import CONFIGURATION

PORT = 1883
NAMESPACE = f"dermedge-faults-{os.getpid()}"
LOSS_PERCENT = 30
RULES = """\
table inet faults {{
  chain out {{
    type filter hook output priority 0;
    tcp dport {port} {chance} drop
    tcp sport {port} {chance} drop
  }}
}}
"""
DRAIN_S = 180.0


@dataclass(frozen=True)
class Weather:
    """loss_s: how long packets are lost; hole_s: how long, in the middle of it, all of them are."""

    loss_s: float
    hole_s: float
    appends_hz: float = 5.0


def missing() -> str:
    """What this machine lacks for it; "" for nothing."""
    if os.geteuid() != 0:
        return "only root may make a network namespace"
    lacks = [name for name in ("ip", "nft") if _program(name) is None]
    if lacks:
        return f"not on this machine: {', '.join(lacks)}; `make packages` installs them"
    done = subprocess.run([str(_program("ip")), "netns", "add", f"{NAMESPACE}-probe"], capture_output=True, check=False)
    if done.returncode != 0:
        return f"no network namespace here: {done.stderr.decode().strip()}"
    subprocess.run([str(_program("ip")), "netns", "del", f"{NAMESPACE}-probe"], check=True)
    return ""


def bad_network(folder: Path, weather: Weather) -> dict[str, Any]:
    """Counts of what was committed, stored and lost, and how long the rest took once the network was good again."""
    folder.mkdir(parents=True, exist_ok=True)
    with _namespace() as inside:
        processes = [_mosquitto(inside, folder)]
        try:
            assert _life(inside, "hub", "make", folder=str(folder)).wait(60) == 0
            time.sleep(0.5)
            processes.append(_life(inside, "hub", "serve", folder=str(folder), port=PORT))
            appends = int(weather.appends_hz * weather.loss_s)
            arguments = {"folder": str(folder), "port": PORT, "seed": 1, "rate_hz": weather.appends_hz}
            device = _life(inside, "device", "work_slowly", appends=appends, **arguments)
            processes.append(device)
            _set_loss(inside, LOSS_PERCENT)
            time.sleep((weather.loss_s - weather.hole_s) / 2)
            _set_loss(inside, 100)
            time.sleep(weather.hole_s)
            _set_loss(inside, LOSS_PERCENT)
            time.sleep((weather.loss_s - weather.hole_s) / 2)
            begun = time.monotonic()
            _set_loss(inside, 0)
            is_drained = device.wait(DRAIN_S) == 0
            drain_s = time.monotonic() - begun
        finally:
            for process in reversed(processes):
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    process.wait(20)
    verdict = witness.judge(
        folder / "device" / witness.LEDGER, folder / "device" / witness.OUTBOX, folder / "hub" / witness.HUB
    )
    return {
        **asdict(weather),
        "loss_percent": LOSS_PERCENT,
        **asdict(verdict),
        "drain_s": round(drain_s, 1),
        "clean": is_drained and verdict.clean and not verdict.waiting,
    }


@contextmanager
def _namespace() -> Iterator[list[str]]:
    """The command that runs another inside it."""
    ip = str(_program("ip"))
    subprocess.run([ip, "netns", "add", NAMESPACE], check=True)
    try:
        inside = [ip, "netns", "exec", NAMESPACE]
        subprocess.run([*inside, ip, "link", "set", "lo", "up"], check=True)
        yield inside
    finally:
        subprocess.run([ip, "netns", "del", NAMESPACE], check=True)


def _set_loss(inside: list[str], percent: int) -> None:
    nft = str(_program("nft"))
    subprocess.run([*inside, nft, "flush", "ruleset"], check=True)
    if percent:
        chance = "" if percent == 100 else f"numgen random mod 100 < {percent}"
        rules = RULES.format(port=PORT, chance=chance)
        subprocess.run([*inside, nft, "-f", "-"], input=rules, text=True, check=True)


def _mosquitto(inside: list[str], folder: Path) -> subprocess.Popen[bytes]:
    configuration = folder / "mosquitto.conf"
    configuration.write_text(CONFIGURATION.format(port=PORT, user="user root"))
    return subprocess.Popen(
        [*inside, str(_program("mosquitto")), "-c", str(configuration)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _life(inside: list[str], kind: str, life: str, **arguments: object) -> subprocess.Popen[bytes]:
    program = (
        f"import sys; from tests.faults import {kind}_lives as lives; sys.exit(lives.LIVES[{life!r}](**{arguments!r}))"
    )
    return subprocess.Popen([*inside, sys.executable, "-c", program], env=environment(), stdin=subprocess.DEVNULL)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin")
