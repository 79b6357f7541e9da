"""What a user says of a model, what its shapes say, and where the two contradict each other."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest

from convert import description
from convert.cards import make_bundle
from convert.description import Description, label_name, read_description
from convert.errors import ConvertError
from convert.inferred import complete, describe, plain_name
from edge import bundle
from edge.bundle import Decode
from edge.config import Detect, Inference
from edge.detect import Detector
from tests.convert.tiny import classifier

YARDSTICK = Path(__file__).resolve().parents[2] / "benchmarks" / "yardstick"


def written(folder: Path, text: str, name: str = "model.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_in_the_docstring_can_be_read(tmp_path: Path) -> None:
    assert description.__doc__ is not None
    example = description.__doc__.split("no doubt:\n")[1]
    read = read_description(written(tmp_path, textwrap.dedent(example)))
    assert (read.task, read.labels, read.input.pad_value) == ("classification", ("akiec", "bcc", "mel"), 114)
    assert (read.input.mean, read.input.std, read.input.range) == (127.5, 127.5, None)
    assert read.vectors[0].columns == ("age", "is_female")
    assert read.outputs[0].role == "class_probabilities"
    assert read.sources[0].licence_as_stated == "CC BY-NC 4.0"


@pytest.mark.parametrize(
    ("input_range", "mean_std"), [((0.0, 1.0), (0.0, 255.0)), ((-1.0, 1.0), (127.5, 127.5)), ((0.0, 255.0), (0.0, 1.0))]
)
def test_a_range_becomes_mean_and_std(input_range: tuple[float, float], mean_std: tuple[float, float]) -> None:
    picture = read_description(input_range=input_range).input
    assert (picture.mean, picture.std) == mean_std


def test_the_options_go_before_the_file(tmp_path: Path) -> None:
    toml = written(tmp_path, 'labels = ["a", "b"]\n[input]\nmean = 127.0\nstd = 128.0\n')
    labels = written(tmp_path, "Basal cell\n\nMélanoma \r\n", "labels.txt")
    read = read_description(toml, labels, (0, 255))
    assert read.labels == ("basal_cell", "melanoma")
    assert (read.input.mean, read.input.std) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = ", "expected a model's description"),
        ("colour = 1", "unknown field `colour`"),
        ('task = "guess"', r"\$.task"),
        ("[input]\nmean = [1, 2, 3]\nstd = 1", "got `array`"),
        ("[input]\nmean = 1", "mean and std together"),
        ("[input]\nmean = 1\nstd = 1\nrange = [0, 1]", "mean and std together"),
        ("[input]\nrange = [1, 0]", "LO below HI"),
        ('labels = ["Nevus", "nevus"]', "names of their own"),
        ('labels = ["痣"]', "Latin letters"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConvertError, match=complaint) as refused:
        read_description(written(tmp_path, text))
    assert len(str(refused.value).splitlines()) == 1
    assert refused.value.exit_code == 65


def test_files_that_are_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="No such file"):
        read_description(tmp_path / "none.toml")
    with pytest.raises(ConvertError, match="got none"):
        read_description(labels=written(tmp_path, "\n \n", "labels.txt"))
    (tmp_path / "latin.txt").write_bytes(b"n\xe6vus\n")
    with pytest.raises(ConvertError, match="UTF-8"):
        read_description(labels=tmp_path / "latin.txt")


@pytest.mark.parametrize(("text", "name"), [("Melanoma", "melanoma"), ("a  b/c", "a_b_c"), ("BCC-1", "bcc-1")])
def test_label_names(text: str, name: str) -> None:
    assert label_name(text) == name
    assert label_name(name) == name


def test_the_shipped_detector_is_described_by_its_labels_and_its_decode() -> None:
    shipped = bundle.load()
    said = Description(
        labels=tuple(label.name for label in shipped.card.labels),
        decode=Decode(kind="distances"),
        input=description.Picture(mean=127.0, std=128.0),
    )
    made = make_bundle(complete(said, shipped.model), shipped.model).card
    assert made.task == "detection"
    assert made.input == shipped.card.input
    assert set(made.outputs) == set(shipped.card.outputs)
    assert made.model_sha256 == shipped.card.model_sha256


def test_anchors_are_taken_as_described_and_the_runtime_takes_the_card() -> None:
    timed = bundle.load(YARDSTICK)
    said = Description(
        labels=tuple(label.name for label in timed.card.labels),
        decode=timed.card.decode,
        input=description.Picture(mean=127.0, std=128.0),
    )
    made = make_bundle(complete(said, timed.model), timed.model)
    assert {each.role for each in made.card.outputs} == {"class_logits", "anchor_offsets"}
    Detector(made, Inference(threads=1), Detect())


def test_a_classifier_is_known_by_its_last_op() -> None:
    said = Description(labels=("a", "b", "c"), input=description.Picture(mean=0.0, std=255.0))
    for softmax, role in ((True, "class_probabilities"), (False, "class_logits")):
        whole = complete(said, classifier(softmax=softmax))
        assert (whole.task, whole.outputs[0].role, whole.outputs[0].name) == ("classification", role, "scores")
        assert whole.input.shape == (1, 16, 16, 3)
        assert whole.input_ranges == {"image": (0.0, 1.0)}
        assert whole.output_limits == {}  # a softmax sees differences, however large the logits


def test_without_labels_nothing_is_known_but_tensors() -> None:
    whole = complete(Description(), classifier())
    assert (whole.task, whole.has_picture) == ("tensors", False)
    assert [each.name for each in whole.vectors] == ["image"]
    card = make_bundle(whole, classifier()).card
    assert (card.input, card.vectors[0].shape, card.outputs[0].role) == (None, (1, 16, 16, 3), "tensor")


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ('labels = ["a", "b"]', "labels that match an output, got 2 labels and outputs scores"),
        ('labels = ["a", "b", "c"]', "--input-range"),
        ('task = "classification"', "--labels FILE"),
        ('task = "detection"\nlabels = ["a"]\ninput.range = [0, 1]', r"\[decode\]"),
        ('labels = ["a"]\ninput.range = [0, 1]\ndecode.kind = "distances"', "as many outputs of 1 labels"),
        ('labels = ["a", "b", "c"]\ninput.name = "picture"', "an input named 'picture', got image"),
        ('labels = ["a", "b", "c"]\n[[vectors]]\nname = "image"\n', "expected a picture input"),
        ('[[vectors]]\nname = "image"\ncolumns = ["x"]', "expected 768 columns"),
        ('[[outputs]]\nname = "logits"\nrole = "tensor"', "an output named 'logits', got scores"),
    ],
)
def test_what_contradicts_the_model_is_refused(tmp_path: Path, toml: str, complaint: str) -> None:
    with pytest.raises(ConvertError, match=complaint):
        describe(classifier(), written(tmp_path, toml))


def test_one_value_is_one_label(tmp_path: Path) -> None:
    single = classifier(np.ones((1, 3), np.float32), softmax=False)
    with pytest.raises(ConvertError, match="one label for the single value"):
        describe(single, written(tmp_path, 'labels = ["no", "yes"]'), None, (0, 1))
    assert describe(single, written(tmp_path, 'labels = ["yes"]'), None, (0, 1)).outputs[0].role == "class_logits"


def test_a_card_that_cannot_be_is_refused() -> None:
    said = Description(labels=("a", "b", "c"), input=description.Picture(mean=0.0, std=255.0), score_thresholds=(0.5,))
    with pytest.raises(ConvertError, match="threshold for each of 3"):
        make_bundle(complete(said, classifier()), classifier())


def test_names_as_their_author_wrote_them() -> None:
    assert plain_name("serving_default_image:0") == plain_name("image") == "image"
