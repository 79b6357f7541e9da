"""What ai-edge-quantizer 0.10 does not know and we need, added while it runs and taken back after.

Ops: it leaves those that it has no rule for in float, with a conversion before and after. Several ask for nothing new:
they only move values about, or are computed like an op that it knows. Outputs: it decides for all of a model's inputs
together, and for all outputs; one float output among integer ones needs a decision for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LIKE = {
    "TILE": "RESHAPE",  # input and output share their scale; further inputs are integers
    "EXPAND_DIMS": "RESHAPE",
    "SQUEEZE": "RESHAPE",
    "DEPTH_TO_SPACE": "SPACE_TO_DEPTH",
    "MINIMUM": "MAXIMUM",
    "REDUCE_MAX": "REDUCE_MIN",  # Keras's GlobalMaxPooling
    "LEAKY_RELU": "RELU",  # any scale in, any out
    "RELU6": "RELU",
    "PRELU": "MUL",  # the slopes are a second input with a scale of its own
}
"""Op → the op whose rule serves it, because its int8 kernel asks the same of the scales."""


@contextmanager
def more_rules() -> Iterator[None]:
    """LIKE and one decision an output, for as long as this is open. Not for several threads at once."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils as tables

    names, ends = tables.TFL_OP_CODE_TO_NAME, tables.get_subgraph_input_output_operators
    added = {getattr(BuiltinOperator, op): qtyping.TFLOperationName(model) for op, model in LIKE.items()}

    def each_end(graph: Any) -> list[Any]:
        sources, results = ends(graph)
        return [
            *(qtyping.IOOperator(inputs=[], outputs=[each], op_key=sources.op_key) for each in sources.outputs),
            *(qtyping.IOOperator(inputs=[each], outputs=[], op_key=results.op_key) for each in results.inputs),
        ]

    tables.TFL_OP_CODE_TO_NAME = type(names)({**names, **added})
    tables.get_subgraph_input_output_operators = each_end
    try:
        yield
    finally:
        tables.TFL_OP_CODE_TO_NAME, tables.get_subgraph_input_output_operators = names, ends
