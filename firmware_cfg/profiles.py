"""The boards' profiles: TOML files whose every key is a setting of edge.config."""

from __future__ import annotations

from pathlib import Path

from edge.config import Config, convert, read_toml
from edge.errors import ConfigError


def validate(path: Path) -> Config:
    """A profile's file as the configuration that it makes of the defaults.

    Raises ConfigError, naming the file, where it is no TOML, a key is unknown or a value is out of range.
    """
    table = read_toml(path)
    try:
        return convert(table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def summary(path: Path) -> str:
    """The comment on its first line: the board in words."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip()
