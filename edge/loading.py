"""Named components: a table of lazy "module:Class" strings. No silent fallback."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from edge.errors import ConfigError


def load_named(setting: str, name: str, table: Mapping[str, str]) -> Any:
    """The class behind a name of the table, or behind a "package.module:Class" of somebody else's.

    Raises ConfigError that names the setting, the names there are, and why an import failed.
    """
    target = table.get(name, name if ":" in name else None)
    if target is None:
        raise ConfigError(f"expected {setting} out of {', '.join(sorted(table))} or package.module:Class; got {name!r}")
    module_name, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"expected {setting} {name!r} to be importable as {target}; {error}") from error


def open_named(setting: str, name: str, table: Mapping[str, str], seam: Any, *arguments: object) -> Any:
    """What the class behind a name makes of the arguments. seam: the Protocol whose methods it must have.

    Raises ConfigError as `load_named` does, and where the name stands for something else than such a class.
    """
    made = load_named(setting, name, table)
    methods = [each for each, value in vars(seam).items() if callable(value) and not each.startswith("_")]
    expected = f"expected {setting} {name!r} to be a class with {', '.join(methods)} (docs/extending.md)"
    if not callable(made):
        raise ConfigError(f"{expected}, got {type(made).__name__}: name another one")
    _require(made if isinstance(made, type) else None, methods, expected)
    try:
        instance = made(*arguments)
    except TypeError as error:
        kinds = ", ".join(type(each).__name__ for each in arguments)
        raise ConfigError(f"{expected} that takes ({kinds}); {error}") from error
    _require(instance, methods, expected)
    return instance


def _require(found: object | None, methods: list[str], expected: str) -> None:
    """Before a class is called as well: one that is something else may do anything with our arguments."""
    lacking = [each for each in methods if not hasattr(found, each)]
    if found is not None and lacking:
        raise ConfigError(f"{expected}, got one without {', '.join(lacking)}: name another one")
