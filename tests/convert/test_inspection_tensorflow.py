"""`dermedge inspect` on what TensorFlow's own converter makes: select ops, custom ops, int8 weights under float."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

tf = pytest.importorskip("tensorflow", reason="the workshop's environment has TensorFlow")

from convert.inspection import inspect  # noqa: E402

pytestmark = [pytest.mark.heavy_workshop, pytest.mark.filterwarnings("ignore")]


def converter_of(model: Any) -> Any:
    function = tf.function(model, input_signature=[tf.TensorSpec([1, 8, 3, 3], tf.float32)])
    return tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())


def determinants(picture: Any) -> Any:
    """LiteRT has no op for it, and the converter does not take it apart."""
    return tf.linalg.det(picture[0])


def test_a_select_op_is_named(tmp_path: Path) -> None:
    converter = converter_of(determinants)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    path = tmp_path / "flex.tflite"
    path.write_bytes(converter.convert())
    found = inspect(path)
    assert ("FlexMatrixDeterminant", "select") in {(op.name, op.kind) for op in found.ops}
    assert not found.runtime.takes
    assert "TensorFlow itself for FlexMatrixDeterminant" in found.runtime.reasons[0]
    assert found.arena_bytes is None


def test_a_custom_op_is_named(tmp_path: Path) -> None:
    converter = converter_of(determinants)
    converter.allow_custom_ops = True
    path = tmp_path / "custom.tflite"
    path.write_bytes(converter.convert())
    found = inspect(path)
    assert ("MatrixDeterminant", "custom") in {(op.name, op.kind) for op in found.ops}
    assert found.runtime.reasons == (
        "it needs MatrixDeterminant, a custom op that LiteRT does not have: replace the layer that makes it",
    )


@pytest.mark.parametrize("kind", ["float32", "float32 with int8 weights"])
def test_multiplications_and_float_ops_of_a_network_counted_by_hand(tmp_path: Path, kind: str) -> None:
    keras = tf.keras
    # Biases of zeros would share one buffer, which is then stored, and counted, once.
    biases = {"bias_initializer": "random_normal"}
    x = keras.Input((16, 16, 3), batch_size=1)
    y = keras.layers.Conv2D(32, 3, 2, padding="same", **biases)(x)
    y = keras.layers.DepthwiseConv2D(5, padding="same", **biases)(y)
    y = keras.layers.Conv2DTranspose(8, 2, 2, **biases)(y)
    y = keras.layers.Dense(64, **biases)(keras.layers.Flatten()(y))
    model = keras.Model(x, y)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path = tmp_path / "net.tflite"
    path.write_bytes(converter.convert())
    found = inspect(path)
    macs = {op.name: op.mac for op in found.ops if op.mac}
    assert macs == {
        "CONV_2D": 8 * 8 * 32 * 3 * 3 * 3,
        "DEPTHWISE_CONV_2D": 8 * 8 * 32 * 5 * 5,
        "TRANSPOSE_CONV": 8 * 8 * 32 * 2 * 2 * 8,
        "FULLY_CONNECTED": 16 * 16 * 8 * 64,
    }
    assert found.parameters == model.count_params()
    (dense,) = (op for op in found.ops if op.name == "FULLY_CONNECTED")
    assert dense.computes_in == {kind: 1}
    assert found.runtime.takes
    assert "all its ops compute in float" in found.runtime.notes[0]
