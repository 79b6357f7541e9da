"""`hub init` and `hub device`: what is written, who may read it, and what is refused."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

import dermedge
from edge import identity
from edge.clock import SystemClock
from edge.errors import ConfigError
from edge.sealing import DeviceKeys, HubKeys, key_id
from edge.wire import decode
from hub import database, keys
from hub.registry import read_device_keys


def provision(folder: Path, hub: Path, device: str = "cam-1", site: str = "village-3") -> Path:
    return identity.create(folder, site, device, hub / keys.PUBLIC_FILE)


def test_init_writes_a_hub_that_only_its_owner_can_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub = tmp_path / "hub"
    assert dermedge.main(["hub", "init", str(hub)]) == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in hub.iterdir()}
    assert modes == {
        "hub-keys.json": 0o644,
        "hub-private.json": 0o600,
        "escrow-private.json": 0o600,
        "hub.db": 0o600,
    }
    assert "move escrow-private.json offline" in capsys.readouterr().out
    public: HubKeys = decode((hub / "hub-keys.json").read_bytes(), HubKeys)
    own = keys.load(hub)
    assert public.recipients[0].key_id == key_id(own.sealing_key.public_key())
    assert key_id(public.signer) == own.key_id
    assert "PrivateKey" not in repr(own)


@pytest.mark.parametrize("left", ["hub-keys.json", "hub-private.json", "escrow-private.json", "hub.db"])
def test_init_refuses_a_folder_with_any_part_of_a_hub(left: str, tmp_path: Path) -> None:
    (tmp_path / left).write_text("what was there")
    assert dermedge.main(["hub", "init", str(tmp_path)]) == 78
    assert [path.name for path in tmp_path.iterdir()] == [left]
    assert (tmp_path / left).read_text() == "what was there"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_private_keys_that_others_may_read_or_write_are_refused(
    mode: int, hub: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hub / "hub-private.json"
    path.chmod(mode)
    assert dermedge.main(["hub", "ingest", "--dir", str(hub)]) == 78
    assert f"chmod 600 {path}" in capsys.readouterr().err
    path.chmod(0o600)
    keys.load(hub)


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"v":1,"hub":"x","seal_key":"","sign_key":""}'])
def test_private_keys_that_are_missing_or_damaged_are_an_error(hub: Path, content: bytes | None) -> None:
    path = hub / "hub-private.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="private keys"):
        keys.load(hub)


def test_a_device_is_registered_once_and_listed(hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = provision(tmp_path / "cam-1", hub)
    assert dermedge.main(["hub", "device", "add", str(file), "--dir", str(hub)]) == 0
    assert dermedge.main(["hub", "device", "add", str(file), "--dir", str(hub)]) == 0
    capsys.readouterr()
    assert dermedge.main(["hub", "device", "list", "--dir", str(hub)]) == 0
    site, device, key, _since = capsys.readouterr().out.strip().split("\t")
    assert (site, device, key) == ("village-3", "cam-1", key_id(read_device_keys(file).signer))


def test_a_name_that_belongs_to_other_keys_or_another_site_is_refused(
    hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = provision(tmp_path / "one", hub)
    dermedge.main(["hub", "device", "add", str(first), "--dir", str(hub)])
    impostor = provision(tmp_path / "two", hub)
    moved = tmp_path / "moved.json"
    moved.write_text(first.read_text().replace("village-3", "village-4"))
    for file in (impostor, moved):
        assert dermedge.main(["hub", "device", "add", str(file), "--dir", str(hub)]) == 78
    assert capsys.readouterr().err.count("provision this device under another name") == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"{}",
        b'{"v":1,"site":"a","device":"b","seal_key":"AAAA","sign_key":"AAAA"}',
        b'{"v":1,"site":"Ward 3","device":"b","seal_key":"","sign_key":""}',
    ],
)
def test_a_file_that_is_no_device_s_keys_is_one_line_and_a_code(
    content: bytes, hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "device.json"
    file.write_bytes(content)
    assert dermedge.main(["hub", "device", "add", str(file), "--dir", str(hub)]) == 78
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "device.json" in told


@pytest.mark.parametrize("action", [["ingest"], ["serve", "--no-browser"], ["device", "list"]])
def test_a_folder_without_a_hub_is_one_line_and_a_code(
    action: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dermedge.main(["hub", *action, "--dir", str(tmp_path)]) == 78
    assert "dermedge hub init" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broker", ["", "nowhere", "host:", "host:0", "host:99999", ":1883"])
def test_an_address_that_is_none_is_a_usage_error(broker: str, hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dermedge.main(["hub", "ingest", "--dir", str(hub), "--broker", broker]) == 64
    assert "HOST:PORT" in capsys.readouterr().err


def test_two_hubs_differ(tmp_path: Path) -> None:
    made = [keys.create(tmp_path / name, SystemClock())[0].read_bytes() for name in ("a", "b")]
    assert made[0] != made[1]


def test_a_disk_that_is_full_leaves_nothing_that_would_refuse_the_next_init(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault is injected: the third file, then the database, finds no space."""
    synced: list[int] = []
    real = os.fsync

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    with monkeypatch.context() as injected:
        injected.setattr(os, "fsync", full)
        assert dermedge.main(["hub", "init", str(tmp_path)]) == 74
    assert list(tmp_path.iterdir()) == []

    def no_tables(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("CREATE TABLE", {}, Exception("database or disk is full"))

    with monkeypatch.context() as injected:
        injected.setattr(database, "upgrade", no_tables)
        assert dermedge.main(["hub", "init", str(tmp_path)]) == 74
    assert list(tmp_path.iterdir()) == []
    assert "full" in capsys.readouterr().err
    assert dermedge.main(["hub", "init", str(tmp_path)]) == 0


def test_a_device_file_that_is_not_there_says_where_to_get_it(
    hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (tmp_path / "nothing.json", tmp_path, hub / keys.PUBLIC_FILE):
        assert dermedge.main(["hub", "device", "add", str(wrong), "--dir", str(hub)]) == 78
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert "`dermedge provision`" in told
        assert "device.json" in told


SMALL_ORDER_Y = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("seal_key", bytes(32)),
        ("seal_key", b"\x01" + bytes(31)),
        ("seal_key", b"short"),
        ("sign_key", bytes(32)),
        ("sign_key", b"\x01" + bytes(31)),
        ("sign_key", bytes.fromhex(SMALL_ORDER_Y)),
        ("sign_key", b"\x02" + bytes(31)),
        ("sign_key", b"\xff" * 32),
    ],
)
def test_keys_that_nobody_can_hold_are_refused(
    name: str, raw: bytes, hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of small order, no point of the curve, or not written as one is."""
    path = provision(tmp_path / "cam", hub)
    mine = msgspec.json.decode(path.read_bytes(), type=DeviceKeys)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(mine, **{name: raw})))
    assert dermedge.main(["hub", "device", "add", str(path), "--dir", str(hub)]) == 78
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert name in told
    assert dermedge.main(["hub", "device", "list", "--dir", str(hub)]) == 0
    assert capsys.readouterr().out == ""
