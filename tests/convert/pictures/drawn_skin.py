"""The shipped detector on drawn skin with known boxes, and a file of it that runs and is wrong."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from convert.description import Description, Picture
from convert.graph import pack_model, read_model
from convert.inferred import complete
from convert.pictures.evaluation import Evaluation
from convert.pictures.examples import Example
from edge import bundle
from edge.bundle import Decode
from edge.camera.phantom import PhantomCamera, draw_scene
from edge.clock import SystemClock
from edge.config import Camera, Config, Phantom

LABEL = "cutaneous_tumour"


def detector() -> Description:
    """The shipped bundle as a user would describe it."""
    shipped = bundle.load()
    labels = tuple(label.name for label in shipped.card.labels)
    said = Description(labels=labels, input=Picture(mean=127.0, std=128.0), decode=Decode(kind="distances"))
    return complete(said, shipped.model)


@lru_cache(maxsize=1)
def pictures() -> tuple[Example, ...]:
    """Two frames each of 12 persons, one group a person."""
    config = Config(camera=Camera(width_px=480, height_px=360), phantom=Phantom(frames_per_person=10))
    camera = PhantomCamera("", config, SystemClock())
    made = []
    for person in range(12):
        scene = draw_scene(camera.plan, person)
        for sequence in (person * 10 + 3, person * 10 + 4):
            boxes = tuple((LABEL, each.box_px) for each in camera.plan.at(sequence).lesions if each.visible)
            pixels = camera.draw(scene, sequence)
            made.append(Example(str(sequence), LABEL, "phantom", str(person), pixels=pixels, boxes=boxes))
    return tuple(made)


def evaluation(*, labelled: bool) -> Evaluation:
    return Evaluation(pictures(), "drawn", labelled=labelled, survey=None)


def with_weights_negated(role: str) -> bytes:
    """The file with the weights of the layers that make these outputs turned in sign: it loads, runs, and is wrong."""
    shipped = bundle.load()
    model = read_model(shipped.model, "the shipped bundle")
    graph = model.subgraphs[0]
    outputs = {each.name for each in shipped.card.outputs if each.role == role}
    for operator in graph.operators:
        if graph.tensors[operator.outputs[0]].name.decode() in outputs:
            buffer = model.buffers[graph.tensors[operator.inputs[1]].buffer]
            buffer.data = (-np.asarray(buffer.data, np.uint8).view(np.int8)).view(np.uint8)
    return pack_model(model)
