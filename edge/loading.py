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
