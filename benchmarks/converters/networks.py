"""The networks of the table as the files that a user would bring. Frameworks are imported only when one is made."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.converters import children, lite0, pictures
from benchmarks.processes import environment
from edge.preprocess import Preprocessor

Reals = NDArray[np.float64]
_STEPS, _RATE, _DECAY = 400, 0.025, 0.1


def detector(folder: Path) -> Path:
    """The reference detector before quantisation, which the room `models` makes: no import, that room is not ours."""
    path = folder / "detector.keras"
    subprocess.run(children.module("models.float_file", str(path)), env=environment(), check=True)
    return path


def fragile(folder: Path) -> Path:
    """The same detector with one output a level: logits, distances and a channel of a thousand times a logit.

    The same answers, so the float model sees as well; but int8 has one scale for all of a tensor.
    """
    import keras

    whole = keras.saving.load_model(detector(folder), compile=False)
    levels: dict[int, dict[int, Any]] = {}
    for output in whole.outputs:
        levels.setdefault(output.shape[1], {})[output.shape[-1]] = output
    joined: list[Any] = []
    for parts in (levels[side] for side in sorted(levels, reverse=True)):
        loud = keras.layers.Conv2D(1, 1, use_bias=False, name=f"loud_{len(joined)}")
        together = [parts[2], parts[4], loud(parts[2])]
        joined.append(keras.layers.Concatenate(name=f"level_{len(joined)}")(together))
        loud.set_weights([np.array([1000.0, 0.0], np.float32).reshape(1, 1, 2, 1)])
    path = folder / "fragile.keras"
    keras.Model(whole.inputs, joined).save(path)
    return path


def lite0_keras(folder: Path) -> Path:
    path = folder / "lite0.keras"
    lite0.keras_model().save(path)
    return path


def lite0_torch(folder: Path) -> Path:
    import torch

    path = folder / "lite0.pt2"
    example = torch.zeros(1, 3, lite0.SIDE_PX, lite0.SIDE_PX)
    torch.export.save(torch.export.export(lite0.torch_model(), (example,)), path)
    return path


def lite0_onnx(folder: Path) -> Path:
    import torch

    path = folder / "lite0.onnx"
    example = torch.zeros(1, 3, lite0.SIDE_PX, lite0.SIDE_PX)
    torch.onnx.export(
        lite0.torch_model(), (example,), path, dynamo=False, input_names=["image"], output_names=["logits"],
        dynamic_axes={"image": {0: "n"}, "logits": {0: "n"}},
    )  # fmt: skip
    return path


def turned_faces(folder: Path) -> Path:
    """EfficientNet-Lite0 without its last layer, and a linear layer of four in its place, fitted on the train split."""
    import keras

    base = lite0.keras_model()
    features = keras.Model(base.input, base.layers[-2].output)
    rows = pictures.labelled(pictures.turned_faces(folder / "set"), "train")
    seen = np.concatenate([features.predict(batch, verbose=0) for batch in _batches([path for path, _ in rows])])
    truth = np.array([pictures.TURNS.index(label) for _, label in rows])
    weights, bias = softmax_regression(seen.astype(np.float64), truth, len(pictures.TURNS))
    head = keras.layers.Dense(len(pictures.TURNS), name="turn")
    model = keras.Model(base.input, keras.layers.Softmax(name="probabilities")(head(features.output)))
    head.set_weights([weights.astype(np.float32), bias.astype(np.float32)])
    path = folder / "turned_faces.keras"
    model.save(path)
    return path


def softmax_regression(seen: Reals, truth: NDArray[np.intp], labels: int) -> tuple[Reals, Reals]:
    """(features, labels) weights and (labels,) bias by gradient descent on standardised features, with weight decay."""
    mean, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    scaled, wanted = (seen - mean) / spread, np.eye(labels)[truth]
    weights, bias = np.zeros((seen.shape[1], labels)), np.zeros(labels)
    for _ in range(_STEPS):
        logits = scaled @ weights + bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        off = (powers / powers.sum(axis=1, keepdims=True) - wanted) / len(seen)
        weights -= _RATE * (scaled.T @ off + _DECAY * weights)
        bias -= _RATE * off.sum(axis=0)
    weights /= spread[:, np.newaxis]
    return weights, bias - mean @ weights


def _batches(paths: list[Path], size: int = 32) -> Any:
    """As the device preprocesses them: letterboxed, (v - 127) / 128."""
    from edge.bundle import Input
    from edge.pictures import read_picture

    shape = (1, lite0.SIDE_PX, lite0.SIDE_PX, 3)
    preprocessor = Preprocessor(Input("image", shape, "float32", mean=127.0, std=128.0))
    for start in range(0, len(paths), size):
        batch = np.empty((len(paths[start : start + size]), *shape[1:]), np.float32)
        for index, path in enumerate(paths[start : start + size]):
            preprocessor.write(read_picture(path).rgb, batch[index : index + 1])
        yield batch
