"""One row from end to end: `dermedge convert` as a child, then each plain tool, all judged by the same gate."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.converters import children
from benchmarks.converters.children import Measured
from benchmarks.converters.rows import Row
from benchmarks.machine import describe
from benchmarks.processes import DERMEDGE, environment
from convert import sources
from convert.cards import make_bundle
from convert.description import Description, read_description
from convert.errors import ConvertError
from convert.gate import Gate
from convert.gate.result import GateResult
from convert.inferred import complete
from convert.pictures.evaluation import Evaluation, read_evaluation
from convert.pictures.representative import Representative, read_representative
from edge.errors import DermedgeError, printable

Result = dict[str, Any]
_ERROR_MAX = 400


def run(row: Row, folder: Path) -> Result:
    """Make the source, convert it, convert it otherwise; figures as data. folder: emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    load_before = round(os.getloadavg()[1], 1)
    source = row.make(folder)
    calibration, evaluation = row.sets(folder)
    toml = folder / "model.toml"
    toml.write_text(row.describe, encoding="utf-8")
    words = [*DERMEDGE, "convert", str(source), "--calibration", str(calibration), "--describe", str(toml), "--json"]
    words += ["--out", str(folder / "bundle"), *row.options, *(["--eval", str(evaluation)] if evaluation else [])]
    done = children.run(words, environment())
    told: Result = json.loads(done.stdout) if done.stdout else {"error": done.last_line}
    told["error"] = clear(told.get("error") or "")
    ours = _cost(done) | {key: told.get(key) for key in ("ok", "error", "gate", "latency", "steps", "recipe", "model")}
    ours["float_bytes"] = (told.get("source") or {}).get("float_bytes")
    others = {}
    if row.beside:
        judge = _Judge(source, toml, calibration, evaluation, folder)
        others = {tool: judge.beside(tool) for tool in row.beside}
    date = datetime.now(UTC).date().isoformat()
    machine = describe() | {"load_average": [load_before, round(os.getloadavg()[1], 1)]}
    return {"title": row.title, "date": date, "machine": machine, "ours": ours, "beside": others}


def clear(text: str) -> str:
    """An error as one line for the page: a path of this machine keeps its last part alone."""
    return re.sub(r"(?<![\w.])(?:/[\w.+-]+)+/(?=[\w.+-])", "", printable(text))[:_ERROR_MAX]


def _cost(done: Measured) -> Result:
    return {
        "exit_code": done.code,
        "seconds": round(done.seconds, 1),
        "peak_memory_bytes": done.peak_memory_bytes,
    }


class _Judge:
    """The float model, the calibration samples and the gate as `dermedge convert` had them."""

    def __init__(self, source: Path, toml: Path, calibration: Path, evaluation: Path | None, folder: Path) -> None:
        asked = read_description(toml)
        model = sources.load(source, description=asked)
        self._described = complete(asked, model.tflite)
        judged, used = _sets(self._described, calibration, evaluation)
        self._gate = Gate(self._described, make_bundle(self._described, model.tflite), judged)
        self._folder = folder
        (folder / "float.tflite").write_bytes(model.tflite)
        _save(folder / "samples.npz", used)
        self._order = {
            "source": str(source),
            "float": str(folder / "float.tflite"),
            "samples": str(folder / "samples.npz"),
        }

    def beside(self, tool: str) -> Result:
        """What one plain tool makes of the same, and what the gate says of that."""
        made = self._folder / f"{tool}.tflite"
        order = self._folder / f"{tool}.json"
        order.write_text(json.dumps(self._order | {"made": str(made)}), encoding="utf-8")
        done = children.run(children.module("benchmarks.converters.beside", tool, str(order)), environment())
        if done.code != 0 or not made.is_file():
            return _cost(done) | {"error": clear(done.last_line)}
        content = made.read_bytes()
        try:
            verdict: GateResult = self._gate.judge(make_bundle(self._described, content))
        except DermedgeError as error:
            return _cost(done) | {"bytes": len(content), "error": clear(str(error))}
        return _cost(done) | {"bytes": len(content), "gate": msgspec.to_builtins(verdict)}


def _sets(described: Description, calibration: Path, evaluation: Path | None) -> tuple[Evaluation, Representative]:
    judged = None if evaluation is None else read_evaluation(evaluation, described)
    used = read_representative(calibration, described, evaluation=judged)
    return judged or used.held_back(), used


def _save(path: Path, used: Representative) -> None:
    """(n, 1, …) for each input."""
    samples = list(used.samples())
    if not samples:
        raise ConvertError("expected calibration samples, got none")
    arrays: Mapping[str, Any] = {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
    np.savez(path, **arrays)
