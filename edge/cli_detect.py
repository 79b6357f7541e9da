"""`dermedge detect`: pictures in, lesions out. No network, no state."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import EX_DATA, PictureError, StoreError, UsageError, printable

if TYPE_CHECKING:
    from edge.bundle import Card
    from edge.detect import Detection, Detector
    from edge.frame import Pixels
    from edge.quality import QualityJudge
    from edge.tiles import TiledDetector

PROGRESS_FROM_PICTURES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", nargs="+", metavar="IMAGE|DIR", help="pictures, or folders of pictures")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="a model bundle (default: the one that ships)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--score-threshold", type=float, metavar="T", help="report scores from T on; 0 keeps all")
    parser.add_argument(
        "--tile", action="store_true", help="look at overlapping tiles as well: finds smaller lesions, takes longer"
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="threads of the engine (default: 2)")
    parser.add_argument("--backend", default="litert", help="inference backend (default: litert)")
    parser.add_argument("--annotate", type=Path, metavar="DIR", help="write each picture with its boxes to DIR")


def run(arguments: argparse.Namespace) -> int:
    from edge import bundle
    from edge.config import Detect, Inference, Quality
    from edge.detect import Detector
    from edge.pictures import read_picture
    from edge.quality import QualityJudge
    from edge.tiles import TiledDetector

    _check(arguments)
    settings = Detect(score_threshold=arguments.score_threshold)
    inference = Inference(backend=arguments.backend, threads=arguments.threads)
    plain = Detector(bundle.load(arguments.bundle), inference, settings)
    detector = TiledDetector(plain) if arguments.tile else plain
    judge = QualityJudge(Quality())
    paths, exit_code = _expand(arguments.inputs)
    if not arguments.json and paths:
        print(_meaning(detector.bundle.card))
        print(f"{'label':<20} {'score':>6}  {'box (x_min y_min x_max y_max)':<32} picture")
    for index, path in enumerate(paths):
        _progress(index, len(paths))
        try:
            picture = read_picture(path)
            if picture.note:
                _say(f"{path}: {picture.note}")
            answer = look(path, picture.rgb, detector, judge)
        except PictureError as error:
            _say(str(error))
            exit_code = EX_DATA
            continue
        print(_json(answer) if arguments.json else _table(answer), flush=True)
        if arguments.annotate is not None:
            _annotate(arguments.annotate / f"{index:04d}-{path.stem}.png", picture.rgb, answer)
    return exit_code


def _check(arguments: argparse.Namespace) -> None:
    from edge.config import THREADS_MAX

    if "" in arguments.inputs:
        raise UsageError("expected pictures or folders, got an empty name: is a variable of the script unset?")
    threshold = arguments.score_threshold
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"expected --score-threshold from 0 to 1, got {threshold}")
    if not 1 <= arguments.threads <= THREADS_MAX:
        raise UsageError(f"expected --threads from 1 to {THREADS_MAX}, got {arguments.threads}")
    if arguments.annotate is not None:
        try:
            arguments.annotate.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"expected a folder to write to at {arguments.annotate}; {error}") from error


def _expand(inputs: list[str]) -> tuple[list[Path], int]:
    from edge.pictures import pictures_in

    paths: list[Path] = []
    exit_code = 0
    for given in map(Path, inputs):
        try:
            paths.extend(pictures_in(given) if given.is_dir() else [given])
        except PictureError as error:
            _say(str(error))
            exit_code = EX_DATA
        except OSError:
            paths.append(given)  # read_picture says what is wrong with it, in its turn
    return paths, exit_code


def look(path: Path, rgb: Pixels, detector: Detector | TiledDetector, judge: QualityJudge) -> dict[str, Any]:
    """One answer of the contract. The model always runs: quality is reported, it filters nothing.

    Raises PictureError where the picture is more than this machine can process: the others are still answered.
    """
    import cv2

    try:
        detections: list[Detection] = detector.detect(rgb)
        report = judge.judge(rgb)
    except (cv2.error, MemoryError) as error:
        raise PictureError(f"expected a picture that this machine can process at {path}, got: {error}") from error
    latency = detector.latency
    return {
        "image": str(path),
        "size_px": [rgb.shape[1], rgb.shape[0]],
        "quality": {"accepted": report.accepted, "hint": report.hint},
        "detections": [
            {
                "label": each.label,
                "score": round(each.score, 6),
                "box_px": [round(edge, 2) for edge in each.box_px],
            }
            for each in detections
        ],
        "latency_ms": {
            "preprocess": round(latency.preprocess_ms, 3),
            "invoke": round(latency.invoke_ms, 3),
            "decode": round(latency.decode_ms, 3),
        },
    }


def _meaning(card: Card) -> str:
    """What a score is, by the card."""
    plain = [label.name for label in card.labels if label.calibration is None]
    if not plain:
        return (
            "A score is a probability, calibrated on pictures like those that the card names; elsewhere it may be off."
        )
    which = "A score" if len(plain) == len(card.labels) else f"A score of {', '.join(plain)}"
    return f"{which} is no probability: it ranks boxes of one label, and means nothing beyond that."


def _json(answer: dict[str, Any]) -> str:
    """UTF-8 as it is; a name with stray bytes as escapes, since JSON has no other place for them."""
    text = json.dumps(answer, ensure_ascii=False)
    return text if text.isascii() or text.encode("utf-8", "replace").decode() == text else json.dumps(answer)


def _table(answer: dict[str, Any]) -> str:
    name = printable(answer["image"])
    if not answer["detections"]:
        return f"{'-':<20} {'-':>6}  {'nothing found by this model':<32} {name}"
    return "\n".join(
        f"{each['label']:<20} {each['score']:6.2f}  {' '.join(f'{edge:.0f}' for edge in each['box_px']):<32} {name}"
        for each in answer["detections"]
    )


def _annotate(target: Path, rgb: Pixels, answer: dict[str, Any]) -> None:
    import cv2

    drawn = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    width = max(2, round(max(drawn.shape[:2]) / 300))
    for each in answer["detections"]:
        x_min, y_min, x_max, y_max = (round(edge) for edge in each["box_px"])
        cv2.rectangle(drawn, (x_min, y_min), (x_max, y_max), (255, 144, 30), width)
        place = (x_min, max(y_min - 2 * width, 12 * width // 2))
        text = f"{each['label']} {each['score']:.2f}"
        cv2.putText(drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, width / 4, (255, 144, 30), width)
    try:
        target.write_bytes(cv2.imencode(".png", drawn)[1].tobytes())
    except OSError as error:
        raise StoreError(f"expected to write {target}; {error.strerror}") from error


def _progress(done: int, total: int) -> None:
    if total >= PROGRESS_FROM_PICTURES and sys.stderr.isatty():
        sys.stderr.write(f"\r{done + 1}/{total} pictures" + ("\n" if done + 1 == total else ""))
        sys.stderr.flush()


def _say(line: str) -> None:
    print(f"dermedge: {printable(line)}", file=sys.stderr)
