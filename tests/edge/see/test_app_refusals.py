"""What the whole device will not do: agree for somebody, lose what waits beside a refused event, tire its outbox."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge import app, bundle, events
from edge.errors import BundleError, CameraError, ConfigError, WireError
from tests.edge.see.device import FALTERING, PERSON_FRAMES, Device, FalteringCamera, bodies
from tests.edge.see.scenes import FixedClock
from tests.edge.tell.tiny_hub import TinyHub


@pytest.mark.parametrize("script", ["", "phantom"])
def test_a_real_camera_of_a_provisioned_device_consents_for_nobody(device: Device, script: str, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=r"FalteringCamera.*operator\.script=single.*on paper"):
        app.run(device.config(FALTERING, f"operator.script={script}"), frames=1)
    assert set(tmp_path.rglob("*")) == before, "not even an outbox is made"


def test_a_camera_that_never_came_is_no_good_run(device: Device) -> None:
    settings = device.config("camera.source=v4l2:/dev/video77", "operator.script=single", "identity.directory=")
    with pytest.raises(CameraError, match=r"got none in the whole run.*video77"):
        app.run(settings, duration_s=2)


def test_a_device_that_keeps_nothing_needs_no_operator(device: Device) -> None:
    FalteringCamera.opened = 0
    summary = app.run(device.config(FALTERING, "operator.script=", "identity.directory="), frames=3)
    assert (summary.frames, summary.provisioned) == (3, False)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("none", "nobody has judged"),
        ("agreement", "only compared with its float form"),
        ("task_weak", "too few pictures to tell"),
        ("task", ""),
    ],
)
def test_a_model_whose_conversion_was_not_judged_on_the_task_says_so_once(
    device: Device, kind: str, words: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    shipped = bundle.load(tmp_path / "bundle")
    judged = msgspec.structs.replace(shipped.card, gate_kind=kind, gate="the gate's own words")
    bundle.save(tmp_path / "bundle", judged, shipped.model)
    app.run(device.config("identity.directory="), frames=3)
    assert caplog.text.count("the gate's own words") == (kind != "task")
    assert words in caplog.text


def test_a_bundle_that_does_not_detect_is_refused(device: Device, tmp_path: Path) -> None:
    shipped = bundle.load(tmp_path / "bundle")
    classifier = msgspec.structs.replace(shipped.card, task="classification", decode=None)
    bundle.save(tmp_path / "bundle", classifier, shipped.model)
    with pytest.raises(BundleError, match="expected a bundle for detection, got 'blobs' for classification"):
        app.run(device.config("identity.directory="), frames=3)


def test_a_finding_that_the_wire_refuses_ends_the_run_with_all_else_kept(device: Device, hub: TinyHub) -> None:
    settings = device.config("operator.script=tests.edge.see.device:WrongOperator")
    with pytest.raises(WireError, match="body_site"):
        app.run(settings, frames=PERSON_FRAMES)
    kept = bodies(hub)
    assert [type(each).__name__ for each in kept] == ["EncounterOpened", "Consent", "EncounterClosed"]
    assert isinstance(kept[-1], events.EncounterClosed)
    assert kept[-1].outcome == "aborted"


def test_the_screen_has_the_outbox_count_once_a_second(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FixedClock()
    made = app.App(device.config(), clock)
    assert made.provisioned is not None
    counted: list[int] = []
    real = made.provisioned.outbox.status
    monkeypatch.setattr(made.provisioned.outbox, "status", lambda: (counted.append(clock.ns), real())[1])
    for _ in range(30):
        assert made.status().backlog == 0
        clock.ns += 100_000_000
    assert counted == [0, 1_000_000_000, 2_000_000_000]
    made.quality.stop()
    made.provisioned.close()
