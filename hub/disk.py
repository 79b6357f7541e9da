"""What must be on the disk before the next step is taken."""

from __future__ import annotations

import os
from pathlib import Path


def to_disk(path: Path) -> None:
    """A file's bytes, or a folder's names: a file that was made or renamed is there after a power cut only then.

    Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
