"""Serves the page on 127.0.0.1, from the standard library.

Picture and boxes travel in one message of an event stream, so that boxes stay on their frame. Encoding happens on a
thread of the screen's own, on a small copy, and only while somebody looks. Requests whose Host is not this machine's
own name are refused: else a page from anywhere could rebind its name to 127.0.0.1 and read the picture.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np

from edge import config, terms
from edge.bundle import Card
from edge.errors import ConfigError
from edge.frame import Pixels
from edge.pictures import encode_jpeg
from edge.pipeline import View
from edge.words import LANGUAGES, WORDS, Language, preferred

HOST = "127.0.0.1"
WIDTH_MAX_PX = 640
JPEG_QUALITY = 75
VIEWERS_MAX = 8
HEARTBEAT_S = 1.0

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ASSETS = {"/page.css": "text/css", "/page.js": "text/javascript"}

_log = logging.getLogger(__name__)


class Status(NamedTuple):
    """problem: "", "camera" or "outbox"; detail: the same in words, for whoever mends it."""

    problem: str
    detail: str
    frame_age_s: float
    provisioned: bool
    connected: bool
    backlog: int
    quarantined: int = 0


class Screen:
    """`show` is called with every view, `status` whenever a message is made. Raises ConfigError for a port in use."""

    def __init__(self, settings: config.Screen, card: Card, status: Callable[[], Status]) -> None:
        self._period_s = 1 / settings.rate_hz
        self._card = card
        self._status = status
        self._changed = threading.Condition()
        self._view: View | None = None
        self._message = b""
        self._number = 0
        self._viewers = 0
        self._stopping = False
        screen = self

        class Handler(_Handler):
            def __init__(self, *arguments: Any) -> None:
                self.screen = screen
                super().__init__(*arguments)

        try:
            self._server = ThreadingHTTPServer((HOST, settings.port), Handler)
        except OSError as error:
            raise ConfigError(
                f"expected a free port for the live view, got {settings.port}: {error.strerror}; choose another --view"
            ) from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.1,), name="screen", daemon=True),
            threading.Thread(target=self._encode, name="screen-encode", daemon=True),
        ]

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/"

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        _log.warning("the live view is at %s", self.address)

    def show(self, view: View) -> None:
        """Never blocks; the newest view wins."""
        with self._changed:
            self._view = view
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._threads[0].is_alive():
            self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(2.0)

    def hosts(self) -> frozenset[str]:
        """The Host headers that a browser on this machine sends."""
        return frozenset(f"{name}:{self.port}" for name in (HOST, "localhost"))

    def page(self, language: Language) -> bytes:
        """The page with all words of both languages in it."""
        labels = [each.name for each in self._card.labels]
        data = {
            "language": language,
            "words": {key: {"en": text.en, "zh": text.zh} for key, text in WORDS.items()},
            "labels": {name: {each: terms.label_text(name, each) for each in LANGUAGES} for name in labels},
            "status": self._card.status,
            "model": f"{self._card.name} {self._card.version}",
        }
        text = files("edge").joinpath("screen", "page.html").read_text(encoding="utf-8")
        inside = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
        return text.replace("{{language}}", language).replace("{{data}}", inside).encode()

    def join(self) -> bool:
        """A viewer comes; False when there are too many."""
        with self._changed:
            if self._viewers >= VIEWERS_MAX:
                return False
            self._viewers += 1
            self._changed.notify_all()
            return True

    def leave(self) -> None:
        with self._changed:
            self._viewers -= 1

    def next_message(self, after: int) -> tuple[int, bytes] | None:
        """The newest message beyond `after`, waiting for it; None when the screen ends."""
        with self._changed:
            while not self._stopping:
                if self._number > after:
                    return self._number, self._message
                self._changed.wait(HEARTBEAT_S)
        return None

    def _encode(self) -> None:
        shown: View | None = None
        while True:
            with self._changed:
                if not self._stopping and (self._viewers == 0 or self._view is shown):
                    self._changed.wait(HEARTBEAT_S)
                if self._stopping:
                    return
                if self._viewers == 0:
                    continue
                view = self._view
            message = self._make(view, with_picture=view is not shown)
            shown = view
            with self._changed:
                self._number, self._message = self._number + 1, message
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._stopping, self._period_s)

    def _make(self, view: View | None, *, with_picture: bool) -> bytes:
        """One message; without a new frame only the status, so that a stalled picture is told and not sent again.

        Whoever has refused is not shown either.
        """
        message: dict[str, Any] = {"status": self._status()._asdict()}
        if view is not None and with_picture:
            height, width = view.rgb.shape[:2]
            message["frame"] = {
                "sequence": view.sequence,
                "size_px": [width, height],
                "jpeg": None if view.encounter == "refused" else base64.b64encode(_small_jpeg(view.rgb)).decode(),
                "boxes": [
                    {"box_px": [round(edge, 1) for edge in each.box_px], "label": each.label, "tier": each.tier}
                    for each in view.boxes
                ],
                "accepted": view.accepted,
                "hint": view.hint,
                "encounter": view.encounter,
                "results": [each._asdict() for each in view.results],
            }
        return json.dumps(message, separators=(",", ":")).encode()


class _Handler(BaseHTTPRequestHandler):
    screen: Screen
    protocol_version = "HTTP/1.1"
    server_version = "dermedge"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        if self.headers.get("Host", "") not in self.screen.hosts():
            self._answer(421, "text/plain", b"this page is served to the device itself only\n")
            return
        if self.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            self._answer(403, "text/plain", b"other pages may not embed this one\n")
            return
        target = urlsplit(self.path)
        if target.path == "/":
            self._answer(200, "text/html", self.screen.page(self._language(target.query)))
        elif target.path == "/events":
            self._stream()
        elif target.path in _ASSETS:
            content = files("edge").joinpath("screen", target.path.lstrip("/")).read_bytes()
            self._answer(200, _ASSETS[target.path], content)
        else:
            self._answer(404, "text/plain", b"not here\n")

    def _language(self, query: str) -> Language:
        asked = parse_qs(query).get("lang", [""])[0]
        for language in LANGUAGES:
            if asked == language:
                return language
        return preferred(self.headers.get("Accept-Language", ""))

    def _answer(self, code: int, kind: str, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _stream(self) -> None:
        if not self.screen.join():
            self._answer(503, "text/plain", b"too many viewers\n")
            return
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.end_headers()
            self.close_connection = True
            number = 0
            while (message := self.screen.next_message(number)) is not None:
                number = message[0]
                self.wfile.write(b"data: " + message[1] + b"\n\n")
                self.wfile.flush()
        except (ConnectionError, TimeoutError):
            pass  # the viewer has gone
        finally:
            self.screen.leave()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        _log.debug(format, *args)


def _small_jpeg(rgb: Pixels) -> bytes:
    height, width = rgb.shape[:2]
    if width > WIDTH_MAX_PX:
        size = WIDTH_MAX_PX, max(1, round(height * WIDTH_MAX_PX / width))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return encode_jpeg(rgb, JPEG_QUALITY)
