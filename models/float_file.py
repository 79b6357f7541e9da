"""`python -m models.float_file FILE.keras`: the reference detector before quantisation, for `dermedge convert`."""

from __future__ import annotations

import sys
from pathlib import Path

from models.export import WEIGHTS
from models.graph import build, load_weights


def main(target: Path) -> int:
    build(load_weights(WEIGHTS)).save(target)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
