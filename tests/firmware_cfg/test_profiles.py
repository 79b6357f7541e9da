"""Every profile that ships is one that `dermedge run --profile` takes, and a wrong one is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

import dermedge
from edge import config
from edge.config import Config
from edge.errors import ConfigError
from firmware_cfg import profiles

BOARDS = ["android-arm64", "desktop", "pi-4", "pi-5", "pi-zero-2w"]


def test_the_boards_are_these() -> None:
    assert config.profile_names() == BOARDS


@pytest.mark.parametrize("name", BOARDS)
def test_profile_loads_as_run_loads_it(name: str) -> None:
    effective, origins = config.load(profile=name, environ={})
    assert effective == profiles.validate(config.profile_path(name))
    assert any(origin.source == f"profile {name}" for origin in origins)


@pytest.mark.parametrize("name", BOARDS)
def test_profile_says_that_nobody_measured_it(name: str) -> None:
    assert "Not measured on the board" in profiles.summary(config.profile_path(name))


def test_small_board_asks_for_less_than_the_defaults() -> None:
    small, defaults = profiles.validate(config.profile_path("pi-zero-2w")), Config()
    assert small.camera.width_px * small.camera.height_px < defaults.camera.width_px * defaults.camera.height_px
    assert small.camera.rate_hz < defaults.camera.rate_hz
    assert small.outbox.max_bytes < defaults.outbox.max_bytes


def test_pace_and_verdict_age_belong_together() -> None:
    """A verdict must live longer than the gap between two frames, or no track ever gains evidence."""
    for name in BOARDS:
        settings = profiles.validate(config.profile_path(name))
        assert settings.quality.verdict_max_age_ms > 1000 / settings.camera.rate_hz, name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[camera]\nrate = 5\n", "rate"),
        ("[camera]\nrate_hz = -1\n", "rate_hz"),
        ("[kamera]\nrate_hz = 5\n", "kamera"),
        ("[camera\n", "TOML"),
    ],
)
def test_wrong_profile_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "board.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        profiles.validate(path)
    assert str(path) in str(caught.value)


def test_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert dermedge.main(["firmware", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == BOARDS
    assert dermedge.main(["firmware", "show", "pi-4"]) == 0
    assert capsys.readouterr().out == config.profile_path("pi-4").read_text()


def test_validate_answers_the_others_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text("[inference]\nthreads = 4\n")
    bad.write_text("[inference]\nthreads = 0\n")
    assert dermedge.main(["firmware", "validate", str(bad), str(good)]) == 78
    printed = capsys.readouterr()
    assert "valid" in printed.out
    assert str(good) in printed.out
    assert str(bad) in printed.err
    assert printed.err.count("\n") == 1


def test_unknown_profile_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert dermedge.main(["firmware", "show", "pi-9"]) == 78
    assert "pi-zero-2w" in capsys.readouterr().err
