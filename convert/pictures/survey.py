"""One look at every picture of a set: is it whole, is it there twice, what does the set look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.pictures.domain import FEATURES, features
from convert.pictures.duplicates import difference_hash
from convert.pictures.examples import Example
from convert.pictures.skin_tone import UNKNOWN, ita_bin, ita_deg
from edge.errors import PictureError, printable


@dataclass(frozen=True, slots=True)
class Survey:
    """hashes: (n, 32) uint8. features: (n, 5) as convert.domain.FEATURES. tones: (n,) bins of skin_tone, or UNKNOWN."""

    hashes: NDArray[np.uint8]
    features: NDArray[np.float64]
    tones: tuple[str, ...]

    def take(self, indices: Sequence[int]) -> Survey:
        chosen = list(indices)
        return Survey(self.hashes[chosen], self.features[chosen], tuple(self.tones[index] for index in chosen))


def survey(examples: Sequence[Example], told: str, *, boxes_known: bool) -> Survey:
    """Read each picture once. boxes_known: a picture without boxes has no lesion, rather than one that nobody marked.

    Raises ConvertError that names the first picture that cannot be read, and how many there are.
    """
    hashes, looks, tones, unreadable = [], [], [], []
    for example in examples:
        try:
            rgb = example.rgb()
        except PictureError as error:
            unreadable.append(printable(str(error)))
            continue
        boxes = np.asarray([box for _, box in example.boxes], dtype=np.float64).reshape(-1, 4)
        angle_deg = ita_deg(rgb, boxes if boxes_known or len(boxes) else None)
        hashes.append(difference_hash(rgb))
        looks.append(features(rgb))
        tones.append(UNKNOWN if angle_deg is None else ita_bin(angle_deg))
    if unreadable:
        raise ConvertError(
            f"expected {len(examples)} readable pictures ({told}), got {len(unreadable)} that are not; "
            f"the first: {unreadable[0]}"
        )
    return Survey(
        np.asarray(hashes, dtype=np.uint8).reshape(-1, 32),
        np.asarray(looks, dtype=np.float64).reshape(-1, len(FEATURES)),
        tuple(tones),
    )
