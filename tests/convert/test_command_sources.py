"""`dermedge convert` from every framework's own file to a bundle: the same small network by five routes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the workshop's environment has TensorFlow")

from convert.gate.running import probabilities  # noqa: E402
from convert.inferred import describe  # noqa: E402
from convert.pictures.evaluation import read_evaluation  # noqa: E402
from edge import bundle  # noqa: E402
from tests.convert import colours, tiny  # noqa: E402
from tests.convert.test_command import dermedge  # noqa: E402

pytestmark = [pytest.mark.heavy_workshop, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SIDE_PX = 32
BLUR = np.full((3, 3), 1 / 9, np.float32)
"""A convolution that changes no mean colour, so that the network is a network."""


def keras_network() -> Any:
    picture = keras.Input((SIDE_PX, SIDE_PX, 3), name="image")
    blur, classify = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False), keras.layers.Dense(3)
    made = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(blur(picture)))
    model = keras.Model(picture, keras.layers.Softmax(name="scores")(classify(made)))
    blur.set_weights([np.repeat(BLUR[:, :, np.newaxis], 3, axis=2)[..., np.newaxis]])
    classify.set_weights([tiny.WEIGHTS.T, np.zeros(3, np.float32)])
    return model


def torch_network() -> Any:
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blur = nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False)
            self.classify = nn.Linear(3, 3)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            seen = torch.relu(self.blur(image)).mean((2, 3))
            return torch.softmax(self.classify(seen), dim=1)

    network = Network().eval().requires_grad_(False)
    network.blur.weight.copy_(torch.from_numpy(BLUR).expand(3, 1, 3, 3))
    network.classify.weight.copy_(torch.from_numpy(tiny.WEIGHTS))
    network.classify.bias.zero_()
    return network


def write(folder: Path, route: str) -> Path:
    path = folder / f"model.{route}"
    if route in ("keras", "h5"):
        keras_network().save(path)
    elif route == "saved_model":
        keras_network().export(path, verbose=False)
    else:
        import torch

        example = torch.zeros(1, 3, SIDE_PX, SIDE_PX)
        if route == "pt2":
            torch.export.save(torch.export.export(torch_network(), (example,)), path)
        else:
            torch.onnx.export(torch_network(), (example,), path, dynamo=False, input_names=["image"])
    return path


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    colours.describe_file(folder)
    colours.write(folder / "calibration", 120, seed=1)
    colours.write(folder / "evaluation", 90, seed=2)
    return folder


@pytest.mark.parametrize("route", ["keras", "h5", "saved_model", "pt2", "onnx"])
def test_a_bundle_that_passed_the_gate(room: Path, route: str) -> None:
    source, out = write(room, route), room / f"bundle_{route}"
    calibration, evaluation = (str(room / each / "set.csv") for each in ("calibration", "evaluation"))
    words = ["convert", str(source), "--calibration", calibration, "--eval", evaluation, "--out", str(out)]
    done = dermedge(*words, "--describe", str(room / "model.toml"), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["gate"]["passed"]
    assert told["source"]["kind"] == {"pt2": "torch"}.get(route, route)
    assert any("answers as the source does" in note for note in told["source"]["notes"])
    loaded = bundle.load(out)
    assert loaded.card.input is not None
    assert loaded.card.input.dtype == loaded.card.outputs[0].dtype == "int8"
    # All routes are the same network: what they answer is within two steps of the hand-made file's own answer.
    described = describe(tiny.classifier(), room / "model.toml")
    pictures = read_evaluation(room / "evaluation" / "set.csv", described).examples
    likely = probabilities(loaded, pictures, threads=1)
    by_hand = np.array([[*_by_hand(each.rgb())] for each in pictures])
    assert np.abs(likely - by_hand).max() < 0.06


def _by_hand(rgb: Any) -> Any:
    """Mean colour, letterbox aside: the pictures are square, and resizing keeps their mean."""
    logits = tiny.WEIGHTS @ (rgb.reshape(-1, 3).mean(axis=0) / 255)
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()
