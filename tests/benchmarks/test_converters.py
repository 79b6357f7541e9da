"""The converter's tables: written from what runs have measured, and from nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.converters import __main__ as command
from benchmarks.converters import children, networks, page, rows
from tests.tree import ROOT


def test_the_page_is_what_the_results_say(tmp_path: Path) -> None:
    copy = tmp_path / "converter.md"
    shutil.copy(ROOT / "docs" / "converter.md", copy)
    page.write(copy, command.read())
    assert copy.read_text(encoding="utf-8") == (ROOT / "docs" / "converter.md").read_text(encoding="utf-8"), (
        "`python -m benchmarks.converters page` writes it"
    )


def test_every_row_has_been_run() -> None:
    kept = command.read()
    assert list(kept["rows"]) == list(rows.ROWS)
    assert len(kept["routes"]["pairs"]) == 6  # float and three routes, each with each


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "converter.md"
    path.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="<!-- models -->"):
        page.write(path, {"rows": {}, "routes": {}})


def test_a_tool_that_says_nothing_is_told_from_one_that_refuses() -> None:
    gate = {
        "kind": "task",
        "passed": False,
        "pictures": 10,
        "figures": [
            {"name": "AP50", "float_model": 0.9, "converted": 0.1, "difference": -0.8, "low": None, "high": None}
        ],
    }
    cost = {"seconds": 1.0, "peak_memory_bytes": 10**6, "bytes": 10**6}
    ours = cost | {"exit_code": 65, "error": "gate: failed", "gate": gate, "steps": [], "model": None}
    result = {"title": "m", "ours": ours, "beside": {}, "machine": {}, "date": ""}
    silent = cost | {"exit_code": 0, "gate": gate}
    loud = cost | {"exit_code": 1, "error": "unsupported op", "bytes": None}
    lines = page.beside({"m": result | {"beside": {"tensorflow": silent, "onnx2tf": loud}}})
    assert lines[2].endswith("| exit 65: gate: failed |")
    assert lines[3].endswith("| nothing; **our gate refuses its file** |")
    assert "AP50 0.900 → 0.100" in lines[3]
    assert lines[4].endswith("| exit 1: unsupported op |")


def test_a_child_is_measured_alone() -> None:
    """200 MB in the child, and the exit status that it had."""
    program = "import sys; kept = bytearray(200_000_000); print(len(kept)); sys.stderr.write('a\\nb\\n'); sys.exit(3)"
    done = children.run([sys.executable, "-c", program], {})
    assert (done.code, done.stdout.strip(), done.last_line) == (3, "200000000", "b")
    assert 200e6 < done.peak_memory_bytes < 400e6
    assert 0 < done.seconds < 60


def test_the_linear_layer_learns_what_is_linear() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    seen = rng.normal(0, 0.3, (300, 5)) * 7 + 40
    seen[np.arange(300), truth] += 14
    weights, bias = networks.softmax_regression(seen, truth, 3)
    assert ((seen @ weights + bias).argmax(axis=1) == truth).mean() > 0.97


def test_rows_are_listed_without_a_framework() -> None:
    program = (
        "import sys; sys.argv = ['x', 'list']; from benchmarks.converters.__main__ import main; code = main();"
        "assert not {'tensorflow', 'torch', 'keras'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(rows.ROWS)
