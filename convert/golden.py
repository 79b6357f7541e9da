"""A drawn picture and what a model answered to it when it was converted: does it answer so here, today?

The answers stand in the card under `measured`, which the card's hash leaves out: they are to find an engine or a
processor that computes otherwise. That the model is the one that was converted is for its own hash to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle, Output
from edge.config import Inference
from edge.frame import Pixels
from edge.inference.base import BACKENDS, InferenceBackend
from edge.loading import open_named
from edge.preprocess import Preprocessor

SAMPLES = 64
STEPS = 255
"""A step is the tensor's scale; of a float tensor, this part of what the sampled values span."""


class Answer(msgspec.Struct, frozen=True):
    """One output. sha256: over all its bytes. sample: values spread evenly over it, little-endian, as hexadecimal."""

    sha256: str
    sample: str


class Golden(msgspec.Struct, frozen=True):
    """engine: name and version of what answered. outputs: by tensor name."""

    engine: str
    outputs: dict[str, Answer]


class Difference(msgspec.Struct, frozen=True):
    """largest_steps and mean_steps: over all sampled values, in quantisation steps. engine: what answered here."""

    same_bytes: bool
    largest_steps: float
    mean_steps: float
    engine: str


def drawn_picture(width_px: int, height_px: int) -> Pixels:
    """(height, width, 3) RGB: a dark disc on light skin, with grain. Whole numbers only, so it is the same anywhere."""
    y, x = np.mgrid[0:height_px, 0:width_px].astype(np.int64)
    side = min(width_px, height_px)
    grain = (x * 73 + y * 151 + x * y * 7) % 23 - 11
    inside = (2 * x - width_px) ** 2 + (2 * y - height_px) ** 2 < (side // 3) ** 2
    channels = [
        np.where(inside, dark, light - 24 * y // height_px) + grain for light, dark in ((214, 96), (172, 62), (148, 52))
    ]
    return np.stack(channels, axis=2).astype(np.uint8)


def ask(bundle: Bundle, inference: Inference) -> Golden:
    """The model's answers to the drawn picture. Raises BundleError for a model that takes more, or less, than one."""
    card, answers = bundle.card, {}
    picture = card.picture_input
    backend: InferenceBackend = open_named(
        "inference.backend", inference.backend, BACKENDS, InferenceBackend, bundle, inference.threads
    )
    preprocessor = Preprocessor(picture)
    _, height, width, _ = picture.shape

    def fill(tensor: NDArray[np.generic]) -> None:
        preprocessor.write(drawn_picture(width, height), tensor)

    def use(outputs: Mapping[str, NDArray[np.generic]]) -> None:
        roles = {spec.role: spec.name for spec in card.outputs}
        rows = int(outputs[roles["count"]].item()) if "count" in roles else None
        beyond = {roles[role] for role in ("boxes", "classes", "scores") if role in roles} if rows is not None else ()
        for name, values in outputs.items():
            told = values.copy()
            if name in beyond:
                told[:, rows:] = 0  # whatever lay in memory
            answers[name] = _answer(told)

    backend.invoke(fill)
    backend.read(use)
    return Golden(backend.engine, answers)


def compare(bundle: Bundle, before: Golden, now: Golden) -> Difference:
    """Raises ValueError where the two are not of the same outputs."""
    specs = {spec.name: spec for spec in bundle.card.outputs}
    if not before.outputs.keys() == now.outputs.keys() == specs.keys():
        raise ValueError(f"expected answers of {', '.join(specs)}, got {', '.join(before.outputs)}")
    steps = [_steps(specs[name], before.outputs[name], now.outputs[name]) for name in specs]
    return Difference(
        all(before.outputs[name].sha256 == now.outputs[name].sha256 for name in specs),
        max(float(each.max()) for each in steps),
        float(np.concatenate(steps).mean()),
        now.engine,
    )


def _answer(values: NDArray[Any]) -> Answer:
    flat = values.ravel()
    places = np.linspace(0, flat.size - 1, min(SAMPLES, flat.size)).astype(np.intp)
    ordered = flat.astype(flat.dtype.newbyteorder("<"), copy=False)
    return Answer(hashlib.sha256(ordered.tobytes()).hexdigest(), ordered[places].tobytes().hex())


def _steps(spec: Output, before: Answer, now: Answer) -> NDArray[np.float64]:
    dtype = np.dtype(spec.dtype).newbyteorder("<")
    first, second = (np.frombuffer(bytes.fromhex(each.sample), dtype).astype(np.float64) for each in (before, now))
    if first.size != second.size:
        raise ValueError(f"expected {second.size} sampled values of {spec.name!r}, got {first.size}")
    step = 1.0
    if spec.dtype == "float32":
        step = float(np.ptp(first)) / STEPS or 1e-6
    return np.asarray(np.abs(first - second) / step)
