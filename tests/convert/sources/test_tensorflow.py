"""Keras archives, Keras in HDF5 and SavedModels into a float .tflite, and what each of them is refused for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the workshop's environment has TensorFlow")

from convert import sources  # noqa: E402
from convert.description import Description, Picture  # noqa: E402
from convert.errors import ConvertError  # noqa: E402
from convert.graph import op_counts, read_model  # noqa: E402
from convert.tensors import interface  # noqa: E402

pytestmark = [
    pytest.mark.heavy_workshop,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
PICTURE, ANSWERS = (1, 32, 32, 3), {"kind": (1, 4), "place": (1, 16, 16, 2)}


def network(*, batch: int | None = None, side_px: int | None = 32, scale: float = 1.0) -> Any:
    """A picture and two numbers in; a map and four logits out, both by name."""
    keras.utils.set_random_seed(5)
    image = keras.Input((side_px, side_px, 3), batch_size=batch, name="image")
    numbers = keras.Input((2,), batch_size=batch, name="numbers")
    x = keras.layers.Conv2D(8, 3, 2, padding="same", activation="relu6")(image)
    x = keras.layers.BatchNormalization()(x)
    place = keras.layers.Conv2D(2, 1, name="place")(x)
    joined = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(x), numbers])
    kind = keras.layers.Dense(4, name="kind")(joined)
    model = keras.Model({"image": image, "numbers": numbers}, {"kind": kind, "place": place})
    model.set_weights([scale * each for each in model.get_weights()])
    return model


def saved(folder: Path, model: Any, route: str) -> Path:
    if route == "saved_model":
        path = folder / "model"
        model.export(path, verbose=False)
        return path
    path = folder / f"model.{route}"
    model.save(path)
    return path


@pytest.mark.parametrize("route", ["keras", "h5", "saved_model"])
def test_names_shapes_and_answers_survive(tmp_path: Path, route: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path, network(), route)
    capfd.readouterr()
    model = sources.load(path)
    assert capfd.readouterr().out == ""
    inputs, outputs = interface(model.tflite)
    assert {each.name: each.shape for each in inputs} == {"image": PICTURE, "numbers": (1, 2)}
    assert {each.name: each.shape for each in outputs} == ANSWERS
    assert model.kind == route
    assert "input image: dynamic batch became 1" in model.notes
    assert any("answers as the source does" in note for note in model.notes)
    assert model.reference is not None
    ops = {op.name for op in op_counts(read_model(model.tflite, route))}
    assert not ops & {"SHAPE", "PACK", "STRIDED_SLICE", "READ_VARIABLE", "TRANSPOSE"}


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path, network(), "keras")
    assert sources.load(path).tflite == sources.load(path).tflite


def test_a_wrong_suffix_and_a_fixed_batch_do_no_harm(tmp_path: Path) -> None:
    path = shutil.move(saved(tmp_path, network(batch=4), "keras"), tmp_path / "model.zip")
    model = sources.load(path)
    assert "input image: batch of 4 became 1" in model.notes
    assert all(each.shape[0] == 1 for each in (*interface(model.tflite)[0], *interface(model.tflite)[1]))


def test_an_open_side_needs_the_description(tmp_path: Path) -> None:
    path = saved(tmp_path, network(side_px=None), "keras")
    with pytest.raises(ConvertError, match=r"'image', got \[\?, \?, \?, 3\].*\[input\] shape"):
        sources.load(path)
    described = Description(input=Picture(name="image", shape=PICTURE))
    assert {each.name: each.shape for each in interface(sources.load(path, description=described).tflite)[0]} == {
        "image": PICTURE,
        "numbers": (1, 2),
    }


@pytest.mark.parametrize("route", ["keras", "h5"])
def test_a_lambda_is_not_run(tmp_path: Path, route: str) -> None:
    mark = tmp_path / "ran"
    x = keras.Input((4,))
    y = keras.layers.Lambda(lambda v, mark=str(mark): (open(mark, "w").close(), v * 2.0)[1])(x)  # noqa: PTH123
    path = saved(tmp_path, keras.Model(x, keras.layers.Dense(2)(y)), route)
    mark.unlink(missing_ok=True)
    with pytest.raises(ConvertError, match="Keras model of built-in layers"):
        sources.load(path)
    assert not mark.exists()


def test_a_layer_of_ones_own_is_named_and_the_way_out_told(tmp_path: Path) -> None:
    class Sharpen(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    x = keras.Input((4,))
    path = saved(tmp_path, keras.Model(x, keras.layers.Dense(2)(Sharpen()(x))), "keras")
    with pytest.raises(ConvertError, match=r"Sharpen.*model\.export\('folder'\)"):
        sources.load(path)


def test_weights_without_a_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    network().save_weights(path)
    with pytest.raises(ConvertError, match="weights without a network"):
        sources.load(path)


@pytest.mark.parametrize("route", ["keras", "h5"])
@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, route: str, kept: float) -> None:
    path = saved(tmp_path, network(), route)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(ConvertError) as refused:
        sources.load(path)
    assert "\n" not in str(refused.value)


def test_a_saved_model_that_lacks_a_part_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, network(), "saved_model")
    shutil.rmtree(path / "variables")
    with pytest.raises(ConvertError, match="whole SavedModel"):
        sources.load(path)


def test_a_saved_model_without_a_signature_is_refused(tmp_path: Path) -> None:
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), tmp_path / "model")
    with pytest.raises(ConvertError, match="got none"):
        sources.load(tmp_path / "model")


def test_a_select_op_is_named(tmp_path: Path) -> None:
    import tensorflow as tf

    class Inverter(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 3, 3), tf.float32, name="matrix")])
        def __call__(self, matrix: Any) -> Any:
            return {"inverse": tf.linalg.inv(matrix)}

    module = Inverter()
    tf.saved_model.save(module, tmp_path / "model", signatures=module.__call__)
    with pytest.raises(ConvertError, match=r"built-in ops only, got .*MatrixInverse") as refused:
        sources.load(tmp_path / "model")
    assert refused.value.exit_code == 65


@pytest.mark.parametrize(("scale", "words"), [(np.nan, "NaN or infinity"), (0.0, "depend on the input")])
def test_a_network_that_is_broken_before_conversion_is_refused(tmp_path: Path, scale: float, words: str) -> None:
    with pytest.raises(ConvertError, match=words):
        sources.load(saved(tmp_path, network(scale=scale), "keras"))
