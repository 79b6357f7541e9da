"""A real mosquitto of our own on a free loopback port, which a test may stop, kill and start again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from benchmarks.processes import free_port

START_WITHIN_S = 10.0
CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_packet_size 270000
{user}
"""


class Mosquitto:
    """Keeps nothing over a restart, as the broker in the field may not either. The port stays the same."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        assert program is not None, "expected mosquitto on this machine; `make packages` installs it"
        self.port = free_port()
        self.log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        configuration = folder / "mosquitto.conf"
        # As root it would drop to its own user, who cannot read the test's folder.
        user = "user root" if os.geteuid() == 0 else ""
        configuration.write_text(CONFIGURATION.format(port=self.port, user=user))
        self._command = [program, "-c", str(configuration)]

    def start(self) -> subprocess.Popen[bytes]:
        """The process, when it takes connections. It may be started again after somebody else has ended it."""
        running = self._process is not None and self._process.poll() is None
        assert not running, "expected a mosquitto that does not run yet"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                alive = self._process.poll() is None and time.monotonic() < deadline
                assert alive, f"mosquitto did not start:\n{self.log.read_text()}"
                time.sleep(0.02)
            else:
                return self._process

    def stop(self) -> None:
        """End it as a service manager would. May be called twice."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None, "expected a running mosquitto"
        self._process.kill()
        self._process.wait(timeout=10)
        self._process = None
