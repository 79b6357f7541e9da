"""The files for Prometheus, Grafana and Node-RED that come with the hub."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

from edge.errors import StoreError, UsageError

FOLDERS = ("grafana", "nodered", "prometheus")


def write(target: Path) -> Iterator[Path]:
    """Copies into a new or empty folder; each path as it is written. Raises UsageError, StoreError."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise UsageError(f"expected a new or empty folder, got {target}: choose another")
        for name in FOLDERS:
            with as_file(files("hub.boards").joinpath(name)) as folder:
                for path in sorted(folder.iterdir()):
                    copy = target / name / path.name
                    copy.parent.mkdir(exist_ok=True)
                    copy.write_bytes(path.read_bytes())
                    yield copy
    except OSError as error:
        raise StoreError(f"expected to write the files to {target}; {error}") from error
