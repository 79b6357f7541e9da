"""Nobody sees a page, and no page's socket is opened, without a session. What is open to all is named here."""

from __future__ import annotations

from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.words import Language, preferred
from hub.dashboard.office import COOKIE, Door
from hub.dashboard.origin import FRAMEWORK
from hub.dashboard.reading import NoAnswerError
from hub.dashboard.templating import CHINESE, address, render

OPEN = frozenset({"/sign-in", "/zh/sign-in", "/link", "/zh/link", "/style.css", "/favicon.ico"})


class SignedIn:
    """Puts the session where the pages find it (`request.state.session`), or shows the way to sign in."""

    def __init__(self, inner: ASGIApp, door: Door) -> None:
        self._inner = inner
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] not in {"http", "websocket"} or path in OPEN or path.startswith(FRAMEWORK):
            await self._inner(scope, receive, send)
            return
        headers = Headers(scope=scope)
        token = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        # The socket's own beat is nobody's doing: it must not keep a session.
        is_page = scope["type"] == "http" and not path.startswith("/_nicegui")
        refusal: Response
        try:
            session = await self._door.find(token, used=is_page)
        except NoAnswerError:
            refusal = HTMLResponse(render("away", language_of(path, headers)), 503, headers={"Retry-After": "5"})
        else:
            if session is not None:
                scope.setdefault("state", {})["session"] = session
                scope["state"]["token"] = token
                await self._inner(scope, receive, send)
                return
            refusal = _to_the_door(scope, path, headers)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: answered as 403
        else:
            await refusal(scope, receive, send)


def language_of(path: str, headers: Headers) -> Language:
    """Of the address; else what the browser prefers."""
    if path == CHINESE or path.startswith(f"{CHINESE}/"):
        return "zh"
    return preferred(headers.get("accept-language", ""))


def _to_the_door(scope: Scope, path: str, headers: Headers) -> Response:
    if scope["method"] != "GET" or path.startswith("/_nicegui"):
        return PlainTextResponse("expected somebody who is signed in", 401)
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = quote(path + (f"?{query}" if query else ""), safe="/")
    return RedirectResponse(f"{address('sign-in', language_of(path, headers))}?next={wanted}", 303)
