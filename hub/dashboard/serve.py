"""`hub serve`: the page on 127.0.0.1. Reads the database, never a private key; asks nobody else for anything."""

from __future__ import annotations

import signal
import socket

import sqlalchemy as sa
from nicegui import app, ui
from starlette.datastructures import Headers as RequestHeaders
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.clock import Clock
from edge.errors import ConfigError
from edge.words import Language, preferred
from hub.dashboard.feed import Feed
from hub.dashboard.page import MARK, LivePage
from hub.words import word

HOST = "127.0.0.1"
CHINESE = "/zh"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws://127.0.0.1:* ws://localhost:*; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's framework compiles its templates in the browser, hence 'unsafe-eval'; no other host is ever allowed."""


class SameOrigin:
    """Refuses what a page of another site asks for: a browser lets it connect to this machine, cookies and all.

    A link from elsewhere may open the page itself; it cannot be shown inside of another (frame-ancestors).
    """

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or not _is_foreign(RequestHeaders(scope=scope)):
            await self._inner(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse("expected a request of this hub's own page", 403)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: answered as 403


def _is_foreign(headers: RequestHeaders) -> bool:
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{headers.get('host', '')}":
        return True
    opened = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
    return headers.get("sec-fetch-site") == "cross-site" and not opened


class Headers:
    """Adds to every answer what keeps a browser from asking other hosts, or from showing us inside of them."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = POLICY
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._inner(scope, receive, send_with_headers)


def require_free(port: int) -> None:
    """Raises ConfigError where the page cannot have this port: the server would tell it in its own words, and late."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"expected port {port} of {HOST} for the page, got: {error.strerror}; name another one with --port"
            ) from error


def serve(engine: sa.Engine, port: int, clock: Clock, *, show: bool) -> None:
    """Returns when the process is told to end."""
    feed = Feed(engine, clock)

    # A page of its own for each language: so the browser is told it, and what the framework itself says is in it too.
    @ui.page("/", language="en-US")
    async def english(request: Request, lang: str = "") -> Response | None:
        if _language(request, lang) == "zh":
            return RedirectResponse(CHINESE)
        await LivePage(feed, "en", switch_to=CHINESE).build()
        return None

    @ui.page(CHINESE, language="zh-CN")
    async def chinese() -> None:
        await LivePage(feed, "zh", switch_to="/?lang=en").build()

    # Another site's name that resolves to this machine must not get the page (DNS rebinding).
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    app.add_middleware(SameOrigin)
    app.add_middleware(Headers)
    # The server ends on these by itself, then gives them back to whoever had them: to us, who have nothing left to do.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    ui.run(
        host=HOST,
        port=port,
        title=word("page.title", "en"),
        favicon=MARK.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '),
        dark=False,
        show=show,
        reload=False,
        tailwind=False,
        show_welcome_message=False,
    )


def _language(request: Request, asked: str) -> Language:
    if asked in {"en", "zh"}:
        return "zh" if asked == "zh" else "en"
    return preferred(request.headers.get("accept-language", ""))
