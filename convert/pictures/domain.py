"""Whether two sets of pictures look alike: five numbers a picture, and how far apart their distributions are.

Distance: the two-sample Kolmogorov–Smirnov statistic (F. J. Massey, J. Am. Stat. Assoc. 46, 1951), 0 for equal
distributions and 1 for disjoint ones, feature by feature; the largest counts. On the project's own pictures, two halves
of one source lie within 0.15, one source against a mixture with another within 0.5, and faces against dermoscopy at
0.85. With ten pictures, chance alone reaches 0.5.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.frame import Pixels

FEATURES = ("brightness", "red against green", "yellow against blue", "contrast", "texture")
DISTANCE_MAX = 0.6
_SIDE_PX = 64


def features(rgb: Pixels) -> NDArray[np.float64]:
    """(5,) as FEATURES: means of CIELAB's L*, a*, b*, the deviation of L*, and its mean step to the next pixel."""
    small = cv2.resize(rgb, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lightness = lab[:, :, 0]
    steps = np.abs(np.diff(lightness, axis=0)).mean() + np.abs(np.diff(lightness, axis=1)).mean()
    return np.array([*lab.mean(axis=(0, 1)), lightness.std(), steps], dtype=np.float64)


def distance(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> tuple[float, str]:
    """The largest Kolmogorov–Smirnov statistic between (n, 5) and (m, 5) features, and that feature's name."""
    statistics = [_kolmogorov_smirnov(ours[:, index], theirs[:, index]) for index in range(len(FEATURES))]
    worst = int(np.argmax(statistics))
    return statistics[worst], FEATURES[worst]


def _kolmogorov_smirnov(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    every = np.concatenate([ours, theirs])
    shares = [np.searchsorted(np.sort(each), every, side="right") / len(each) for each in (ours, theirs)]
    return float(np.abs(shares[0] - shares[1]).max())
