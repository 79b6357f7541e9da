"""Near-duplicate pictures: a difference hash, so that a hundred copies of one picture do not count as a hundred.

Method: dHash (N. Krawetz, "Kind of Like That", The Hacker Factor Blog, 2013), here 16 × 16 bits: whether the picture
grows brighter from left to right, on a grey thumbnail. A copy that was compressed again, made smaller or brighter
differs in up to 25 bits; different pictures of smooth skin in 27 and more (64 bits do not tell those apart).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.frame import Pixels

Hash = NDArray[np.uint8]
"""(32,) uint8: 256 bits."""
DISTANCE_MAX_BITS = 26
"""Hashes this near, of 256 bits, are of one picture."""
_SIDE = 16


def difference_hash(rgb: Pixels) -> Hash:
    """The hash of an (height, width, 3) RGB picture."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA)
    return np.packbits(small[:, 1:] > small[:, :-1])


def first_of_each(hashes: NDArray[np.uint8], already: NDArray[np.uint8] | None = None) -> NDArray[np.bool_]:
    """(n,) True for each of the (n, 32) hashes that is near no kept one before it, nor any of `already` (m, 32)."""
    known = np.empty((0, 32), dtype=np.uint8) if already is None else already
    kept = np.concatenate([known, np.empty_like(hashes)])
    count, first = len(known), np.zeros(len(hashes), dtype=np.bool_)
    for index, each in enumerate(hashes):
        first[index] = count == 0 or _nearest_bits(each, kept[:count]) > DISTANCE_MAX_BITS
        if first[index]:
            kept[count] = each
            count += 1
    return first


def _nearest_bits(one: Hash, others: NDArray[np.uint8]) -> int:
    distances, _ = cv2.batchDistance(one[np.newaxis], others, cv2.CV_32S, normType=cv2.NORM_HAMMING, K=1)
    return int(distances[0, 0])
