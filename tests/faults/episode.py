"""One episode of kills: a new hub and a new device, some hundred lives that end hard, a quiet end, and a recount.

A kill at a failpoint is one that its own process made there; the process says so by how it ended. What was queued and
committed is noted on both sides; `witness` counts again from files alone, and effects.py looks at what commands did.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import witness
from tests.broker import Mosquitto
from tests.faults import effects
from tests.faults.warm import Warm

WINDOWS = {
    "before the commit": "outbox.before_commit",
    "commit to publish": "outbox.after_commit",
    "publish to acknowledgement": "delivery.after_publish",
    "acknowledgement to mark": "delivery.after_acknowledgement",
}
FURTHER = {
    "command done, not recorded": "commands.before_record",
    "command recorded, not answered": "commands.after_record",
    "hub: before its commit": "hub.before_commit",
    "hub: commit to acknowledgement": "hub.after_commit",
    "hub: before the command's commit": "hub.before_command",
    "hub: commit to sending the command": "hub.after_command",
}
RANDOM = ("device at random", "hub at random", "broker at random")
TRIES_MAX = 8
QUIET_ENDS_MAX = 3


@dataclass(frozen=True)
class Plan:
    """How many kills of each kind, and how much there is to do in between."""

    at_windows: int = 50
    at_further: int = 4
    devices: int = 35
    hubs: int = 10
    brokers: int = 5
    appends: int = 4
    commands: int = 50

    def kinds(self, chance: random.Random) -> list[str]:
        kinds = [*WINDOWS] * self.at_windows + [*FURTHER] * self.at_further
        kinds += [RANDOM[0]] * self.devices + [RANDOM[1]] * self.hubs + [RANDOM[2]] * self.brokers
        chance.shuffle(kinds)
        return kinds


@dataclass
class Outcome:
    """kills: by kind. missed: a failpoint that no life came to. effects, wrong: as effects.py counts and tells."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    events: dict[str, Any] = field(default_factory=dict)
    commands: dict[str, Any] = field(default_factory=dict)
    effects: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Everything that was committed is there, once, on the other side, and what was told to do is done."""
        faults = ("lost", "doubled", "altered", "waiting")
        events = (*faults, "unknown", "uncounted", "gaps")
        return (
            self.events.get("committed", 0) > 0
            and self.events["committed"] == self.events["stored"]
            and not any(self.events[name] for name in events)
            and not any(self.commands[name] for name in faults)
            and not any(self.effects[name] for name in ("undone", "doubled"))
        )


class Episode:
    """folder: new. devices, hubs: warm processes, which outlive it."""

    def __init__(self, folder: Path, seed: int, plan: Plan, devices: Warm, hubs: Warm, serve: str = "serve") -> None:
        self._folder, self._plan, self._serve = folder, plan, serve
        self._devices, self._hubs = devices, hubs
        self._chance = random.Random(seed)
        self._outcome = Outcome(seed)
        self._queued = 0
        self._hub: int | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._broker = Mosquitto(folder)
        assert hubs.live("make", folder=str(folder)) == 0, "expected a hub and a device"

    def play(self) -> Outcome:
        """Kill, drain, recount."""
        begun = time.monotonic()
        kinds = self._plan.kinds(self._chance)
        self._broker.start()
        try:
            self._start_hub()
            for number, kind in enumerate(kinds):
                while self._queued * len(kinds) < self._plan.commands * number:
                    self._queue()
                if self._kill(kind):
                    self._outcome.kills[kind] += 1
                else:
                    self._outcome.missed += 1
            self._quiet_end()
        finally:
            self._stop_hub(signal.SIGTERM)
            self._broker.stop()
        self._recount()
        self._outcome.seconds = round(time.monotonic() - begun, 1)
        return self._outcome

    def _kill(self, kind: str) -> bool:
        if kind in WINDOWS or kind in {"command done, not recorded", "command recorded, not answered"}:
            return self._device_at({**WINDOWS, **FURTHER}[kind])
        if kind in FURTHER:
            return self._hub_at(FURTHER[kind])
        if kind == RANDOM[0]:
            pid = self._device(linger_s=1.0)
            time.sleep(self._chance.uniform(0.0, 0.3))
            os.kill(pid, signal.SIGKILL)
            return self._devices.wait(pid) == -signal.SIGKILL
        pid = self._device(linger_s=0.4)
        time.sleep(self._chance.uniform(0.0, 0.2))
        if kind == RANDOM[1]:
            self._stop_hub(signal.SIGKILL)
            self._start_hub()
        else:
            self._broker.kill()
            self._broker.start()
        self._devices.wait(pid)
        return True

    def _device_at(self, failpoint: str) -> bool:
        """Lives until one ends there."""
        for attempt in range(TRIES_MAX):
            if failpoint.startswith("commands."):
                self._queue()
            nth = self._chance.randint(1, max(1, 4 - attempt))
            environment = {"DERMEDGE_FAILPOINTS": f"{failpoint}=kill@{nth}"}
            linger_s = 0.3 * (1 + attempt)
            if self._devices.wait(self._device(environment, linger_s=linger_s)) == -signal.SIGKILL:
                return True
        return False

    def _hub_at(self, failpoint: str) -> bool:
        self._stop_hub(signal.SIGTERM)
        if failpoint == "hub.before_command":
            self._queue()
        pid = self._start_hub({"DERMEDGE_FAILPOINTS": f"{failpoint}=kill"})
        for attempt in range(TRIES_MAX):
            self._devices.wait(self._device(linger_s=0.3 * (1 + attempt)))
            if _is_over(pid):
                break
        self._stop_hub(signal.SIGTERM)
        ended = self._ended
        self._start_hub()
        return ended == -signal.SIGKILL

    def _device(self, environment: dict[str, str] | None = None, *, linger_s: float) -> int:
        appends = self._chance.randint(1, 2 * self._plan.appends - 1)
        return self._devices.start(
            "work",
            environment,
            folder=str(self._folder),
            port=self._broker.port,
            seed=self._chance.getrandbits(32),
            appends=appends,
            linger_s=linger_s,
        )

    def _queue(self) -> None:
        assert self._hubs.live("queue", folder=str(self._folder), seed=self._chance.getrandbits(32)) == 0
        self._queued += 1

    def _start_hub(self, environment: dict[str, str] | None = None) -> int:
        arguments = {"folder": str(self._folder), "port": self._broker.port}
        self._hub = self._hubs.start(self._serve, environment, **arguments)
        return self._hub

    def _stop_hub(self, how: signal.Signals) -> None:
        """`_ended` says how it did."""
        if self._hub is not None:
            os.kill(self._hub, how)
            self._ended = self._hubs.wait(self._hub)
            self._hub = None

    def _quiet_end(self, life: str = "drain") -> None:
        """Until nothing waits on either side; a hub may have more to say once its device is here."""
        folder = str(self._folder)
        for _ in range(QUIET_ENDS_MAX):
            known = self._known()
            self._devices.live(life, folder=folder, port=self._broker.port, commands=known)
            self._hubs.live("answered", folder=folder)
            if self._known() == known:
                return

    def _known(self) -> int:
        """The hub's commands."""
        database = self._folder / "hub" / witness.HUB
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            count: int = connection.execute("SELECT count(*) FROM commands").fetchone()[0]
        return count

    def _recount(self) -> None:
        device, hub = self._folder / "device", self._folder / "hub"
        verdict = witness.judge(device / witness.LEDGER, device / witness.OUTBOX, hub / witness.HUB)
        noted = self._folder / witness.COMMANDS
        ledger = noted if noted.exists() else None
        commands = witness.judge_commands(device / witness.OUTBOX, hub / witness.HUB, ledger)
        self._outcome.events, self._outcome.commands = asdict(verdict), asdict(commands)
        found = effects.judge(self._folder)
        self._outcome.effects, self._outcome.wrong = found.counts(), found.wrong


def _is_over(pid: int) -> bool:
    """Whether it has ended: its parent, a warm process, has not asked yet, so that it stands as a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"
