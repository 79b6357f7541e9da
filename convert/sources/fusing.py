"""Activations that stand alone, put into the op before them where nothing else reads that one.

Old files and some routes have ReLU as an op of its own. In float that costs little. In int8 it costs twice: XNNPACK has
no such op, so the graph falls apart into pieces (MediaPipe's BlazeFace into 34), and the op before spends half of its
steps on what the ReLU cuts off.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from convert.graph import op_name

_INTO = frozenset({"ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MUL", "SUB"})
_FUSED = {"RELU": 1, "RELU6": 3}
"""The schema's numbers of fused activations."""


def fuse_activations(model: Any) -> int:
    """How many went into the op before, in place. The tensor in between is left without an op."""
    graph = model.subgraphs[0]
    reads = Counter(int(index) for operator in graph.operators for index in operator.inputs)
    reads.update(int(index) for index in graph.outputs)
    makers = {int(index): operator for operator in graph.operators for index in operator.outputs}
    gone = set()
    for operator in graph.operators:
        fused = _FUSED.get(op_name(model, operator)[0])
        source = int(operator.inputs[0]) if fused else -1
        maker = makers.get(source)
        if fused is None or maker is None or reads[source] > 1 or op_name(model, maker)[0] not in _INTO:
            continue
        if maker.builtinOptions.fusedActivationFunction == 0:
            maker.builtinOptions.fusedActivationFunction = fused
            maker.outputs = operator.outputs
            makers[int(operator.outputs[0])] = maker
            gone.add(id(operator))
    graph.operators = [each for each in graph.operators if id(each) not in gone]
    return len(gone)
