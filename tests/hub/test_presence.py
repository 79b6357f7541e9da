"""The hub's word that it takes events stands, whoever else writes to its topic; and there is one ingest a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.processes import free_port
from edge.clock import SystemClock
from edge.sealing import HubKeys
from edge.wire import HUB_TOPIC, HubPresence, decode
from hub import ingest as ingest_module
from hub import keys, presence, schema
from hub.ingest import Ingest
from tests.broker import Mosquitto
from tests.hub.conftest import Reader, publisher
from tests.hub.sender import Sender, make_hub, wait_for

HUB = (sys.executable, "-m", "dermedge", "hub")


def standing(sender: Sender) -> str:
    """Whose presence it is; "" for nobody's."""
    if not sender.presences[-1]:
        return ""
    newest: HubPresence = decode(sender.presences[-1], HubPresence)
    return newest.hub


def test_a_second_hub_on_the_broker_does_not_silence_the_first(
    sender: Sender, mosquitto: Mosquitto, tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "PUBLISH_EVERY_NS", 1_000_000_000)
    own, first = sender.identity.hub.hub, sender.presences[-1]
    folder = make_hub(tmp_path / "second")
    theirs: HubKeys = decode((folder / keys.PUBLIC_FILE).read_bytes(), HubKeys)
    second = Ingest(folder, publisher(mosquitto), SystemClock())
    second.start()
    heard = len(sender.presences)
    wait_for(lambda: any(theirs.hub.encode() in each for each in sender.presences), "the second hub")
    wait_for(lambda: first in sender.presences[heard:], "the first hub's presence again", within_s=5)
    second.stop()
    wait_for(lambda: b"" in sender.presences, "the second hub's goodbye")
    wait_for(lambda: standing(sender) == own, "the first hub's presence after the second has gone", within_s=5)
    assert sender.presences[-1] == first  # the same bytes: no device sends all again for it
    # Each says its own when it is due, and never because of the other's.
    assert len(sender.presences) < 60
    wait_for(lambda: [row["kind"] for row in reader.rows(schema.alarms)] == ["foreign_presence"], "the alarm")


@pytest.mark.parametrize("payload", [b"", b"junk"])
def test_what_anybody_leaves_on_the_hub_s_topic_is_put_right(payload: bytes, sender: Sender) -> None:
    first = sender.presences[-1]
    assert sender._publisher is not None
    assert sender._publisher.publish(HUB_TOPIC, payload, retain=True)
    wait_for(lambda: payload in sender.presences, "what was left")
    wait_for(lambda: sender.presences[-1] == first, "the hub's presence", within_s=5)


def test_the_presence_comes_again_unasked_with_the_same_bytes(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_for(lambda: len(set(sender.presences)) == 1, "one presence")
    monkeypatch.setattr(presence, "PUBLISH_EVERY_NS", 200_000_000)
    before = len(sender.presences)
    wait_for(lambda: len(sender.presences) >= before + 3, "it to come again", within_s=5)
    assert set(sender.presences[before:]) == {sender.presences[-1]}


def test_a_second_ingest_on_one_folder_is_refused_in_one_line(hub: Path, mosquitto: Mosquitto) -> None:
    command = [*HUB, "ingest", "--dir", str(hub), "--broker", f"127.0.0.1:{mosquitto.port}"]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert first.stderr is not None
        assert "connected to the broker" in first.stderr.readline()
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (second.returncode, second.stderr.count("\n")) == (69, 1)
        assert "already running" in second.stderr
        assert first.poll() is None
        first.kill()  # the system lets go of the folder
        first.wait()
        third = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert third.stderr is not None
            assert "connected to the broker" in third.stderr.readline()
        finally:
            third.kill()
            third.communicate()
    finally:
        first.kill()
        first.communicate()


def test_a_broker_that_is_away_is_told_once_and_again_when_it_is_back(
    hub: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ingest_module, "AWAY_AFTER_NS", 300_000_000)
    mosquitto.stop()
    running = Ingest(hub, publisher(mosquitto), SystemClock())
    running.start()
    try:
        wait_for(lambda: "it is tried until it answers" in caplog.text, "the line that it is away")
        mosquitto.start()
        wait_for(lambda: "the broker is back" in caplog.text, "the line that it is back")
    finally:
        running.stop()
    assert caplog.text.count("it is tried until it answers") == 1
    assert caplog.text.count("the broker is back") == 1


def test_a_broker_that_never_was_is_told_on_stderr(hub: Path) -> None:
    command = [*HUB, "ingest", "--dir", str(hub), "--broker", f"127.0.0.1:{free_port()}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert process.stderr is not None
        assert "no broker answers at 127.0.0.1" in process.stderr.readline()
    finally:
        process.terminate()
        process.communicate(timeout=20)
