"""`dermedge provision` by the command line: what it writes, and what it refuses."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

import dermedge
from edge import identity
from tests.edge.test_doctor import provision


def words(folder: Path, *, site: str = "site-1") -> list[str]:
    return ["provision", "--site", site, "--device", "device-2", str(folder)]


@pytest.fixture
def hub_keys(tmp_path: Path) -> Path:
    provision(tmp_path)
    return tmp_path / "hub-keys.json"


def test_keys_are_made_and_private(tmp_path: Path, hub_keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    assert dermedge.main([*words(folder), "--offline", "--hub-keys", str(hub_keys)]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{folder / identity.PUBLIC_FILE}\n"
    assert "dermedge hub device add" in printed.err
    assert identity.load(folder).device == "device-2"
    assert stat.S_IMODE((folder / identity.PRIVATE_FILE).stat().st_mode) == 0o600


def test_keys_are_never_overwritten(tmp_path: Path, hub_keys: Path) -> None:
    before = (tmp_path / "device" / identity.PRIVATE_FILE).read_bytes()
    assert dermedge.main([*words(tmp_path / "device"), "--offline", "--hub-keys", str(hub_keys)]) == 78
    assert (tmp_path / "device" / identity.PRIVATE_FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("options", "site", "code"),
    [
        (["--hub-keys", "KEYS"], "site-1", 64),
        (["--offline"], "site-1", 64),
        (["--offline", "--hub-keys", "KEYS"], "S 1", 78),
    ],
)
def test_refused_in_one_line(
    tmp_path: Path, hub_keys: Path, capsys: pytest.CaptureFixture[str], options: list[str], site: str, code: int
) -> None:
    given = [str(hub_keys) if option == "KEYS" else option for option in options]
    assert dermedge.main([*words(tmp_path / "new", site=site), *given]) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "new").exists()
