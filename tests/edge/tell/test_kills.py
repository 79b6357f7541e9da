"""SIGKILL of the device at each failpoint: nothing lost, nothing doubled, and the ledger says so by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from edge import config, wire
from edge.publish.mqtt import MqttPublisher
from tests.broker import Mosquitto
from tests.edge.tell.tiny_hub import TinyHub
from tests.golden.keys import Keys
from tests.patience import wait_until

APPENDS = 12


@pytest.fixture
def hub(mosquitto: Mosquitto, keys: Keys) -> Iterator[TinyHub]:
    hub = TinyHub(MqttPublisher(config.Broker(port=mosquitto.port)), keys)
    hub.start()
    wait_until(lambda: hub.publisher.connected, "the hub to connect")
    yield hub
    hub.stop()


def run_device(folder: Path, port: int, count: int, failpoint: str = "") -> int:
    command = [sys.executable, "-m", "tests.edge.tell.device_child", str(folder), str(port), str(count)]
    environment = {**os.environ, "DERMEDGE_FAILPOINTS": failpoint}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


def unacknowledged(folder: Path) -> int:
    with closing(apsw.Connection(str(folder / "outbox.db"))) as outbox:
        return int(outbox.execute("SELECT count(*) FROM events WHERE acknowledged_at IS NULL").get)


@pytest.mark.parametrize(
    ("failpoint", "hits"),
    [
        ("outbox.before_commit", (1, 4, 9)),
        ("outbox.after_commit", (1, 4, 9)),
        ("delivery.after_publish", (1, 3, 10)),
        ("delivery.after_acknowledgement", (1, 2, 5)),
    ],
)
def test_kills_at_a_failpoint_lose_and_double_nothing(
    tmp_path: Path, mosquitto: Mosquitto, hub: TinyHub, failpoint: str, hits: tuple[int, ...]
) -> None:
    pending_at_kill = []
    for nth in hits:
        assert run_device(tmp_path, mosquitto.port, APPENDS, f"{failpoint}=kill@{nth}") == -signal.SIGKILL
        pending_at_kill.append(unacknowledged(tmp_path))
    assert run_device(tmp_path, mosquitto.port, 0) == 0
    if failpoint != "outbox.before_commit":
        assert all(pending_at_kill), "expected unacknowledged events at every kill"

    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    intended = [line["event_id"] for line in lines if line["what"] == "intend"]
    committed = [line["event_id"] for line in lines if line["what"] == "committed"]
    assert len(intended) == len(set(intended))
    assert len(committed) == len(set(committed))
    assert set(hub.arrivals) == set(committed), "lost, or sent without having been committed"
    with closing(apsw.Connection(str(tmp_path / "outbox.db"))) as outbox:
        rows = outbox.execute("SELECT seq, event_id, acknowledged_at FROM events ORDER BY seq").fetchall()
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1)), "a gap in seq"
    assert {row[1] for row in rows} == set(committed)
    assert all(row[2] is not None for row in rows)
    if failpoint == "outbox.before_commit":
        assert set(intended) > set(committed), "what was killed before its commit is an intent only"
    elif failpoint == "outbox.after_commit":
        assert set(intended) == set(committed), "the line that the kill prevented is written at the next start"
    else:
        assert set(intended) >= set(committed)
    if failpoint == "delivery.after_acknowledgement":
        assert any(count > 1 for count in hub.arrivals.values()), "expected an event that was stored and sent again"


def test_a_killed_device_is_told_offline_by_its_will(tmp_path: Path, mosquitto: Mosquitto, hub: TinyHub) -> None:
    assert run_device(tmp_path, mosquitto.port, 3, "delivery.after_publish=kill@2") == -signal.SIGKILL

    def said() -> list[bool]:
        return [wire.decode(each, wire.Status).online for each in hub.words.get("status", [])]

    wait_until(lambda: said()[-1:] == [False], "the broker to publish the will")
    assert said()[0] is True  # once for each connection: a slow machine may make a second one before the kill


def test_kills_of_the_broker_in_the_middle_lose_nothing(tmp_path: Path, mosquitto: Mosquitto, hub: TinyHub) -> None:
    hub.acknowledging = False
    command = [sys.executable, "-m", "tests.edge.tell.device_child", str(tmp_path), str(mosquitto.port), "60"]
    device = subprocess.Popen(command)
    wait_until(lambda: len(hub.arrivals) > 3, "the first events")
    mosquitto.kill()
    mosquitto.start()
    hub.acknowledging = True
    assert device.wait(30) == 0
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    committed = {line["event_id"] for line in lines if line["what"] == "committed"}
    assert len(committed) == 80
    assert set(hub.arrivals) == committed
    assert max(hub.arrivals.values()) > 1
