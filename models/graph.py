"""The detector again, in Keras: the same layers, the same weights, the form that the converter takes.

NHWC, RGB, (u8 - 127) / 128. Six outputs, two a level, strides 8, 16, 32: class logits [1, h, w, 2] and log distances
[1, h, w, 4]. Every layer has a fixed name, so that the converted file is the same byte for byte
(on the same kind of processor).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from models.architecture import BLOCKS, HEAD_KERNEL, INPUT_PX, PYRAMID_CHANNELS, STEM_CHANNELS, STRIDES, TAPS

Weights = dict[str, NDArray[np.float32]]


def load_weights(path: Path) -> Weights:
    """Arrays of an .npz in torch layout, by torch name, as float32."""
    with np.load(path) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


class Layers:
    """Makes layers with their weights. A name is a path of the torch module, dots become underscores."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.pending: list[tuple[Any, str]] = []

    def conv(self, name: str, filters: int, kernel: int = 1, stride: int = 1) -> Any:
        """A convolution with bias and SAME padding."""
        layer = layers.Conv2D(filters, kernel, stride, padding="same", name=name.replace(".", "_"))
        self.pending.append((layer, name))
        return layer

    def depthwise(self, name: str, kernel: int, stride: int = 1) -> Any:
        """A depthwise convolution with bias and SAME padding."""
        layer = layers.DepthwiseConv2D(kernel, stride, padding="same", name=name.replace(".", "_"))
        self.pending.append((layer, name))
        return layer

    def fill(self) -> None:
        """Copy the weights into the layers, once these are built."""
        for layer, name in self.pending:
            axes = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
            kernel = np.ascontiguousarray(self.weights[f"{name}.weight"].transpose(axes))
            layer.set_weights([kernel, self.weights[f"{name}.bias"]])


def relu6(x: Any, name: str) -> Any:
    """ReLU6 as a layer of its own; the converter fuses it."""
    return layers.ReLU(6.0, name=f"{name}_relu6")(x)


def backbone(make: Layers, x: Any, prefix: str = "") -> list[Any]:
    """EfficientNet-Lite0 blocks 0-15 on x [n, 320, 320, 3]; the outputs at strides 8, 16, 32."""
    x = relu6(make.conv(f"{prefix}stem", STEM_CHANNELS, 3, 2)(x), f"{prefix}stem")
    channels, taps = STEM_CHANNELS, []
    for index, (kernel, stride, expansion, out) in enumerate(BLOCKS):
        name, y = f"{prefix}blocks.{index}", x
        flat = name.replace(".", "_")
        if expansion > 1:
            y = relu6(make.conv(f"{name}.expand", channels * expansion)(y), f"{flat}_expand")
        y = relu6(make.depthwise(f"{name}.depthwise", kernel, stride)(y), f"{flat}_depthwise")
        y = make.conv(f"{name}.project", out)(y)
        x = layers.Add(name=f"{flat}_add")([x, y]) if stride == 1 and channels == out else y
        channels = out
        if index in TAPS:
            taps.append(x)
    return taps


def build(weights: Weights, classes: int = 2) -> keras.Model:
    """The whole network with its weights; batch size 1."""
    make = Layers(weights)
    x = keras.Input((INPUT_PX, INPUT_PX, 3), batch_size=1, name="image")
    taps = backbone(make, x)
    above: Any = None
    levels: list[Any] = []
    for index in reversed(range(len(taps))):
        merged = make.conv(f"lateral.{index}", PYRAMID_CHANNELS)(taps[index])
        if above is not None:
            bigger = layers.UpSampling2D(2, interpolation="nearest", name=f"up_{index}")(above)
            merged = layers.Add(name=f"merge_{index}")([merged, bigger])
        y = make.depthwise(f"smooth.{index}.depthwise", HEAD_KERNEL)(merged)
        above = relu6(make.conv(f"smooth.{index}.pointwise", PYRAMID_CHANNELS)(y), f"smooth_{index}")
        levels.insert(0, above)
    tower = [
        (make.depthwise(f"tower.{i}.depthwise", HEAD_KERNEL), make.conv(f"tower.{i}.pointwise", PYRAMID_CHANNELS))
        for i in range(2)
    ]
    classify, locate = make.conv("classify", classes), make.conv("locate", 4)
    outputs = []
    for stride, level in zip(STRIDES, levels, strict=True):
        y = level
        for i, (spatial, mix) in enumerate(tower):
            y = relu6(mix(spatial(y)), f"tower_{i}_s{stride}")
        outputs += [classify(y), locate(y)]
    model = keras.Model(x, outputs, name="lesion")
    make.fill()
    return model


def mac(model: keras.Model) -> int:
    """Multiply-accumulates of the convolutions for one picture (a shared layer counts at each of its uses)."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            for node in layer._inbound_nodes:
                _, height, width, _ = node.outputs[0].shape
                total += height * width * int(np.prod(layer.kernel.shape))
    return total
