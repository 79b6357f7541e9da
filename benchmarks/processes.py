"""Our own command as child processes: for the demonstration, for measurements and for tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

DERMEDGE = (sys.executable, "-P", "-m", "dermedge")


def environment() -> dict[str, str]:
    """Ours, with this installation first on the path, and without settings meant for another run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DERMEDGE_")}
    return kept | {
        "PYTHONPATH": os.pathsep.join(
            filter(None, (str(Path(__file__).resolve().parent.parent), kept.get("PYTHONPATH")))
        )
    }


def free_port(wanted: int = 0) -> int:
    """A port of 127.0.0.1 that nobody has; raises OSError where the wanted one is taken."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", wanted))
        return int(probe.getsockname()[1])


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, ten seconds, SIGKILL."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Ctrl-C waits. A child started here inherits that: the broker outlives the device's last acknowledgement."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
