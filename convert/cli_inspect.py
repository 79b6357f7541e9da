"""`dermedge inspect MODEL`: what a model file is made of, and whether the runtime takes it."""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import EX_DATA, printable

if TYPE_CHECKING:
    from convert.inspection import Inspection
    from convert.tensors import Tensor

COLUMNS = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .tflite, or a bundle's folder")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from convert.inspection import inspect

    inspection = inspect(arguments.model)
    print(json.dumps(msgspec.to_builtins(inspection), ensure_ascii=False) if arguments.json else table(inspection))
    return 0 if inspection.runtime.takes else EX_DATA


def table(inspection: Inspection) -> str:
    """What people read, at most 80 columns wide."""
    memory = "not known" if inspection.arena_bytes is None else _bytes(inspection.arena_bytes)
    lines = [
        *_wrapped("file        ", inspection.file),
        f"size        {_bytes(inspection.bytes)}, SHA-256 {inspection.sha256[:12]}…",
        f"parameters  {inspection.parameters:,}",
        f"work        {inspection.mac:,} multiplications a picture (MAC)",
        *_wrapped("memory      ", f"{memory} for activations while it runs (arena): {inspection.arena}"),
        "",
        f"{'':<3} {'tensor':<29} {'dtype':<8} {'shape':<14} scale, zero point",
        *(_row("in", each) for each in inspection.inputs),
        *(_row("out", each) for each in inspection.outputs),
        "",
        f"{'op':<30} {'count':>5}  {'MAC':>14}  computes in",
    ]
    for op in inspection.ops:
        dtypes = ", ".join(
            f"{dtype} ({count})" if len(op.computes_in) > 1 else dtype for dtype, count in op.computes_in.items()
        )
        name = op.name if op.kind == "builtin" else f"{op.name} ({op.kind})"
        lines.append(f"{_short(name, 30):<30} {op.count:>5}  {op.mac or '-':>14{',' if op.mac else ''}}  {dtypes}")
    verdict = inspection.runtime
    lines += ["", "The runtime takes it." if verdict.takes else "The runtime does not take it:"]
    for reason in verdict.reasons:
        lines += _wrapped("- ", reason)
    for note in verdict.notes:
        lines += _wrapped("Note: ", note)
    return "\n".join(lines)


def _row(role: str, tensor: Tensor) -> str:
    scale = f"{tensor.scale:.6g}, {tensor.zero_point}" if tensor.scale else "-"
    return f"{role:<3} {_short(printable(tensor.name), 29):<29} {tensor.dtype:<8} {_shape(tensor.shape):<14} {scale}"


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _short(name: str, width: int) -> str:
    """Both ends of a long name: frameworks put what tells tensors apart at either."""
    if len(name) <= width:
        return name
    kept = width - 1
    return f"{name[: kept // 2]}…{name[-(kept - kept // 2) :]}"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def _wrapped(start: str, words: str) -> list[str]:
    """Paragraph that hangs under its start."""
    indent = " " * len(start)
    return textwrap.wrap(
        printable(words), COLUMNS, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False
    )
