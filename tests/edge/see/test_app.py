"""The device whole: phantom, real outbox, real broker, a hub in miniature, real signals. The engine is a double."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge import app, events, outbox
from edge.camera.phantom_plan import plan
from edge.clock import SystemClock
from edge.errors import ConfigError
from edge.frame import Box
from tests.broker import free_port
from tests.edge.see.device import FALTERING, PERSON_FRAMES, Device, FalteringCamera, bodies
from tests.edge.tell.tiny_hub import TinyHub
from tests.golden.keys import Keys
from tests.patience import wait_until

ROOT = Path(__file__).resolve().parents[3]


def test_two_persons_from_skin_to_the_hub(device: Device, hub: TinyHub, tmp_path: Path) -> None:
    settings = device.config("delivery.state_every_s=0.5")
    summary = app.run(settings, frames=2 * PERSON_FRAMES, trace=tmp_path / "trace.jsonl")
    assert summary.frames == 2 * PERSON_FRAMES
    assert summary.backlog == 0
    assert summary.acknowledged == len(hub.bodies)
    assert summary.accepted + sum(summary.rejected.values()) == summary.frames
    found = [each for each in bodies(hub) if isinstance(each, events.Finding)]
    assert len(found) == summary.findings == 4
    for finding in found:
        planted = plan(settings.phantom, (480, 270)).at(finding.frame_sequence).lesions
        assert max(each.box_px.iou(Box(*finding.box_px)) for each in planted) > 0.6, "box and sequence are of one frame"
    closed = [each for each in bodies(hub) if isinstance(each, events.EncounterClosed)]
    # On a busy machine frames are dropped, and the last of them belong to a third person.
    assert [(each.outcome, each.findings) for each in closed[:2]] == [("completed", 2), ("completed", 2)]

    rows = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert {row["event_id"] for row in rows if "finding_id" in row} <= set(hub.bodies)
    frames = [row for row in rows if "accepted" in row]
    assert (len(frames), sum(row["accepted"] for row in frames)) == (summary.frames, summary.accepted)

    state = json.loads(hub.words["state"][-1])
    assert state["model"] == "blobs 0"
    assert state["capturing"] is True
    assert state["frame_age_s"] < 5
    assert {"fps", "p90_ms", "rejected_fraction", "disk_free", "camera_reopened"} <= set(state)
    assert json.loads(hub.words["status"][-1])["online"] is False


def test_without_a_broker_nothing_is_lost(tmp_path: Path, keys: Keys) -> None:
    device = Device(tmp_path, keys, port=9)  # nobody listens there
    settings = device.config()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "DRAIN_S", 0.2)
        summary = app.run(settings, frames=PERSON_FRAMES)
    assert summary.findings == 2
    assert summary.acknowledged == 0
    assert summary.backlog >= 5  # opened, consent, two findings, closed
    kept = outbox.open_database(tmp_path / "device" / "outbox.db")
    assert kept.execute("SELECT count(*) FROM events WHERE acknowledged_at IS NULL").fetchone() == (summary.backlog,)
    kept.close()


def test_a_device_that_is_not_provisioned_says_so_and_writes_nothing(
    device: Device, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(tmp_path.rglob("*"))
    summary = app.run(device.config("identity.directory="), frames=20)
    assert (summary.provisioned, summary.findings, summary.acknowledged) == (False, 0, 0)
    assert summary.frames == 20
    assert "keeps and sends nothing" in caplog.text
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_with_exit_0(device: Device, hub: TinyHub, number: int) -> None:
    process = subprocess.Popen(
        device.command("--view", str(free_port())),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        wait_until(lambda: len(hub.bodies) >= 3, "the first finding")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, err
    summary = json.loads(out)
    assert summary["backlog"] == 0
    last = [each for each in bodies(hub) if not isinstance(each, events.PicturePart)][-1]  # pictures go after all else
    assert isinstance(last, events.EncounterClosed)
    assert json.loads(hub.words["status"][-1])["online"] is False
    assert "Traceback" not in err


def test_a_stalled_camera_is_opened_again_and_the_hub_is_told(device: Device, hub: TinyHub) -> None:
    FalteringCamera.opened = 0
    settings = device.config(
        FALTERING,
        "operator.script=single",
        "camera.stale_after_ms=400",
        "delivery.state_every_s=0.1",
    )
    made = app.App(settings, SystemClock())
    stop, results = threading.Event(), []
    thread = threading.Thread(target=lambda: results.append(made.run(stop, 18, None)))
    thread.start()
    thread.join(20)
    stop.set()
    thread.join(20)
    assert results, "it came through three stalls and an absence"
    assert results[0].frames >= 15
    assert results[0].camera_reopened >= 3
    states = [json.loads(each) for each in hub.words["state"]]
    problems = {state.get("problem") for state in states}
    assert any(problem and "no picture" in problem for problem in problems)
    assert any(problem and "got none" in problem for problem in problems)
    assert any(state["capturing"] is False for state in states)
    assert max(state["frame_age_s"] for state in states) > 0.3
    assert max(state["camera_reopened"] for state in states) >= 3


class SlowDetector:
    """A double: takes 150 ms a frame, so that the camera is ahead."""

    def __init__(self, *_: object) -> None:
        self.seen: list[int] = []

    def detect(self, rgb: object) -> Sequence[object]:
        del rgb
        time.sleep(0.15)
        return []


def test_a_slow_pipeline_sees_the_newest_frame_and_no_backlog(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "Detector", SlowDetector)
    monkeypatch.setattr(app, "DRAIN_S", 0.1)
    settings = device.config("identity.directory=", "operator.script=single", "camera.rate_hz=40")
    summary = app.run(settings, frames=10, trace=tmp_path / "trace.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    gaps = [after["sequence"] - before["sequence"] for before, after in itertools.pairwise(rows)]
    assert summary.dropped > 10
    assert min(gaps[1:]) >= 2, "it never works off what is old"


def test_settings_that_cannot_be_end_before_anything_starts(device: Device, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"camera\.source"):
        app.run(device.config("camera.source=nowhere", "identity.directory="), frames=5)
    with pytest.raises(ConfigError, match="trace"):
        app.run(device.config("camera.source=v4l2:/dev/video0"), frames=5, trace=tmp_path / "trace.jsonl")
    with pytest.raises(ConfigError, match=r"operator\.script"):
        app.run(device.config("operator.script=nobody", "identity.directory="), frames=5)
