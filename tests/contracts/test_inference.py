"""What every inference backend owes its callers.

tflite_runtime cannot stand beside the numpy of the others: it runs in an environment of its own, by `make test-heavy`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge import bundle
from edge.bundle import Bundle
from edge.camera.phantom import PhantomCamera
from edge.clock import SystemClock
from edge.config import Config, Detect, Inference
from edge.detect import Detector
from edge.errors import BundleError
from edge.inference.base import BACKENDS, InferenceBackend
from edge.loading import load_named
from tests.engines import ENGINES

Outputs = dict[str, NDArray[np.generic]]


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return bundle.load()


@pytest.fixture(params=[*ENGINES, "scripted"])
def backend(request: pytest.FixtureRequest, shipped: Bundle) -> InferenceBackend:
    made: InferenceBackend = load_named("inference.backend", request.param, BACKENDS)(shipped, 1)
    return made


def run(backend: InferenceBackend, value: int) -> Outputs:
    """Copies of the outputs for an input that is `value` everywhere."""
    copies: Outputs = {}

    def fill(tensor: NDArray[np.generic]) -> None:
        tensor[...] = value

    def use(outputs: Mapping[str, NDArray[np.generic]]) -> None:
        copies.update({name: values.copy() for name, values in outputs.items()})

    backend.invoke(fill)
    backend.read(use)
    return copies


def test_the_input_is_the_cards(backend: InferenceBackend, shipped: Bundle) -> None:
    lent: list[tuple[tuple[int, ...], str]] = []
    backend.invoke(lambda tensor: lent.append((tensor.shape, tensor.dtype.name)))
    assert lent == [(shipped.card.input.shape, shipped.card.input.dtype)]


def test_the_outputs_are_the_cards_by_name(backend: InferenceBackend, shipped: Bundle) -> None:
    found = {name: (values.shape, values.dtype.name) for name, values in run(backend, 0).items()}
    assert found == {spec.name: (tuple(spec.shape), spec.dtype) for spec in shipped.card.outputs}


def test_the_same_input_gives_the_same_outputs(backend: InferenceBackend) -> None:
    first, _, again = run(backend, 3), run(backend, 90), run(backend, 3)
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_the_engine_has_a_name(backend: InferenceBackend) -> None:
    assert backend.engine


@pytest.mark.parametrize("engine", ENGINES)
def test_a_real_model_answers_to_its_input(shipped: Bundle, engine: str) -> None:
    backend: InferenceBackend = load_named("inference.backend", engine, BACKENDS)(shipped, 1)
    dark, bright = run(backend, -100), run(backend, 100)
    assert any(not np.array_equal(dark[name], bright[name]) for name in dark)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_real_engine_finds_what_was_drawn(shipped: Bundle, engine: str) -> None:
    """All of the chain with it: engines may round otherwise, and must see the same."""
    camera = PhantomCamera("", Config(), SystemClock())
    frame = next(iter(camera.frames()))
    camera.close()
    found = Detector(shipped, Inference(backend=engine, threads=1), Detect(score_threshold=0.3)).detect(frame.rgb())
    lesions = [lesion.box_px for lesion in camera.plan.at(frame.sequence).lesions if lesion.visible]
    assert lesions
    assert all(max((each.box_px.iou(lesion) for each in found), default=0.0) > 0.4 for lesion in lesions)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("wrong", ["name", "shape", "scale", "outputs", "format"])
def test_a_card_that_does_not_fit_is_refused(shipped: Bundle, wrong: str, engine: str) -> None:
    """The scripted backend has no model that a card could contradict."""
    card, model = shipped.card, shipped.model
    replace = msgspec.structs.replace
    match wrong:
        case "name":
            card = replace(card, input=replace(card.input, name="somebody_elses"))
        case "shape":
            card = replace(card, input=replace(card.input, shape=(1, 64, 64, 3)))
        case "scale":
            card = replace(card, input=replace(card.input, scale=card.input.scale * 2))
        case "outputs":
            card = replace(card, outputs=card.outputs[:-1])
        case _:
            model = b"not a model of TensorFlow Lite"
    with pytest.raises(BundleError, match="expected"):
        load_named("inference.backend", engine, BACKENDS)(replace(shipped, card=card, model=model), 1)
