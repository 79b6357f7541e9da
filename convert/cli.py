"""`dermedge convert`: a trained model in, an int8 bundle out that was shown to see what the model sees."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import __version__
from edge.errors import EX_IO, EX_SOFTWARE, EX_UNAVAILABLE, DermedgeError, printable

if TYPE_CHECKING:
    from convert.report.account import Account

RECIPES = ("static_wi8_ai8", "static_wi8_ai16", "dynamic_wi8_afp32", "float")
NOTHING_DONE: dict[str, Any] = {
    "ok": False,
    "exit_code": EX_SOFTWARE,
    "error": "",
    "bundle": None,
    "report": None,
    "files": {},
    "source": None,
    "calibration": None,
    "recipe": None,
    "float_ends": [],
    "gate": None,
    "steps": [],
    "layers": [],
    "scores": None,
    "latency": None,
    "seconds": {},
    "peak_memory_bytes": 0,
    "dermedge": __version__,
    "engine": "",
    "model": None,
}
"""The keys of --json, which are always the same, and what they hold where the work did not come so far."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    # argparse takes "-1,1" for an option, because it is no plain negative number.
    parser._negative_number_matcher = re.compile(r"-\.?\d")
    parser.add_argument(
        "source", type=Path, metavar="SOURCE", help=".keras, .h5, SavedModel folder, .onnx, .pt2 or a float .tflite"
    )
    parser.add_argument(
        "--calibration", type=Path, required=True, metavar="DIR|CSV|NPZ", help="pictures like those the device will see"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the bundle's folder, which must not exist"
    )
    about = parser.add_argument_group("the model")
    about.add_argument("--describe", type=Path, metavar="TOML", help="what the model is for and what its outputs mean")
    about.add_argument("--labels", type=Path, metavar="FILE", help="the labels, one a line, in the outputs' order")
    about.add_argument(
        "--input-range", type=_range, metavar="LO,HI", help="what pixel values 0 and 255 become: 0,1 or -1,1 or 0,255"
    )
    gate = parser.add_argument_group("the gate")
    gate.add_argument(
        "--eval", type=Path, metavar="CSV", help="labelled pictures; without them only agreement is judged"
    )
    gate.add_argument("--eval-images", type=Path, metavar="DIR", help="where the pictures of --eval lie")
    gate.add_argument(
        "--max-drop",
        type=_points,
        default=0.5,
        metavar="X",
        help="points of the metric that may be lost (default: 0.5)",
    )
    gate.add_argument(
        "--max-float-layers",
        type=_count,
        default=3,
        metavar="N",
        help="layers that repair may leave wider (default: 3)",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--recipe", choices=RECIPES, default=RECIPES[0], help=f"default: {RECIPES[0]}")
    how.add_argument("--seed", type=_count, default=0, metavar="N", help="which pictures are drawn (default: 0)")
    how.add_argument(
        "--allow-weak-calibration",
        action="store_true",
        help="go on with a poor calibration set, and say so in the card",
    )
    how.add_argument(
        "--export", choices=("mediapipe",), help="besides, a variant that MediaPipe's ObjectDetector loads"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout at the end, also of a failure")


def run(arguments: argparse.Namespace) -> int:
    try:
        account = _convert(arguments)
    except Exception as error:
        if arguments.json:
            print(json.dumps(_failure(error), ensure_ascii=False))
        raise
    if arguments.json:
        print(json.dumps(account.as_json(), ensure_ascii=False))
    if not account.ok:
        print(f"dermedge: {printable(account.error)}", file=sys.stderr)
    elif not arguments.json:
        from convert.report import words

        print("\n".join(words.english(account)))
    return account.exit_code


def _convert(arguments: argparse.Namespace) -> Account:
    from convert.job import Order, convert
    from convert.progress import Progress
    from edge.inference import engine_log

    engine_log.SHOW_ALL.set(arguments.debug)
    order = Order(
        source=arguments.source,
        calibration=arguments.calibration,
        out=arguments.out,
        describe=arguments.describe,
        labels=arguments.labels,
        input_range=arguments.input_range,
        evaluation=arguments.eval,
        pictures=arguments.eval_images,
        recipe=arguments.recipe,
        max_drop=arguments.max_drop,
        max_float_layers=arguments.max_float_layers,
        seed=arguments.seed,
        allow_weak=arguments.allow_weak_calibration,
        export=arguments.export,
    )
    return convert(order, Progress())


def _failure(error: Exception) -> dict[str, Any]:
    """An account with nothing in it; the code is the one that the command ends with.

    Written out, since the account's own module may be what could not be imported.
    """
    if isinstance(error, DermedgeError):
        code = error.exit_code
    else:
        code = (
            EX_IO
            if isinstance(error, OSError)
            else EX_UNAVAILABLE
            if isinstance(error, ModuleNotFoundError)
            else EX_SOFTWARE
        )
    return NOTHING_DONE | {"exit_code": code, "error": printable(str(error))}


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected LO,HI such as -1,1, got {text!r}") from None
    return low, high


def _points(text: str) -> float:
    try:
        points = float(text)
    except ValueError:
        points = -1.0
    if not 0 <= points <= 100:
        raise argparse.ArgumentTypeError(f"expected points from 0 to 100, got {text!r}")
    return points


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {text!r}")
    return int(text)
