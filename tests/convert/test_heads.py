"""A detector's outputs in every layout that is decoded, and one line for each that is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from convert.cards import make_bundle
from convert.description import Description, OutputRole, Picture
from convert.errors import ConvertError
from convert.heads import detection
from convert.inferred import complete
from convert.tensors import Tensor
from edge.bundle import Anchors, Bundle, Decode
from edge.config import Detect, Inference
from edge.detect import Detector
from edge.pictures import read_picture
from tests.convert import ssd
from tests.convert.command import dermedge, last_line

MAP = (1, ssd.CELLS, ssd.CELLS)
FLAT = (1, ssd.CELLS * ssd.CELLS)


def described(*, kind: Any = "distances", outputs: tuple[OutputRole, ...] = ()) -> Description:
    anchors = Anchors((16,), (16.0,), (1.0,)) if kind == "anchors" else None
    return Description(
        task="detection",
        labels=("green_square",),
        input=Picture(mean=0.0, std=255.0),
        decode=Decode(kind=kind, anchors=anchors),
        outputs=outputs,
    )


def made(flattened: bool) -> Bundle:
    content = ssd.raw_heads(flattened=flattened)
    return make_bundle(complete(described(), content), content)


def test_a_flattened_map_is_decoded_as_the_map_is(tmp_path: Path) -> None:
    ssd.write(tmp_path, 4, seed=3)
    for picture in sorted((tmp_path / "images").iterdir()):
        rgb = read_picture(picture).rgb
        first, second = (
            Detector(made(flattened), Inference(threads=1), Detect()).detect(rgb) for flattened in (False, True)
        )
        assert first == second
        assert len(first) == 1


def test_the_stride_of_a_flattened_map_follows_from_how_many_cells_there_are() -> None:
    strides = {each.role: each.stride for each in made(flattened=True).card.outputs}
    assert strides == {"class_logits": 16, "log_distances": 16}


def test_the_command_takes_a_flattened_head(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(ssd.raw_heads(flattened=True))
    (tmp_path / "model.toml").write_text(f'{ssd.TOML}[decode]\nkind = "distances"\n', encoding="utf-8")
    ssd.write(tmp_path / "calibration", 120, seed=1)
    ssd.write(tmp_path / "evaluation", 40, seed=2)
    words = ["--describe", str(tmp_path / "model.toml"), "--calibration", str(tmp_path / "calibration" / "images")]
    words += ["--eval", str(tmp_path / "evaluation" / "set.csv"), "--json", "--out", str(tmp_path / "out")]
    done = dermedge("convert", str(tmp_path / "model.tflite"), *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["gate"]["figures"][0]["converted"] == 1.0


def test_the_command_says_what_layout_it_wants(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(ssd.raw_heads(flattened=True, channels_first=True))
    listed = "".join(
        f'[[outputs]]\nname = "{name}"\nrole = "{role}"\n'
        for name, role in (("scores", "class_logits"), ("distances", "log_distances"))
    )
    text = f'{ssd.TOML}[decode]\nkind = "distances"\n{listed}'
    (tmp_path / "model.toml").write_text(text, encoding="utf-8")
    ssd.write(tmp_path / "calibration", 4, seed=1)
    words = ["--describe", str(tmp_path / "model.toml"), "--calibration", str(tmp_path / "calibration" / "images")]
    done = dermedge("convert", str(tmp_path / "model.tflite"), *words, "--out", str(tmp_path / "out"))
    assert done.returncode == 65, done.stderr
    assert "expected output 'scores' (class_logits) as [1, rows, columns, 1]" in last_line(done)
    assert "got [1, 1, 16]" in last_line(done)


def laid_out(scores: tuple[int, ...], boxes: tuple[int, ...], kind: Any = "distances", **said: Any) -> Description:
    """What is made of two outputs of these shapes, for a picture of 64 x 64."""
    asked = described(
        kind=kind,
        outputs=(
            OutputRole("scores", "class_logits", **said),
            OutputRole("boxes", "log_distances" if kind == "distances" else "anchor_offsets", **said),
        ),
    )
    asked = msgspec.structs.replace(
        asked, input=msgspec.structs.replace(asked.input, name="image", shape=(1, 64, 64, 3))
    )
    tensors = [Tensor(name, shape, "float32", 0.0, 0) for name, shape in (("scores", scores), ("boxes", boxes))]
    return detection(asked, tensors)


@pytest.mark.parametrize(
    ("scores", "boxes"), [((*MAP, 1), (*MAP, 4)), ((*FLAT, 1), (*FLAT, 4)), (FLAT, (*FLAT, 4)), ((*MAP, 1), (*FLAT, 4))]
)
def test_layouts_that_are_known(scores: tuple[int, ...], boxes: tuple[int, ...]) -> None:
    assert {each.stride for each in laid_out(scores, boxes).outputs} == {16}


def test_anchors_may_share_a_cell_of_the_map() -> None:
    assert laid_out((*MAP, 2), (*MAP, 8), "anchors").outputs[1].stride == 0


@pytest.mark.parametrize(
    ("scores", "boxes", "kind", "said"),
    [
        ((1, 1, 16), (1, 4, 16), "distances", "got [1, 1, 16]: transpose"),
        ((*FLAT, 1), (1, 4, 16), "distances", "got [1, 4, 16]: transpose"),
        ((1, 1, 4, 4), (1, 4, 4, 4), "distances", "got [1, 1, 4, 4]: transpose"),
        ((16, 1), (16, 4), "distances", "got [16, 1]: transpose"),
        ((2, 16, 1), (2, 16, 4), "distances", "got [2, 16, 1]: transpose"),
        ((16,), (64,), "distances", "got [16]: transpose"),
        ((1, 1, 4, 4, 1), (1, 1, 4, 4, 4), "distances", "got [1, 1, 4, 4, 1]: transpose"),
        ((1, 80, 1), (1, 80, 4), "distances", "give each level an output of its own"),
        ((*FLAT, 1), (1, 4, 16), "anchors", "got [1, 4, 16]: transpose"),
    ],
)
def test_layouts_that_are_not(scores: tuple[int, ...], boxes: tuple[int, ...], kind: str, said: str) -> None:
    with pytest.raises(ConvertError) as refused:
        laid_out(scores, boxes, kind)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_stride_that_is_said_must_be_the_maps() -> None:
    assert laid_out((*FLAT, 1), (*FLAT, 4), stride=16).outputs[0].stride == 16
    with pytest.raises(ConvertError, match="no whole map of a 64x64 picture in steps of 8"):
        laid_out((*FLAT, 1), (*FLAT, 4), stride=8)


def test_boxes_that_are_ready_lie_row_by_row() -> None:
    roles = tuple(OutputRole(role, role) for role in ("boxes", "classes", "scores", "count"))  # type: ignore[arg-type]
    asked = msgspec.structs.replace(described(kind="boxes"), outputs=roles)

    def tensors(boxes: tuple[int, ...]) -> list[Tensor]:
        shapes = (boxes, (1, 10), (1, 10), (1,))
        return [Tensor(role.name, shape, "float32", 0.0, 0) for role, shape in zip(roles, shapes, strict=True)]

    assert detection(asked, tensors((1, 10, 4))).outputs == roles
    with pytest.raises(ConvertError, match=r"got boxes \[1, 4, 10\]"):
        detection(asked, tensors((1, 4, 10)))


def test_a_card_with_an_odd_head_is_refused_by_the_runtime() -> None:
    bundle = made(flattened=True)
    outputs = tuple(msgspec.structs.replace(each, shape=(1, 1, *each.shape)) for each in bundle.card.outputs)
    outputs = tuple(msgspec.structs.replace(each, stride=8) for each in outputs)
    odd = Bundle(Path(), msgspec.structs.replace(bundle.card, outputs=outputs), bundle.model)
    with pytest.raises(Exception, match="cells") as refused:
        Detector(odd, Inference(threads=1), Detect())
    assert refused.value.exit_code == 65  # type: ignore[attr-defined]
    assert np.prod(outputs[0].shape) == 16
