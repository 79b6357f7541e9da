"""A name that stands for something else than what was asked for ends with one line."""

from __future__ import annotations

import pytest

from edge import config
from edge.camera.base import open_camera
from edge.clock import SystemClock
from edge.config import Broker, Detect, Inference
from edge.detect import Detector
from edge.errors import BundleError, ConfigError
from edge.operators import open_operator
from edge.publish.base import open_publisher
from tests.edge.cards import bundle

STRANGERS = ["json:JSONDecoder", "pathlib:Path", "os:sep", "os:getcwd", "builtins:dict", "ipaddress:IPv4Network"]


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_camera_engine_operator_or_publisher_is_refused(name: str) -> None:
    as_camera = config.load(None, None, [f"camera.source={name}"], {})[0]
    with pytest.raises(ConfigError, match=r"camera\.source .* class with frames, close"):
        open_camera(as_camera, SystemClock())
    with pytest.raises(ConfigError, match=r"inference\.backend .* class with invoke, read"):
        Detector(bundle(), Inference(backend=name), Detect())
    as_operator = config.load(None, None, [f"operator.script={name}"], {})[0]
    with pytest.raises(ConfigError, match=r"operator\.script .* class with step"):
        open_operator(as_operator)
    with pytest.raises(ConfigError, match=r"delivery\.publisher .* class with start, publish"):
        open_publisher(name, Broker())


class Picky:
    """A double: an engine that does not like the bundle."""

    engine = "picky"

    def __init__(self, made: object, threads: int) -> None:
        raise BundleError(f"expected another bundle, got {type(made).__name__} for {threads}")

    def invoke(self, fill: object) -> None: ...

    def read(self, use: object) -> None: ...


def test_what_the_class_itself_says_is_not_hidden() -> None:
    with pytest.raises(BundleError, match="expected another bundle"):
        Detector(bundle(), Inference(backend="tests.edge.test_loading:Picky"), Detect())
