"""The hub runs on what its extra brings."""

from __future__ import annotations

import subprocess
import sys

DEVICE_ONLY = ("ai_edge_litert", "apsw", "cv2", "numpy", "PIL")
MODULES = ("hub.cli", "hub.ingest", "hub.registry", "hub.dashboard.serve", "edge.publish.mqtt")


def test_no_package_of_the_device_is_needed() -> None:
    program = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({DEVICE_ONLY!r}))  # an import of one of these now fails\n"
        f"for name in {MODULES!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
