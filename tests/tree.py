"""The project's own files, without environments, caches and what was built."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_BUILT = {"build", "dist", "__pycache__"}


def files(*suffixes: str) -> list[Path]:
    """Sorted, by suffix; all where none is given."""
    return sorted(path for path in _walk() if not suffixes or path.suffix in suffixes)


def _walk() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if _is_ours(Path(folder) / name)]
        yield from (Path(folder) / name for name in names if not name.startswith(".") or name == ".gitignore")


def _is_ours(folder: Path) -> bool:
    if folder.name.startswith("."):
        return folder.name == ".ci"
    environment = (folder / "pyvenv.cfg").is_file()
    return not environment and folder.name not in _BUILT and folder.suffix != ".egg-info"
