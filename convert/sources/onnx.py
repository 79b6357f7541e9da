"""ONNX, by onnx2tf: in an environment of its own, because it pins TensorFlow and numpy to older versions.

The model is given fixed shapes first (onnx2tf 1.29 loses track of channels where the batch is open), converted by a
subprocess, and compared with ONNX Runtime in that same environment. onnx2tf puts channels last and names everything
anew; names and orders are found again from shapes and answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convert.errors import ConvertError, MissingLibraryError
from convert.floatmodel import Floats, Named
from convert.sources import health, onnx_worker
from convert.sources.converted import Converted, Shape, Shapes, fixed_shape, is_channels_first
from convert.sources.matching import Order, inverse, match_outputs, orders, pairings
from convert.sources.tidy import signature_names, tidy
from convert.tensors import Tensor, interface, make_interpreter
from convert.tensors import run as run_tflite

ENVIRONMENT_VARIABLE = "DERMEDGE_ONNX"
INSTALL = "make onnx-environment"
_SAMPLE = "calibration_image_sample_data_20x128x128x3_float32.npy"
"""A file that onnx2tf would download; where it lies in the working folder, it is taken from there."""


def convert(path: Path, given: Shapes) -> Converted:
    """Fix the shapes, convert, match. Raises MissingLibraryError without the environment."""
    python = _python()
    described = json.loads(_worker(python, path, "describe", str(path)).stdout)
    if described["foreign_ops"]:
        raise ConvertError(
            f"expected operators of ONNX itself in {path}, got {', '.join(described['foreign_ops'])}: export the model "
            "without them, or do their work after it"
        )
    shapes, keep, notes = _inputs(described, given)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _worker(python, path, "fix", str(path), json.dumps(shapes), str(folder / "model.onnx"))
        content = _onnx2tf(python, folder, keep, path)
        content, _ = tidy(content, str(path), _signed_names(content, str(path)))
        model = (folder / "model.onnx").read_bytes()

    def answer(feeds: Named) -> dict[str, Floats]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "model.onnx").write_bytes(model)
            np.savez(folder / "in.npz", **feeds)  # type: ignore[arg-type]
            words = [str(folder / each) for each in ("model.onnx", "in.npz", "out.npz")]
            _worker(python, path, "run", *words)
            with np.load(folder / "out.npz") as made:
                return {each: made[each].astype(np.float32) for each in made.files}

    into, out_of = _match(content, shapes, answer, str(path))
    names = {theirs: ours for theirs, (ours, _) in (into | out_of).items()}
    content, more = tidy(content, str(path), names)

    def reference(feeds: Named) -> dict[str, Floats]:
        made = answer({ours: feeds[ours].transpose(inverse(order)) for ours, order in into.values()})
        return {ours: made[ours].transpose(order) for ours, order in out_of.values()}

    for ours, order in (into | out_of).values():
        if order[-1] == 1 and len(order) > 2:
            notes.append(f"{ours}: channels first became channels last")
        elif order != tuple(range(len(order))):
            notes.append(f"{ours}: sides reordered by {order}")
    return Converted(content, (*notes, *more), int(described["weight_count"]), reference)


def environment() -> Path:
    """Where `make onnx-environment` puts it."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dermedge/onnx"


def _python() -> Path:
    python = environment() / "bin" / "python"
    if not (environment() / "installed.txt").is_file() or not python.is_file():
        raise MissingLibraryError("ONNX models", f"onnx2tf's environment in {environment()}", INSTALL)
    return python


def _inputs(described: Mapping[str, Any], given: Shapes) -> tuple[dict[str, Shape], list[str], list[str]]:
    """Fixed shapes as ONNX has them, names of the inputs whose sides onnx2tf must leave alone, notes."""
    shapes, keep, notes = {}, [], []
    for each in described["inputs"]:
        name, dims = each["name"], each["dims"]
        channels_first = is_channels_first(dims)
        shapes[name], fixed = fixed_shape(name, dims, given, channels_first=channels_first)
        notes += fixed
        if not channels_first:
            keep.append(name)
    return shapes, keep, notes


def _worker(python: Path, path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = _call([str(python), "-I", onnx_worker.__file__, *words], Path.cwd())
    if done.returncode != 0:
        raise ConvertError(f"expected a sound ONNX model at {path}, got {last_line(done.stderr)}")
    return done


def _onnx2tf(python: Path, folder: Path, keep: Sequence[str], path: Path) -> bytes:
    """The float .tflite that onnx2tf makes of folder/model.onnx."""
    np.save(folder / _SAMPLE, np.random.default_rng(0).random((20, 128, 128, 3), np.float32))
    words = [str(python.parent / "onnx2tf"), "-i", "model.onnx", "-o", "out", "-n", "-v", "error"]
    done = _call([*words, *(["-kat", *keep] if keep else [])], folder, PATH=f"{python.parent}:{os.environ['PATH']}")
    made = folder / "out" / "model_float32.tflite"
    if done.returncode != 0 or not made.is_file():
        raise ConvertError(
            f"expected a model that onnx2tf converts at {path}, got {last_line(done.stdout + done.stderr)}; where the "
            "model comes from PyTorch, `torch.export.save` and the .pt2 file are another way"
        )
    return made.read_bytes()


def _call(words: Sequence[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": "", **variables}
    return subprocess.run(
        words, cwd=folder, env=os.environ | quiet, capture_output=True, text=True, errors="replace", check=False
    )


def _signed_names(content: bytes, where: str) -> dict[str, str]:
    """Tensor name → the name that the file's signature has for it, which is mostly ONNX's own."""
    return {tensor: name for names in signature_names(content, where) for name, tensor in names.items()}


def _match(
    content: bytes, shapes: Mapping[str, Shape], answer: Any, where: str
) -> tuple[dict[str, tuple[str, Order]], dict[str, tuple[str, Order]]]:
    """Inputs and outputs of the file → (name in ONNX, order of its sides)."""
    inputs, _ = interface(content)
    interpreter = make_interpreter(content)
    sample = health.seeded([Tensor(name, shape, "float32", 0, 0) for name, shape in shapes.items()], 0)
    wanted = answer(sample)
    health.check_finite([wanted], where)  # nothing can be told apart by NaN
    best, least = None, np.inf
    for pairing in pairings(shapes, {each.name: each.shape for each in inputs}):
        into = {each.name: (pairing[each.name], orders(shapes[pairing[each.name]], each.shape)[0]) for each in inputs}
        got = run_tflite(interpreter, {theirs: sample[ours].transpose(order) for theirs, (ours, order) in into.items()})
        out_of = match_outputs(wanted, got, where)
        off = sum(float(np.abs(wanted[ours].transpose(o) - got[theirs]).mean()) for theirs, (ours, o) in out_of.items())
        if off < least or best is None:
            best, least = (into, out_of), off
    if best is None:
        raise ConvertError(
            f"expected inputs {list(shapes.values())} as {where} has them, got {[each.shape for each in inputs]} after "
            "conversion: the conversion went wrong"
        )
    return best


def last_line(text: str) -> str:
    """The error in what a program printed: the last line that looks like one, or the last at all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [place for place, line in enumerate(lines) if "Error" in line.partition(":")[0]]
    if errors and "Exception encountered" in lines[errors[-1]]:
        errors[-1] += errors[-1] + 1 < len(lines)  # Keras says where on this line, and what on the next
    return lines[errors[-1] if errors else -1][:300] if lines else "nothing"
