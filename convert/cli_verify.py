"""`dermedge verify BUNDLE_DIR`: is a bundle what was converted, and does it answer here as it did then?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edge.errors import EX_DATA, UsageError, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE_DIR", help="a bundle's folder")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a line for each check")
    parser.add_argument("--backend", default="litert", help="inference backend (default: litert)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="threads of the engine (default: 2)")


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from convert.verification import verify
    from edge.config import THREADS_MAX, Inference

    if not 1 <= arguments.threads <= THREADS_MAX:
        raise UsageError(f"expected --threads from 1 to {THREADS_MAX}, got {arguments.threads}")
    found = verify(arguments.bundle, Inference(backend=arguments.backend, threads=arguments.threads))
    if arguments.json:
        print(json.dumps({"passed": found.passed} | msgspec.to_builtins(found), ensure_ascii=False))
    else:
        for check in found.checks:
            print(f"{check.verdict:<5} {check.name:<7} {printable(check.told)}")
        print("The bundle can be used here." if found.passed else "The bundle must not be used here: see FAIL.")
    return 0 if found.passed else EX_DATA
