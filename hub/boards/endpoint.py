"""GET /metrics for Prometheus, in OpenMetrics or its older text form. Other machines are answered only with a token."""

from __future__ import annotations

import hmac
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from edge.errors import ConfigError

LOOPBACK = "127.0.0.1"
PATH = "/metrics"
REQUESTS_MAX = 4
"""At once; Prometheus asks one after the other, and each costs a few MB at thousands of devices."""
SOCKET_TIMEOUT_S = 10
TOKEN_LENGTH_MIN = 16

_log = logging.getLogger(__name__)


def read_token(file: Path) -> str:
    """What `Authorization: Bearer` must bring; from a file, since others see a command's arguments.

    Raises ConfigError.
    """
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"expected a token in {file}; {error}") from error
    if len(token) < TOKEN_LENGTH_MIN or not token.isascii() or not token.isprintable():
        raise ConfigError(
            f"expected a token of at least {TOKEN_LENGTH_MIN} printable ASCII characters in {file}: "
            "`openssl rand -hex 24` makes one"
        )
    return token


class Endpoint:
    """A small server of its own thread. `start`, then `stop`."""

    def __init__(self, registry: CollectorRegistry, host: str, port: int, token: str | None) -> None:
        """Raises ConfigError where other machines could ask without a token, or the port cannot be had."""
        if host != LOOPBACK and token is None:
            raise ConfigError(f"expected --token-file with --host {host}: other machines must not read this unasked")
        try:
            self._server = _Server((host, port), _Request)
        except OSError as error:
            raise ConfigError(
                f"expected port {port} of {host} for {PATH}, got: {error.strerror}; name another one with --port"
            ) from error
        self._server.registry, self._server.token = registry, token
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The one that it has, where 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    registry: CollectorRegistry
    token: str | None

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.room = threading.BoundedSemaphore(REQUESTS_MAX)


class _Request(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "dermedge", ""
    timeout = SOCKET_TIMEOUT_S

    def do_GET(self) -> None:
        if not self._may_ask():
            return
        if self.path.partition("?")[0] != PATH:
            self._answer(404, b"expected /metrics\n")
        elif not self.server.room.acquire(blocking=False):
            self._answer(503, b"answering others; ask again\n")
        else:
            try:
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(200, encode(self.server.registry), content_type)
            finally:
                self.server.room.release()

    def _may_ask(self) -> bool:
        if self.server.token is None:
            # Another site's name that resolves to this machine must not get through its visitor's browser to us.
            ours = self.headers.get("Host", "").rpartition(":")[0] in {LOOPBACK, "localhost"}
            if not ours:
                self._answer(403, b"expected a request to 127.0.0.1 or localhost\n")
            return ours
        asked = self.headers.get("Authorization", "").encode(errors="replace")
        allowed = hmac.compare_digest(asked, f"Bearer {self.server.token}".encode())
        if not allowed:
            self._answer(401, b"expected Authorization: Bearer and the token of --token-file\n")
        return allowed

    def _answer(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
        _log.debug(format, *arguments)
