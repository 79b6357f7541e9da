"""`hub ingest` as a process, killed before and after its commit, over an event that is not acknowledged yet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hub import schema
from tests.broker import Mosquitto
from tests.hub.conftest import MakeSender, Reader
from tests.hub.sender import finding, wait_for

START_WITHIN_S = 40.0
Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start_ingest(hub: Path, mosquitto: Mosquitto) -> Iterator[Start]:
    """Starts `hub ingest` with these failpoints."""
    with ExitStack() as stack:

        def start(failpoints: str = "") -> subprocess.Popen[bytes]:
            command = ["ingest", "--dir", str(hub), "--broker", f"127.0.0.1:{mosquitto.port}"]
            process = subprocess.Popen(
                [sys.executable, "-m", "dermedge", "hub", *command],
                env=os.environ | {"DERMEDGE_FAILPOINTS": failpoints},
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            return process

        yield start


@pytest.mark.parametrize(("failpoint", "stored_at_kill"), [("hub.before_commit", 0), ("hub.after_commit", 1)])
def test_an_event_survives_a_kill_around_the_commit_and_is_stored_once(
    failpoint: str, stored_at_kill: int, start_ingest: Start, make_sender: MakeSender, reader: Reader
) -> None:
    sender = make_sender()
    process = start_ingest(f"{failpoint}=kill")
    wait_for(lambda: sender.presences and sender.presences[-1], "the hub's presence", within_s=START_WITHIN_S)
    sealed = sender.seal(finding())
    sender.send(sealed)
    assert process.wait(START_WITHIN_S) == -signal.SIGKILL
    wait_for(lambda: sender.presences[-1] == b"", "the will to take the presence away")
    assert sender.receipts == []
    assert len(reader.rows(schema.events)) == stored_at_kill

    start_ingest("")
    wait_for(lambda: sender.presences[-1], "the hub's presence after the restart", within_s=START_WITHIN_S)
    sender.send(sealed)
    assert sender.await_receipts(sealed) == ["stored"]
    assert reader.event(sealed.header.event_id)["received_count"] == 1 + stored_at_kill
    assert len(reader.rows(schema.findings)) == 1


def test_what_arrives_while_a_commit_takes_its_time_is_taken_and_not_acknowledged_before(
    start_ingest: Start, make_sender: MakeSender, reader: Reader, tmp_path: Path
) -> None:
    held = tmp_path / "held"
    sender = make_sender()
    process = start_ingest(f"hub.before_commit=hold:{held}")
    wait_for(lambda: sender.presences and sender.presences[-1], "the hub's presence", within_s=START_WITHIN_S)
    first = sender.seal(finding())
    sender.send(first)
    wait_for(held.exists, "the commit to be held")
    others = [sender.seal(finding()) for _ in range(30)]
    sender.send(*others)
    # The broker still hears from the hub, and the hub from the broker: only the database waits.
    sender.send_state(backlog=31)
    assert sender.receipts == []
    assert reader.rows(schema.events) == []
    held.unlink()
    assert sender.await_receipts(first, *others) == ["stored"] * 31
    assert {row["received_count"] for row in reader.rows(schema.events)} == {1}
    process.terminate()
    assert process.wait(20) == 0
    wait_for(lambda: sender.presences[-1] == b"", "the presence to be taken back")
