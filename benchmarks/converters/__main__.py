"""`python -m benchmarks.converters`: run rows of the converter's tables one by one, and write the page from them.

python -m benchmarks.converters list
python -m benchmarks.converters run [ROW …]      # none: all; minutes each; stored one by one
python -m benchmarks.converters routes           # the three int8 files of EfficientNet-Lite0 beside each other
python -m benchmarks.converters page             # docs/converter.md between its marks
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.converters import page

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "converter.json"
WORKING = ROOT / "build" / "converters"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.converters", description=__doc__)
    parser.add_argument("what", choices=("list", "run", "routes", "page"))
    parser.add_argument("rows", nargs="*", metavar="ROW")
    arguments = parser.parse_args()
    if arguments.what == "page":
        page.write(ROOT / "docs" / "converter.md", read())
        return 0
    if arguments.what == "routes":
        from benchmarks.converters import pictures, routes

        store(routes=routes.compare(WORKING, pictures.boxes()))
        return 0
    from benchmarks.converters.row import run
    from benchmarks.converters.rows import ROWS

    unknown = set(arguments.rows) - set(ROWS)
    if unknown or arguments.what == "list":
        print("\n".join(f"{name:<14} {row.title}" for name, row in ROWS.items()))
        return 64 if unknown else 0
    for name in arguments.rows or ROWS:
        print(f"{name} …", file=sys.stderr, flush=True)
        result = run(ROWS[name], WORKING / name)
        # Read again: rows may run in several processes.
        kept = read()["rows"] | {name: result}
        store(rows={each: kept[each] for each in ROWS if each in kept})
        print(page.line(name, result), flush=True)
    return 0


def read() -> dict[str, Any]:
    """Results so far: `rows` by name, and `routes`."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    return {"rows": {}, "routes": {}} | kept


def store(**changed: Any) -> None:
    """These parts of the results in place of the old ones."""
    RESULTS.write_text(json.dumps(read() | changed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
