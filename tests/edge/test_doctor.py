"""The doctor against a real broker: every part well, and each part ill in turn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import paho.mqtt.publish
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from paho.mqtt.enums import MQTTProtocolVersion

import dermedge
from edge import bundle, identity, wire
from edge.clock import SystemClock, uuid7
from edge.config import Broker, Config, Identity, Inference
from edge.config import Outbox as OutboxSettings
from edge.doctor import Check, examine
from edge.events import SecurityLog
from edge.outbox import Outbox, open_database
from edge.provisioned import outbox_path
from edge.sealing import HubKeys, key_id, sha256
from tests.broker import Mosquitto, free_port
from tests.edge.cards import card

SYSTEM = SystemClock()
HUB = uuid7(SYSTEM.now())


def provision(folder: Path) -> Path:
    """A device's directory, provisioned for HUB."""
    sealing = [X25519PrivateKey.generate().public_key().public_bytes_raw() for _ in range(2)]
    signing = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    keys = HubKeys(v=1, hub=HUB, seal_key=sealing[0], escrow_key=sealing[1], sign_key=signing)
    hub_keys = folder / "hub-keys.json"
    hub_keys.write_bytes(msgspec.json.encode(keys))
    identity.create(folder / "device", "site-1", "device-1", hub_keys)
    return folder / "device"


def announce(broker: Mosquitto, hub: str) -> None:
    """Retained, as the hub does it while it takes events."""
    key = key_id(Ed25519PrivateKey.generate().public_key())
    presence = wire.encode(wire.HubPresence(ts=SYSTEM.now(), hub=hub, key_id=key))
    paho.mqtt.publish.single(
        wire.HUB_TOPIC, presence, qos=1, retain=True, port=broker.port, protocol=MQTTProtocolVersion.MQTTv5
    )


@pytest.fixture
def scripted_bundle(tmp_path: Path) -> Path:
    """A bundle for the scripted backend, which needs no real model."""
    model = b"0000TFL3 not a model"
    bundle.save(tmp_path / "bundle", card(model_sha256=sha256(model)), model)
    return tmp_path / "bundle"


def examined(config: Config, within_s: float = 5.0) -> dict[str, Check]:
    return {check.name: check for check in examine(config, SYSTEM, within_s)}


@pytest.fixture
def config(tmp_path: Path, scripted_bundle: Path, mosquitto: Mosquitto) -> Config:
    return Config(
        inference=Inference(backend="scripted", bundle=str(scripted_bundle)),
        identity=Identity(directory=str(provision(tmp_path))),
        broker=Broker(port=mosquitto.port),
    )


def make_outbox(config: Config) -> None:
    owner = identity.load(Path(config.identity.directory))
    Outbox(open_database(outbox_path(config)), owner, SYSTEM, OutboxSettings()).close()


def test_all_is_well(config: Config, mosquitto: Mosquitto) -> None:
    announce(mosquitto, HUB)
    make_outbox(config)
    checks = examined(config)
    assert [check.exit_code for check in checks.values()] == [0, 0, 0, 0]
    assert list(checks) == ["model", "broker", "hub", "outbox"]
    assert "scripted" in checks["model"].told
    assert "backlog 0" in checks["outbox"].told


def test_no_outbox_is_made(config: Config) -> None:
    checks = examined(config)
    assert checks["outbox"].exit_code == 0
    assert "none yet" in checks["outbox"].told
    assert not outbox_path(config).exists()


def test_no_hub(config: Config) -> None:
    checks = examined(config)
    assert checks["broker"].exit_code == 0
    assert checks["hub"].exit_code == 69
    assert "dermedge hub ingest" in checks["hub"].told


def test_another_hub(config: Config, mosquitto: Mosquitto) -> None:
    announce(mosquitto, uuid7(SYSTEM.now()))
    hub = examined(config)["hub"]
    assert hub.exit_code == 78
    assert HUB in hub.told


def test_no_broker(config: Config, mosquitto: Mosquitto) -> None:
    mosquitto.kill()
    checks = examined(config, within_s=1.0)
    assert checks["broker"].exit_code == 69
    assert f":{mosquitto.port}" in checks["broker"].told
    assert checks["hub"].exit_code == 69


def test_damaged_outbox(config: Config) -> None:
    outbox_path(config).write_bytes(b"not a database, but long enough to be taken for one" * 40)
    outbox = examined(config)["outbox"]
    assert outbox.exit_code == 74
    assert str(outbox_path(config)) in outbox.told


def test_the_outbox_of_a_running_device_is_read_and_not_written(config: Config) -> None:
    owner = identity.load(Path(config.identity.directory))
    path = outbox_path(config)
    running = Outbox(open_database(path), owner, SYSTEM, OutboxSettings())
    running.append_many([SecurityLog(at=SYSTEM.now(), line="x", prev_hash=wire.FIRST_PREVIOUS)] * 3)
    files = [path, path.with_name(f"{path.name}-wal")]
    before = [file.read_bytes() for file in files]
    assert "backlog 3" in examined(config)["outbox"].told
    assert [file.read_bytes() for file in files] == before
    running.append(SecurityLog(at=SYSTEM.now(), line="x", prev_hash=wire.FIRST_PREVIOUS))
    running.close()
    closed = path.read_bytes()
    assert "backlog 4" in examined(config)["outbox"].told
    assert path.read_bytes() == closed


def test_a_quota_that_the_device_would_refuse(config: Config) -> None:
    make_outbox(config)
    outbox = examined(msgspec.structs.replace(config, outbox=OutboxSettings(max_bytes=1000)))["outbox"]
    assert outbox.exit_code == 78
    assert "outbox.max_bytes" in outbox.told


def test_an_outbox_that_cannot_be_written(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault is injected: tests run as root too, who may write everything."""
    make_outbox(config)
    monkeypatch.setattr("os.access", lambda path, _mode: Path(path) != outbox_path(config))
    outbox = examined(config)["outbox"]
    assert outbox.exit_code == 74
    assert "can be written" in outbox.told


def test_command_tells_each_part_in_one_line(
    tmp_path: Path, scripted_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is here: no model, no broker, no identity. The code is the first failing part's, the model's."""
    (scripted_bundle / bundle.MODEL_FILE).write_bytes(b"truncated")
    code = dermedge.main(
        ["doctor", "--bundle", str(scripted_bundle), "--broker", f"127.0.0.1:{free_port()}", "--wait", "1"]
    )
    lines = capsys.readouterr().out.splitlines()
    assert code == 65
    assert [line.split()[:2] for line in lines] == [["FAIL", part] for part in ("model", "broker", "hub", "outbox")]
    assert "copy the bundle again" in lines[0]
    assert "dermedge provision" in lines[3]


def test_outbox_status_reads_what_the_doctor_reads(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert dermedge.main(["outbox", "status", "--identity", config.identity.directory]) == 74
    assert "the first `dermedge run` makes it" in capsys.readouterr().err
    make_outbox(config)
    assert dermedge.main(["outbox", "status", "--json", "--identity", config.identity.directory]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["device"], status["backlog"], status["full"]) == ("device-1", 0, False)


@pytest.mark.parametrize("wait", ["0", "-1", "nan", "inf"])
def test_a_wait_that_is_none_is_a_usage_error(capsys: pytest.CaptureFixture[str], wait: str) -> None:
    assert dermedge.main(["doctor", f"--wait={wait}"]) == 64
    told = capsys.readouterr()
    assert told.out == ""
    assert "expected --wait of more than 0" in told.err


def test_a_broker_that_is_away_is_told_on_one_line_only(scripted_bundle: Path) -> None:
    words = ["--bundle", str(scripted_bundle), "--set", "inference.backend=scripted", "--wait", "1"]
    done = subprocess.run(
        [sys.executable, "dermedge.py", "doctor", *words, "--broker", f"127.0.0.1:{free_port()}"],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 69
    assert done.stdout.count("no broker answers") == 1
    assert done.stderr == ""
