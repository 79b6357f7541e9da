"""The quantiser on a small network: whole-integer, the same bytes twice, and clear words when it cannot be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the workshop's environment has TensorFlow")

from convert.quantize import QuantizeError, check_full_integer, interface, quantize, to_float  # noqa: E402

pytestmark = [
    pytest.mark.heavy_workshop,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
RANGE = (-127 / 128, 1.0)


def network() -> keras.Model:
    """Two outputs, a residual, an upsampling: what the detector is made of."""
    keras.utils.set_random_seed(3)
    x = keras.Input((32, 32, 3), batch_size=1, name="image")
    y = keras.layers.Conv2D(8, 3, 2, padding="same", name="stem")(x)
    y = keras.layers.ReLU(6.0, name="stem_relu6")(y)
    z = keras.layers.DepthwiseConv2D(5, 2, padding="same", name="down")(y)
    z = keras.layers.UpSampling2D(2, interpolation="nearest", name="up")(z)
    y = keras.layers.Add(name="merge")([y, z])
    outputs = [keras.layers.Conv2D(n, 1, name=name)(y) for n, name in ((2, "classify"), (4, "locate"))]
    return keras.Model(x, outputs, name="small")


def pictures(count: int = 12, top: float = 0.9) -> Iterator[np.ndarray]:
    """Seeded noise inside the input range."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield rng.uniform(-0.9, top, (1, 32, 32, 3)).astype(np.float32)


def test_integer_in_integer_out_and_nothing_float_inside() -> None:
    content = quantize(network(), pictures(), RANGE)
    check_full_integer(content)
    (source,), outputs = interface(content)
    assert (source.dtype, source.scale, source.zero_point) == ("int8", 1 / 128, -1)
    assert sorted(each.shape for each in outputs) == [(1, 16, 16, 2), (1, 16, 16, 4)]
    assert all(each.dtype == "int8" and each.scale > 0 for each in outputs)


def test_the_same_model_and_pictures_give_the_same_bytes() -> None:
    assert quantize(network(), pictures(), RANGE) == quantize(network(), pictures(), RANGE)


def test_the_integer_file_answers_like_the_float_one() -> None:
    from ai_edge_litert.interpreter import Interpreter

    model = network()
    interpreter = Interpreter(model_content=quantize(model, pictures(40), RANGE))
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    picture = next(pictures())
    interpreter.set_tensor(source["index"], (np.round(picture * 128) - 1).clip(-128, 127).astype(np.int8))
    interpreter.invoke()
    wanted = {int(part.shape[-1]): np.asarray(part) for part in model(picture)}
    for each in interpreter.get_output_details():
        scale, zero_point = each["quantization"]
        got = (interpreter.get_tensor(each["index"]).astype(np.float32) - zero_point) * scale
        want = wanted[got.shape[-1]]
        assert np.abs(got - want).mean() < 0.05 * want.std()


def test_a_float_file_is_refused() -> None:
    with pytest.raises(QuantizeError, match="float tensors"):
        check_full_integer(to_float(network()))


def test_no_pictures_are_refused() -> None:
    with pytest.raises((QuantizeError, RuntimeError, ValueError), match="got none"):
        quantize(network(), [], RANGE)


def test_a_picture_outside_the_input_range_is_refused() -> None:
    with pytest.raises(QuantizeError, match="outside the input range"):
        quantize(network(), pictures(top=1.7), RANGE)
