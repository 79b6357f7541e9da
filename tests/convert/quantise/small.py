"""A small detector, quantised by a recipe, and what a file answers in real numbers: for the quantiser's tests."""

from __future__ import annotations

import numpy as np

from convert.quantise.quantizer import quantize
from convert.quantise.recipes import Recipe
from convert.tensors import interface, make_interpreter, run
from tests.convert.quantise.chains import Chain, samples

RANGE = {"image": (-127 / 128, 1.0)}
PIXELS = {"low": -0.9, "high": 0.9}


def detector(seed: int = 0) -> bytes:
    """Two outputs of very different size, a residual's worth of layers: what a detector is made of."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)

    chain = Chain(3).conv("stem", normal(8, 3, 3, 3) * 3, normal(8, 1)[:, 0], "relu6")
    chain.depthwise("spatial", normal(1, 3, 3, 8) * 3, normal(8, 1)[:, 0], "relu6")
    chain.conv("scores", normal(2, 1, 1, 8), np.zeros(2))
    chain.after("spatial").conv("boxes", normal(4, 1, 1, 8) * 50, np.full(4, 30.0))
    return chain.bytes("scores", "boxes")


def quantized(recipe: Recipe | None = None, content: bytes | None = None) -> bytes:
    content = content or detector()
    return quantize(content, recipe or Recipe(), samples(interface(content)[0][0].shape[-1], **PIXELS), RANGE)


def outputs(content: bytes, image: np.ndarray) -> dict[str, np.ndarray]:
    """Real numbers in, real numbers out."""
    (source,), results = interface(content)
    if source.dtype != "float32":
        limits = np.iinfo(source.dtype)
        image = np.clip(np.rint(image / source.scale) + source.zero_point, limits.min, limits.max)
    raw = run(make_interpreter(content), {"image": image})
    for each in results:
        if each.dtype != "float32":
            raw[each.name] = (raw[each.name] - np.float32(each.zero_point)) * np.float32(each.scale)
    return raw
