"""A float .tflite as a source, and the health check that every source passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convert import sources
from convert.errors import ConvertError
from convert.floatmodel import Floats, Named
from convert.graph import pack_model, read_model
from convert.sources import health, tflite
from convert.sources.converted import Converted, Shapes
from convert.sources.tidy import names_of, signature_names
from convert.tensors import interface, make_interpreter, run
from tests.convert import tiny


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(content)
    return path


def test_it_is_taken_as_it_is(tmp_path: Path) -> None:
    model = sources.load(saved(tmp_path, tiny.classifier(vector=2)))
    assert (model.kind, model.reference) == ("tflite", None)
    inputs, outputs = interface(model.tflite)
    assert [(each.name, each.shape) for each in inputs] == [("image", (1, 16, 16, 3)), ("numbers", (1, 2))]
    assert [each.shape for each in outputs] == [(1, 3)]
    assert signature_names(model.tflite, "")[0] == {"image": "image", "numbers": "numbers"}


def test_a_quantised_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"quantised already \(\d+ integer tensors"):
        sources.load(saved(tmp_path, tiny.classifier(int8=True)))


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: float) -> None:
    content = tiny.classifier()
    with pytest.raises(ConvertError):
        sources.load(saved(tmp_path, content[: int(len(content) * kept)]))


def test_half_precision_weights_are_unpacked_and_answer_the_same(tmp_path: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    model = read_model(tiny.classifier(), "")
    graph = model.subgraphs[0]
    weights = next(each for each in graph.tensors if each.name == b"weights")
    packed, buffer, code, op = schema.TensorT(), schema.BufferT(), schema.OperatorCodeT(), schema.OperatorT()
    values = np.frombuffer(model.buffers[weights.buffer].data.tobytes(), np.float32)
    buffer.data = np.frombuffer(values.astype(np.float16).tobytes(), np.uint8)
    model.buffers.append(buffer)
    packed.name, packed.shape, packed.type = b"packed", list(weights.shape), schema.TensorType.FLOAT16
    packed.buffer, weights.buffer = len(model.buffers) - 1, 0
    graph.tensors.append(packed)
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3
    model.operatorCodes.append(code)
    op.opcodeIndex, op.inputs = len(model.operatorCodes) - 1, [len(graph.tensors) - 1]
    op.outputs = [graph.tensors.index(weights)]
    graph.operators.insert(0, op)
    loaded = sources.load(saved(tmp_path, pack_model(model)))
    assert any("unpacked to float32" in note for note in loaded.notes)
    assert {each["dtype"] for each in make_interpreter(loaded.tflite).get_tensor_details()} <= {np.float32, np.int32}
    feeds: dict[str, Floats] = health.seeded(interface(loaded.tflite)[0], 0)
    got, want = (run(make_interpreter(each), dict(feeds)) for each in (loaded.tflite, tiny.classifier()))
    for name in want:
        np.testing.assert_allclose(got[name], want[name], atol=1e-3)


def test_nan_weights_are_the_models_fault_and_named_so(tmp_path: Path) -> None:
    weights = tiny.WEIGHTS.copy()
    weights[0, 0] = np.nan
    with pytest.raises(ConvertError, match=r"NaN or infinity.*broken before conversion"):
        sources.load(saved(tmp_path, tiny.classifier(weights)))


def test_an_output_that_never_changes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="depend on the input"):
        sources.load(saved(tmp_path, tiny.classifier(np.zeros((3, 3), np.float32))))


def test_a_custom_op_is_named(tmp_path: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    for name, kind in ((b"FancyRotation", "custom"), (b"FlexErf", "select")):
        model = read_model(tiny.classifier(), "")
        code = model.operatorCodes[-1]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = name
        with pytest.raises(ConvertError, match=rf"{name.decode()} \({kind}"):
            sources.load(saved(tmp_path, pack_model(model)))
        code.customCode = b"TFLite_Detection_PostProcess"
        health.check_ops(pack_model(model), "model")


def test_an_answer_unlike_the_sources_is_caught() -> None:
    content = tiny.classifier()

    def other(feeds: Named) -> dict[str, Floats]:
        return dict(run(make_interpreter(tiny.classifier(tiny.WEIGHTS[::-1])), dict(feeds)))

    def same(feeds: Named) -> dict[str, Floats]:
        return dict(run(make_interpreter(content), dict(feeds)))

    wanted = health.check_source(content, same, "model")
    assert any("answers as the source does" in note for note in health.check_answers(content, wanted, "model"))
    with pytest.raises(ConvertError, match="the conversion went wrong"):
        health.check_answers(content, health.check_source(content, other, "model"), "model")


@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN or infinity"), (0.25, "the same values")])
def test_a_broken_source_is_not_blamed_on_its_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float, said: str
) -> None:
    """A framework that answers NaN where TFLite's kernels do not, and one whose dead weights were folded away."""

    def broken(feeds: Named) -> dict[str, Floats]:
        return {"scores": np.full((1, 3), value, np.float32)}

    def from_framework(path: Path, given: Shapes) -> Converted:
        return Converted(path.read_bytes(), (), 1000, broken)

    monkeypatch.setattr(tflite, "convert", from_framework)
    with pytest.raises(ConvertError, match=f"{said}.*the float model itself is broken before conversion"):
        sources.load(saved(tmp_path, tiny.classifier()))


def test_missing_weights_are_caught() -> None:
    health.check_weights(tiny.classifier(), tiny.WEIGHTS.size, "model")
    with pytest.raises(ConvertError, match="lost some"):
        health.check_weights(tiny.classifier(), 2 * tiny.WEIGHTS.size, "model")


def test_the_same_seed_gives_the_same_inputs() -> None:
    inputs, _ = interface(tiny.classifier(vector=3))
    first, again, other = (health.seeded(inputs, index) for index in (0, 0, 3))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["image"], other["image"])
    assert 0 <= first["image"].min() < first["image"].max() <= 1


def test_names_become_unique() -> None:
    assert names_of(["a", "b", "a", "a"]) == ["a", "b", "a_2", "a_3"]


def test_channels_first_gets_a_transposition_in_front(tmp_path: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    model = read_model(tiny.classifier(), "")
    image = model.subgraphs[0].tensors[0]
    image.shape = [1, 3, 16, 16]
    axes = next(each for each in model.subgraphs[0].tensors if each.name == b"axes")
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.array([2, 3], np.int32).tobytes(), np.uint8)
    model.buffers[axes.buffer] = buffer
    loaded = sources.load(saved(tmp_path, pack_model(model)))
    (source,), _ = interface(loaded.tflite)
    assert (source.name, source.shape) == ("image", (1, 16, 16, 3))
    assert any("transposition in front" in note for note in loaded.notes)
    assert any("answers as the source does" in note for note in loaded.notes)
    feeds: dict[str, Floats] = health.seeded([source], 0)
    got, want = (run(make_interpreter(each), dict(feeds)) for each in (loaded.tflite, tiny.classifier()))
    for name in want:
        np.testing.assert_allclose(got[name], want[name], atol=1e-6)
