"""What needs ONNX's own libraries, run by the Python of the environment that has them (`make onnx-environment`).

    onnx_worker.py describe MODEL            one JSON object on stdout: inputs, outputs, foreign ops, weights
    onnx_worker.py fix MODEL SHAPES OUT      the model with fixed input shapes (JSON: name → shape), inferred throughout
    onnx_worker.py run MODEL IN.npz OUT.npz  its answers by ONNX Runtime: IN's arrays are named as the inputs

The converter calls it as a subprocess: its numpy is not ours. A refusal is one line on stderr and exit code 65.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

EX_DATA = 65
_OWN_DOMAINS = ("", "ai.onnx")


def describe(path: str) -> dict[str, Any]:
    """Names, dtypes and shapes (null is an open side) of inputs and outputs; ops of other domains; weights."""
    import onnx

    model = _read(path)
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer if len(each.dims) >= 2}
    kept = {each.tobytes(): each.size for each in weights.values() if each.dtype == np.float32}
    return {
        "inputs": [_interface(each) for each in _inputs(model)],
        "outputs": [_interface(each) for each in model.graph.output],
        "foreign_ops": sorted(
            {f"{each.domain}.{each.op_type}" for each in model.graph.node if each.domain not in _OWN_DOMAINS}
        ),
        "weight_count": sum(kept.values()),
    }


def fix(path: str, shapes: dict[str, list[int]], target: str) -> None:
    """Write the model with these input shapes; all others are inferred anew from them."""
    import onnx

    model = _read(path)
    for each in _inputs(model):
        del each.type.tensor_type.shape.dim[:]
        for side in shapes[each.name]:
            each.type.tensor_type.shape.dim.add().dim_value = side
    for each in model.graph.output:
        each.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    onnx.save(onnx.shape_inference.infer_shapes(model), target)


def run(path: str, source: str, target: str) -> None:
    """The answers to one set of inputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    with np.load(source) as feeds:
        answers = session.run(None, {name: feeds[name] for name in feeds.files})
    np.savez(target, **{each.name: answer for each, answer in zip(session.get_outputs(), answers, strict=True)})


def _read(path: str) -> Any:
    import onnx

    model = onnx.load(path)
    onnx.checker.check_model(path)
    return model


def _inputs(model: Any) -> list[Any]:
    """Without the weights, which old exporters list as inputs, too."""
    weights = {each.name for each in model.graph.initializer}
    return [each for each in model.graph.input if each.name not in weights]


def _interface(value: Any) -> dict[str, Any]:
    import onnx

    kind = value.type.tensor_type
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)).name if kind.elem_type else "no tensor"
    dims = [side.dim_value if side.HasField("dim_value") else None for side in kind.shape.dim]
    return {"name": value.name, "dtype": dtype, "dims": dims}


def main(words: list[str]) -> int:
    """One of the three; see above."""
    try:
        match words:
            case ["describe", path]:
                print(json.dumps(describe(path)))
            case ["fix", path, shapes, target]:
                fix(path, json.loads(shapes), target)
            case ["run", path, source, target]:
                run(path, source, target)
            case _:
                print(__doc__, file=sys.stderr)
                return 64
    # Protobuf, the checker and the runtime have an error type each.
    except Exception as error:  # noqa: BLE001
        print(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", file=sys.stderr)
        return EX_DATA
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
