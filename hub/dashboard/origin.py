"""Who may ask, and what a browser may do with the answer: the hub's own pages only, and no other host."""

from __future__ import annotations

from starlette.datastructures import Headers as RequestHeaders
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FRAMEWORK = "/_nicegui/"
"""The framework's own scripts and fonts: the same for everybody, by version, and so worth keeping in the browser."""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws://127.0.0.1:* ws://localhost:*; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The page's framework compiles its templates in the browser, hence 'unsafe-eval'; no other host is ever allowed."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",  # "no-referrer" would take the origin from our own forms
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class SameOrigin:
    """Refuses what a page of another site asks for: a browser lets it connect to this machine, cookies and all.

    A link from elsewhere may open the page itself; it cannot be shown inside of another (frame-ancestors).
    """

    def __init__(self, inner: ASGIApp, origin: str = "") -> None:
        """origin: under which a proxy with TLS shows this hub ("https://hub.example.org"); "" for none."""
        self._inner = inner
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or not self._is_foreign(RequestHeaders(scope=scope)):
            await self._inner(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse("expected a request of this hub's own page", 403)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: answered as 403

    def _is_foreign(self, headers: RequestHeaders) -> bool:
        origin = headers.get("origin")
        if origin is not None and origin not in {f"http://{headers.get('host', '')}", self._origin or None}:
            return True
        opened = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
        return headers.get("sec-fetch-site") == "cross-site" and not opened


class Headers:
    """Adds what keeps a browser from asking other hosts, from showing us inside of them, from keeping a copy."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if not str(scope.get("path", "")).startswith(FRAMEWORK):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._inner(scope, receive, send_with_headers)
