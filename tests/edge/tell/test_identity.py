from __future__ import annotations

import errno
import itertools
import os
import stat
from pathlib import Path

import pytest

from edge import identity, wire
from edge.errors import ConfigError, StoreError
from edge.sealing import DeviceKeys
from tests.golden.keys import Keys


@pytest.fixture
def hub_file(tmp_path: Path, keys: Keys) -> Path:
    path = tmp_path / "hub-keys.json"
    path.write_bytes(wire.encode(keys.hub_keys))  # type: ignore[arg-type]
    return path


def test_what_is_made_is_what_is_loaded(tmp_path: Path, hub_file: Path, keys: Keys) -> None:
    public_file = identity.create(tmp_path / "device", "village-3", "handheld-7", hub_file)
    loaded = identity.load(tmp_path / "device")
    assert (loaded.site, loaded.device, loaded.hub) == ("village-3", "handheld-7", keys.hub_keys)
    assert wire.decode(public_file.read_bytes(), DeviceKeys) == loaded.public
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "device").iterdir()}
    assert modes[identity.PRIVATE_FILE] == 0o600
    assert stat.S_IMODE((tmp_path / "device").stat().st_mode) == 0o700


def test_private_keys_are_in_one_file_only_and_never_in_a_repr(tmp_path: Path, hub_file: Path) -> None:
    identity.create(tmp_path / "device", "village-3", "handheld-7", hub_file)
    loaded = identity.load(tmp_path / "device")
    secret = loaded.signing_key.private_bytes_raw()
    holders = [path.name for path in (tmp_path / "device").iterdir() if _holds(path, secret)]
    assert holders == [identity.PRIVATE_FILE]
    assert "signing_key" not in repr(loaded)


def test_two_devices_have_different_keys(tmp_path: Path, hub_file: Path) -> None:
    for name in ("one", "two"):
        identity.create(tmp_path / name, "village-3", name, hub_file)
    assert identity.load(tmp_path / "one").public.sign_key != identity.load(tmp_path / "two").public.sign_key


def test_keys_are_never_overwritten(tmp_path: Path, hub_file: Path) -> None:
    identity.create(tmp_path / "device", "village-3", "handheld-7", hub_file)
    before = (tmp_path / "device" / identity.PRIVATE_FILE).read_bytes()
    with pytest.raises(ConfigError, match="never overwritten"):
        identity.create(tmp_path / "device", "village-3", "handheld-8", hub_file)
    assert (tmp_path / "device" / identity.PRIVATE_FILE).read_bytes() == before


@pytest.mark.parametrize("name", ["", "Village", "a/b", "a+b", "#", "x" * 33])
def test_a_name_that_is_none_is_refused_before_anything_is_written(tmp_path: Path, hub_file: Path, name: str) -> None:
    for site, device in ((name, "handheld-7"), ("village-3", name)):
        with pytest.raises(ConfigError, match="expected site and device"):
            identity.create(tmp_path / "device", site, device, hub_file)
    assert not (tmp_path / "device").exists()


def test_hub_keys_that_are_none_are_refused(tmp_path: Path, hub_file: Path) -> None:
    hub_file.write_text("{}")
    with pytest.raises(ConfigError, match="HubKeys"):
        identity.create(tmp_path / "device", "village-3", "handheld-7", hub_file)
    with pytest.raises(ConfigError, match="no-such-file"):
        identity.create(tmp_path / "device", "village-3", "handheld-7", tmp_path / "no-such-file")


@pytest.mark.parametrize("name", [identity.PRIVATE_FILE, identity.PUBLIC_FILE, identity.HUB_FILE])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_a_damaged_identity_is_told(tmp_path: Path, hub_file: Path, name: str, damage: str) -> None:
    identity.create(tmp_path / "device", "village-3", "handheld-7", hub_file)
    path = tmp_path / "device" / name
    data = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    with pytest.raises(ConfigError, match=name.replace(".", r"\.")):
        identity.load(tmp_path / "device")


def test_the_public_file_of_another_device_is_told(tmp_path: Path, hub_file: Path) -> None:
    for name in ("one", "two"):
        identity.create(tmp_path / name, "village-3", name, hub_file)
    (tmp_path / "one" / identity.PUBLIC_FILE).write_bytes((tmp_path / "two" / identity.PUBLIC_FILE).read_bytes())
    with pytest.raises(ConfigError, match="do not belong together"):
        identity.load(tmp_path / "one")


def test_a_disk_that_is_full_leaves_nothing_that_blocks_the_next_try(
    tmp_path: Path, hub_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault is injected where the file is put on the disk: of the first file, and of the last."""
    real = os.fsync
    for good in (0, 2):
        left = itertools.count(good, -1)

        def full(descriptor: int, left: itertools.count[int] = left) -> None:
            if next(left) == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(StoreError, match="No space left"):
                identity.create(tmp_path / "device", "village-3", "handheld-7", hub_file)
        assert list((tmp_path / "device").iterdir()) == []
    identity.create(tmp_path / "device", "village-3", "handheld-7", hub_file)


def test_what_was_there_before_is_not_removed(tmp_path: Path, hub_file: Path) -> None:
    (tmp_path / "device").mkdir()
    (tmp_path / "device" / identity.HUB_FILE).write_text("mine")
    with pytest.raises(ConfigError, match="never overwritten"):
        identity.create(tmp_path / "device", "village-3", "handheld-7", hub_file)
    assert [path.name for path in (tmp_path / "device").iterdir()] == [identity.HUB_FILE]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_private_keys_that_others_may_read_are_refused(tmp_path: Path, hub_file: Path, mode: int) -> None:
    identity.create(tmp_path / "device", "village-3", "handheld-7", hub_file)
    private = tmp_path / "device" / identity.PRIVATE_FILE
    private.chmod(mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {private}"):
        identity.load(tmp_path / "device")
    private.chmod(0o400)
    identity.load(tmp_path / "device")


def test_wrong_hub_keys_name_the_right_ones(tmp_path: Path, hub_file: Path) -> None:
    wrong = tmp_path / "wrong"
    for content in (b"{}", b"\xff\xfe", hub_file.read_bytes().replace(b'"seal_key":"', b'"seal_key":"AAAA')):
        wrong.write_bytes(content)
        with pytest.raises(ConfigError, match=r"use the hub-keys\.json that `dermedge hub init` wrote") as told:
            identity.create(tmp_path / "device", "village-3", "handheld-7", wrong)
        assert "provision" not in str(told.value)


def _holds(path: Path, secret: bytes) -> bool:
    import base64

    data = path.read_bytes()
    return secret in data or base64.b64encode(secret).rstrip(b"=") in data or secret.hex().encode() in data
