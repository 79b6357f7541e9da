"""Later sources win, each value knows where it came from, and a misspelt key is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge import config
from edge.errors import ConfigError, UsageError


def origin(origins: list[config.Origin], key: str) -> tuple[object, str]:
    return next((each.value, each.source) for each in origins if each.key == key)


def test_defaults_then_profile_then_file_then_environment_then_set(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[camera]\nrate_hz = 3\nwidth_px = 800\nheight_px = 600\n")
    effective, origins = config.load(
        "desktop",
        file,
        ["camera.height_px=480"],
        {"DERMEDGE_CAMERA__WIDTH_PX": "640", "DERMEDGE_CAMERA__HEIGHT_PX": "1", "DERMEDGE_DATA": "/elsewhere"},
    )
    assert (effective.camera.rate_hz, effective.camera.width_px, effective.camera.height_px) == (3.0, 640, 480)
    assert origin(origins, "camera.rate_hz") == (3.0, str(file))
    assert origin(origins, "camera.width_px") == (640, "environment DERMEDGE_CAMERA__WIDTH_PX")
    assert origin(origins, "camera.height_px") == (480, "--set camera.height_px=480")
    assert origin(origins, "broker.port") == (1883, "default")


def test_none_and_fractions_can_be_set() -> None:
    assert config.load(overrides=["detect.score_threshold=0.25"], environ={})[0].detect.score_threshold == 0.25


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("camera.rate_hz=fast", "camera.rate_hz=fast"),
        ("camera.rate_hz=-1", "rate_hz"),
        ("camera.rate_hz=1e9", "rate_hz"),
        ("camera.speed=1", "speed"),
        ("kamera.rate_hz=1", "kamera"),
        ("delivery.window=33", "window"),
        ("camera=1", "section.field=value"),
        ("camera.rate_hz", "section.field=value"),
    ],
)
def test_what_is_wrong_is_named_with_its_source(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(overrides=[text], environ={})
    assert told in str(caught.value)
    assert "expected" in str(caught.value)


def test_a_misspelt_variable_of_the_environment_is_an_error() -> None:
    with pytest.raises(ConfigError, match="DERMEDGE_CAMERA__RATE"):
        config.load(environ={"DERMEDGE_CAMERA__RATE": "2"})


def test_a_variable_with_one_underscore_is_not_passed_over() -> None:
    with pytest.raises(ConfigError, match="two underscores"):
        config.load(environ={"DERMEDGE_CAMERA_RATE_HZ": "2"})


@pytest.mark.parametrize("content", ["[camera\n", "rate_hz = 2\n", "[camera]\nrate = 2\n", "\udcff"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=r"config\.toml"):
        config.load(config_file=file, environ={})


def test_an_unknown_profile_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"desktop.*pi-5"):
        config.load("pi-9", environ={})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:1883", ("127.0.0.1", 1883)),
        ("broker.clinic:65535", ("broker.clinic", 65535)),
        ("[::1]:1884", ("::1", 1884)),
    ],
)
def test_a_broker_is_named_as_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert config.broker_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nowhere",
        "host:",
        ":1883",
        "host:0",
        "host:65536",
        "host:²",
        "host:-1",
        "::1:1883",
        "[::1]",
        "[]:1",
        "[a]:1",
    ],
)
def test_an_address_that_is_none_is_told_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match=r"HOST:PORT .*\[::1\]:1883"):
        config.broker_address(text)
