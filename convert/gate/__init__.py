"""The gate: does the converted model still see what the float model sees? Both on the same pictures, before anything is
written.

With labels, the task's own metric decides (AP50, mean over labels; balanced accuracy), and a float model that does not
see itself does not pass. Without, agreement with the float model decides, and the sentence says so.
"""

from __future__ import annotations

from convert.description import Description
from convert.errors import ConvertError
from convert.gate.agreement_gate import AgreementGate
from convert.gate.result import GateResult
from convert.gate.task_gate import TaskGate
from convert.pictures.evaluation import Evaluation
from edge.bundle import Bundle

MAX_DROP_POINTS = 0.5


class Gate:
    """One float model on one set of pictures, ready to be compared with conversions of it.

    max_drop: points (hundredths of the task's metric) that may be lost. threads, seed: the same give the same result.
    """

    def __init__(
        self,
        described: Description,
        float_bundle: Bundle,
        evaluation: Evaluation,
        *,
        max_drop: float = MAX_DROP_POINTS,
        threads: int = 2,
        seed: int = 0,
    ) -> None:
        if not evaluation.examples:
            raise ConvertError(
                "expected pictures to compare the float and the converted model on, got none: --eval CSV"
            )
        self._judge: AgreementGate | TaskGate
        if evaluation.labelled:
            self._judge = TaskGate(described, float_bundle, evaluation, max_drop=max_drop, threads=threads, seed=seed)
        else:
            self._judge = AgreementGate(float_bundle, evaluation, threads=threads, seed=seed)

    def judge(self, converted: Bundle) -> GateResult:
        """The comparison with one conversion."""
        return self._judge.judge(converted)
