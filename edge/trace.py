"""A JSON line for every frame and every finding, for a checker that knows what was planted.

Only for drawn and replayed sources: for a real camera there is no truth to compare with, and a trace beside the outbox
would be a second, unsealed record of a person.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from edge.camera.base import STAGED, is_staged
from edge.errors import ConfigError, StoreError


class Trace:
    """Raises ConfigError for a real camera, StoreError where the file cannot be written."""

    def __init__(self, path: Path, source: str) -> None:
        if not is_staged(source):
            raise ConfigError(f"expected a trace of {' or '.join(STAGED)} only, got camera.source {source!r}")
        try:
            self._file: IO[str] = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise StoreError(f"expected to write the trace {path}; {error.strerror}") from error

    def write(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row, separators=(",", ":")) + "\n")

    def close(self) -> None:
        self._file.close()
