"""A hub with two sites that have seen people, and `hub boards run` on it as a process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.processes import free_port
from edge.config import Broker
from edge.publish.mqtt import MqttPublisher
from hub import database
from tests.boards.rows import add_device, add_people
from tests.broker import Mosquitto
from tests.hub.sender import make_hub
from tests.patience import wait_until

START_WITHIN_S = 90.0


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    return make_hub(tmp_path / "hub")


@pytest.fixture
def engine(hub: Path) -> Iterator[sa.Engine]:
    made = database.open_database(hub)
    yield made
    made.dispose()


@pytest.fixture
def busy(engine: sa.Engine) -> sa.Engine:
    """Ward: 12 people, 9 urgent and 6 routine findings. Village: 3 people, 2 urgent findings: too few to be told."""
    with engine.begin() as connection:
        add_device(connection, "cam-1", "ward", battery=0.8, model="lesion-320 1.0.0")
        add_device(connection, "cam-2", "village", backlog=40)
        add_people(connection, "ward", screened=12, urgent=9, routine=6, refused=1)
        add_people(connection, "village", screened=3, urgent=2)
    return engine


@dataclass
class Boards:
    """A running `hub boards run`."""

    process: subprocess.Popen[bytes]
    metrics: str


StartBoards = Callable[..., Boards]


@pytest.fixture
def start_boards(hub: Path, mosquitto: Mosquitto, tmp_path: Path) -> Iterator[StartBoards]:
    """Started with these further arguments, and answering."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*more: str) -> Boards:
        port = free_port()
        command = [sys.executable, "-m", "dermedge", "hub", "boards", "run", "--dir", str(hub), "--port", str(port)]
        log = tmp_path / "boards.log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [*command, "--broker", f"127.0.0.1:{mosquitto.port}", *more], env=dict(os.environ), stderr=written
            )
        running.append(process)

        def served() -> bool:
            assert process.poll() is None, log.read_text()
            return "metrics: http" in log.read_text()

        wait_until(served, "hub boards to serve", within_s=START_WITHIN_S)
        return Boards(process, f"http://127.0.0.1:{port}/metrics")

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(30) for process in running] == [0] * len(running)


class Listener:
    """Any client of the broker: the newest payload of each topic."""

    def __init__(self, broker: Mosquitto, *topics: str) -> None:
        self.newest: dict[str, bytes] = {}
        self.retained: set[str] = set()
        self._lock = threading.Lock()
        self.publisher = MqttPublisher(Broker(host="127.0.0.1", port=broker.port))
        self.publisher.start(f"test-{os.urandom(4).hex()}", [(each, 1) for each in topics], lambda: None, self._take)
        wait_until(lambda: self.publisher.connected, "a connection to the broker", within_s=30)

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        with self._lock:
            self.newest[topic] = payload
            if retained:
                self.retained.add(topic)

    def publish(self, topic: str, payload: bytes) -> None:
        assert self.publisher.publish(topic, payload, qos=1, retain=True)


@pytest.fixture
def listen(mosquitto: Mosquitto) -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def listen(*topics: str) -> Listener:
        made.append(Listener(mosquitto, *topics))
        return made[-1]

    yield listen
    for each in made:
        each.publisher.stop()


def program(name: str) -> str:
    """A program of the system; its absence is a failure."""
    found = shutil.which(name)
    assert found is not None, f"expected {name} on this machine; `make packages` installs it"
    return found
