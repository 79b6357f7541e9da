"""`python -m benchmarks.converters.beside TOOL ORDER.json`: one plain tool, as its own documentation shows its use.

In a process of its own. It is given what `dermedge convert` was given: the source, and the same calibration examples
through the same preprocessing. Whether what it makes can still see is for somebody else to ask.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sample = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Order:
    """float_file: the source as a float .tflite. made: where the tool's file goes."""

    source: Path
    float_file: Path
    samples: list[Sample]
    made: Path


def tensorflow(order: Order) -> None:
    """tf.lite.TFLiteConverter: full integer with an integer interface (its "Post-training integer quantization")."""
    import keras
    import tensorflow as tf

    model = keras.saving.load_model(order.source, compile=False)
    names = [tensor.name for tensor in model.inputs]
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[name] for name in names] for sample in order.samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    order.made.write_bytes(converter.convert())


def quantizer(order: Order) -> None:
    """ai-edge-quantizer: its own recipe static_wi8_ai8 and its own calibration, on the float .tflite."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    tool = quantizer.Quantizer(str(order.float_file))
    tool.load_quantization_recipe(recipe.static_wi8_ai8())
    signature = next(iter(Interpreter(str(order.float_file)).get_signature_list()))
    statistics = tool.calibrate({signature: order.samples})
    tool.quantize(statistics).export_model(str(order.made), overwrite=True)


def onnx2tf(order: Order) -> None:
    """onnx2tf -oiqt with the calibration pictures as they go in, its -cind mean and std left neutral."""
    _onnx2tf(order, order.source)


def onnx2tf_fixed(order: Order) -> None:
    """The same, on a copy whose open batch was fixed and whose shapes were inferred anew, which -b 1 does not do."""
    from convert.sources import onnx_worker
    from convert.sources.onnx import environment

    fixed = order.made.with_suffix(".onnx")
    shapes = {name: (1, *np.moveaxis(values[0], -1, 0).shape) for name, values in order.samples[0].items()}
    words = [environment() / "bin" / "python", "-I", onnx_worker.__file__, "fix", order.source, json.dumps(shapes)]
    subprocess.run([*map(str, words), str(fixed)], check=True)
    _onnx2tf(order, fixed)


def _onnx2tf(order: Order, source: Path) -> None:
    from convert.sources.onnx import environment, last_line

    tools = environment() / "bin"
    folder = order.made.with_suffix("")
    folder.mkdir(exist_ok=True)
    np.save(folder / "calibration.npy", np.concatenate([next(iter(sample.values())) for sample in order.samples]))
    # It downloads this file where it does not find it.
    np.save(folder / "calibration_image_sample_data_20x128x128x3_float32.npy", np.zeros((20, 128, 128, 3), np.float32))
    words = [str(tools / "onnx2tf"), "-i", str(source), "-o", "out", "-b", "1", "-oiqt", "-n"]
    words += ["-cind", "image", "calibration.npy", "[[[[0,0,0]]]]", "[[[[1,1,1]]]]"]
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words, cwd=folder, env=os.environ | {"PATH": path}, check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(last_line(done.stdout + done.stderr))
    (found,) = (folder / "out").glob("*_full_integer_quant.tflite")
    order.made.write_bytes(found.read_bytes())


def litert_torch(order: Order) -> None:
    """litert-torch on the network with its weights as they lie in the package's file; it stays float."""
    import torch
    from litert_torch import convert, to_channel_last_io

    from benchmarks.converters import lite0

    network = to_channel_last_io(lite0.torch_model(), args=[0]).eval()
    convert(network, (torch.zeros(1, lite0.SIDE_PX, lite0.SIDE_PX, 3),)).export(str(order.made))


TOOLS: dict[str, Callable[[Order], None]] = {
    "tensorflow": tensorflow,
    "ai-edge-quantizer": quantizer,
    "onnx2tf": onnx2tf,
    "onnx2tf-fixed": onnx2tf_fixed,
    "litert-torch": litert_torch,
}


def read_samples(path: Path) -> list[Sample]:
    """Arrays by input name, first axis the example, as they were saved for all tools."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return list(_rows(arrays))


def _rows(arrays: dict[str, Any]) -> Iterator[Sample]:
    for index in range(len(next(iter(arrays.values())))):
        yield {name: values[index] for name, values in arrays.items()}


def main(words: list[str]) -> int:
    told = json.loads(Path(words[1]).read_text(encoding="utf-8"))
    samples = read_samples(Path(told["samples"]))
    TOOLS[words[0]](Order(Path(told["source"]), Path(told["float"]), samples, Path(told["made"])))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
