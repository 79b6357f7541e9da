"""SIGKILL of the device, the hub and the broker in turn, each over events that nobody has acknowledged yet."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import Field, wait_for


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    field = Field(tmp_path)
    yield field
    field.close()


def test_nothing_is_lost_or_doubled_when_each_is_killed_in_turn(
    field: Field, capsys: pytest.CaptureFixture[str]
) -> None:
    broker, ingest, device = field.broker(), field.ingest(), field.run_device()
    wait_for(lambda: field.acknowledged() >= 2, 40, "the first acknowledgements")
    at_kill: dict[str, int] = {}

    def kill(name: str, victim: subprocess.Popen[bytes]) -> None:
        """The hub is frozen until events wait; then the victim is killed over them."""
        before = field.acknowledged()
        ingest.send_signal(signal.SIGSTOP)
        wait_for(lambda: field.unacknowledged() > 0, 40, "an event without its acknowledgement")
        time.sleep(0.5)  # and on its way
        at_kill[name] = field.unacknowledged()
        victim.kill()
        victim.wait()
        if victim is not ingest:
            ingest.send_signal(signal.SIGCONT)
        assert field.acknowledged() >= before

    kill("dermedge run", device)
    device = field.run_device()
    wait_for(lambda: field.unacknowledged() == 0, 40, "the device to catch up")
    kill("dermedge hub ingest", ingest)
    ingest = field.ingest()
    wait_for(lambda: field.unacknowledged() == 0, 40, "the hub to catch up")
    kill("mosquitto", broker)
    field.broker()
    wait_for(lambda: field.unacknowledged() == 0, 40, "everybody to catch up")
    wait_for(lambda: field.acknowledged() > 10, 40, "enough events to count")
    device.terminate()
    assert device.wait(40) == 0, field.words("device")
    ingest.terminate()
    assert ingest.wait(20) == 0, field.words("ingest")

    verdict = field.verdict()
    with capsys.disabled():
        print(f"\nunacknowledged at the kill: {at_kill}; {verdict}")
    assert min(at_kill.values()) > 0
    assert verdict["committed"] == verdict["stored"] > 10
    assert (verdict["lost"], verdict["doubled"], verdict["altered"], verdict["unknown"]) == (0, 0, 0, 0)
    assert verdict["redelivered"] > 0
