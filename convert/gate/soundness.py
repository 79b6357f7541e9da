"""Is the float model itself sound on the gate's pictures? Asked before anything is quantised, so that the conversion is
not blamed for what training or a wrong input range did.
"""

from __future__ import annotations

import numpy as np

from convert.errors import ConvertError
from convert.gate.running import Floats, Runner
from convert.pictures.evaluation import Evaluation
from edge.bundle import Bundle

LOOKED_AT = 20
"""Examples, evenly taken: a broken model is broken on all, or on many."""
_DIFFERENT_MIN = 3
"""Of fewer examples the same answer says nothing."""
_CONSTANT = 1e-7


def check_float(bundle: Bundle, evaluation: Evaluation, threads: int) -> None:
    """Raise ConvertError where an output is NaN or infinite, or where no output changes from example to example."""
    every = evaluation.examples
    chosen = [every[place] for place in np.unique(np.linspace(0, len(every) - 1, LOOKED_AT).astype(int))]
    runner = Runner(bundle, threads)
    answers = [_meant(bundle, runner.outputs(example)) for example in chosen]
    for place, spec in enumerate(bundle.card.outputs):
        broken = [name.name for name, answer in zip(chosen, answers, strict=True) if not _finite(answer[place])]
        if broken:
            raise ConvertError(
                f"expected numbers in output {spec.name!r}, got NaN or infinity for {len(broken)} of {len(chosen)} "
                f"examples (the first: {broken[0]}): the float model itself is broken, or --input-range is not that of "
                "its training"
            )
    if len(chosen) >= _DIFFERENT_MIN and all(_is_constant(list(each)) for each in zip(*answers, strict=True)):
        raise ConvertError(
            f"expected outputs that depend on the picture, got the same values for all {len(chosen)} examples tried: "
            "the float model itself is broken, or --input-range is not that of its training"
        )


def _meant(bundle: Bundle, outputs: list[Floats]) -> list[Floats]:
    """Behind its last box TFLite_Detection_PostProcess leaves whatever lay in memory."""
    roles = [each.role for each in bundle.card.outputs]
    if "count" not in roles:
        return outputs
    count = int(outputs[roles.index("count")].ravel()[0])
    return [
        each.reshape(-1, 4)[:count] if role == "boxes" else each.ravel()[:count] if role != "count" else each
        for each, role in zip(outputs, roles, strict=True)
    ]


def _finite(values: Floats) -> bool:
    return bool(np.isfinite(values).all())


def _is_constant(values: list[Floats]) -> bool:
    if any(each.shape != values[0].shape for each in values):
        return False
    stacked = np.stack(values).astype(np.float64)
    return float(np.ptp(stacked, axis=0).max(initial=0.0)) <= _CONSTANT * float(np.abs(stacked).max(initial=0.0))
