"""`dermedge bench`: one subcommand a question."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from edge.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    questions = parser.add_subparsers(dest="question", required=True, metavar="QUESTION")
    stages = questions.add_parser("stages", help="each stage of a frame, and the whole against the bare model")
    stages.add_argument("--bundle", type=Path, metavar="DIR", help="a model bundle (default: the one that ships)")
    stages.add_argument("--rounds", type=int, default=400, metavar="N", help="timed rounds a model (default: 400)")
    stages.add_argument("--threads", type=int, default=1, metavar="N", help="threads of the engine (default: 1)")
    stages.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    pages = questions.add_parser("hub", help="the hub's pages over a full database: server time, first paint")
    pages.add_argument("--findings", type=int, default=100_000, metavar="N", help="default: %(default)s")
    pages.add_argument("--devices", type=int, default=5_037, metavar="N", help="default: %(default)s")
    pages.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def run(arguments: argparse.Namespace) -> int:
    return _hub(arguments) if arguments.question == "hub" else _stages(arguments)


def _hub(arguments: argparse.Namespace) -> int:
    if arguments.findings < 1 or arguments.devices < 1:
        raise UsageError(f"expected --findings and --devices from 1, got {arguments.findings} and {arguments.devices}")
    from benchmarks import hub_pages, machine

    print(f"making {arguments.findings} findings of {arguments.devices} devices …", file=sys.stderr)
    result = {"machine": machine.describe()} | hub_pages.measure(arguments.findings, arguments.devices)
    print(json.dumps(result) if arguments.json else _pages_table(result))
    return 0


def _pages_table(result: dict[str, Any]) -> str:
    facts = result["machine"]
    lines = [f"{facts['processor']}, {facts['cores']} cores, {facts['system']}"]
    lines += [
        f"{result['findings']:,} findings, {result['devices']:,} devices, medians of {result['rounds']} rounds",
        "",
    ]
    lines.append(f"  {'ms':<10} {'server':>8} {'paint':>8} {'content':>8}")
    for row in result["pages"]:
        browser = [f"{row[name]:8.0f}" if row[name] is not None else f"{'–':>8}" for name in ("paint_ms", "content_ms")]
        lines.append(f"  {row['page']:<10} {row['server_ms']:8.0f} {' '.join(browser)}")
    return "\n".join(lines)


def _stages(arguments: argparse.Namespace) -> int:
    from benchmarks import machine, stages
    from edge.config import THREADS_MAX

    if arguments.rounds < 1 or not 1 <= arguments.threads <= THREADS_MAX:
        raise UsageError(
            f"expected --rounds from 1 and --threads from 1 to {THREADS_MAX}, "
            f"got {arguments.rounds} and {arguments.threads}"
        )

    frames = stages.phantom_frames()
    reports = []
    for path in (arguments.bundle, stages.YARDSTICK):
        print(f"measuring {path or 'the shipped detector'} …", file=sys.stderr)
        reports.append(stages.measure(path, frames, arguments.rounds, arguments.threads).report())
    result = {"machine": machine.describe(), "threads": arguments.threads, "models": reports}
    print(json.dumps(result) if arguments.json else _tables(result))
    return 0


def _tables(result: dict[str, Any]) -> str:
    facts = result["machine"]
    lines = [f"{facts['processor']}, {facts['cores']} cores, {facts['system']}, {result['threads']} thread(s)"]
    if "Raspberry Pi" not in facts["processor"]:
        lines.append("not measured on a Pi")
    for report in result["models"]:
        low, high = report["interval_95"]
        lines += ["", f"{report['model']} on {report['engine']}, 720p frames, {report['rounds']} rounds"]
        lines.append(f"  {'ms':<12} {'p50':>8} {'p90':>8} {'p99':>8}")
        for stage, row in report["stages_ms"].items():
            lines.append(f"  {stage:<12} {row['p50']:8.3f} {row['p90']:8.3f} {row['p99']:8.3f}")
        lines.append(f"  total / bare invoke = {report['total_over_bare_invoke']:.3f} (95 % {low:.3f} to {high:.3f})")
    return "\n".join(lines)
