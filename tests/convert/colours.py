"""A small labelled task: drawn pictures in which one colour prevails a little, written as files with a CSV."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge.frame import Pixels

LABELS = ("reddish", "greenish", "bluish")
TOML = """
name = "colours"
labels = ["reddish", "greenish", "bluish"]
[input]
range = [0.0, 1.0]
"""


def picture(label: int, rng: np.random.Generator, *, size_px: int = 40, brightness: float = 110) -> Pixels:
    """(size, size, 3): coarse random blots over a ground in which the label's channel is a little stronger."""
    blots = rng.normal(0, 45, (9, 9, 3)).astype(np.float32)
    ground = np.full(3, brightness, np.float32)
    ground[label] += rng.normal(22, 16)
    field = cv2.resize(blots - blots.mean(axis=(0, 1)), (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(ground + field, 0, 255), dtype=np.uint8)


def write(
    folder: Path, count: int, seed: int = 0, *, header: str = "image,label,source,group", per_group: int = 6
) -> Path:
    """`count` pictures in folder/images and folder/set.csv, labels in turn, so many in a row of one group."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    lines = [header]
    for number in range(count):
        label = number % len(LABELS)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), picture(label, rng)[:, :, ::-1])
        lines.append(f"{number}.png,{LABELS[label]},source_{number % 2},group_{seed}_{number // per_group}")
    (folder / "set.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "set.csv"


def describe_file(folder: Path) -> Path:
    """The model's description as a user writes it."""
    path = folder / "model.toml"
    path.write_text(TOML, encoding="utf-8")
    return path
