"""Signing in and out, and the one-time link: plain forms; a script only keeps the link's token out of logs."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from edge.words import Language
from hub import sessions
from hub.attempts import TooManyAttemptsError
from hub.dashboard.mark import MARK
from hub.dashboard.office import COOKIE, FORM_COOKIE, Office
from hub.dashboard.reading import NoAnswerError
from hub.dashboard.signed_in import language_of
from hub.dashboard.templating import CHINESE, address, render
from hub.passwords import CHARACTERS_MIN, WeakPasswordError
from hub.sessions import SignInError
from hub.words import word

FORM_BYTES_MAX = 8_192

Problem = str
"""The key of the words for it, or ""."""


class SignIn:
    """The routes that are open to all, and the way out."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def add_to(self, app: Starlette) -> None:
        for prefix in ("", CHINESE):
            app.add_route(f"{prefix}/sign-in", self._sign_in, methods=["GET", "POST"])
            app.add_route(f"{prefix}/link", self._link, methods=["GET", "POST"])
            app.add_route(f"{prefix}/sign-out", self._sign_out, methods=["POST"])

    async def _sign_in(self, request: Request) -> Response:
        language = _language(request)
        wanted = request.query_params.get("next", "")
        if request.method == "GET":
            return self._page(request, wanted=wanted)
        form = await read_form(request)
        name, password = form.get("name", "").strip().lower(), form.get("password", "")

        async def attempt() -> str:
            now = self._office.now()
            return await self._office.door.ask(lambda engine: sessions.sign_in(engine, name, password, now))

        token, problem = await self._try(request, form, attempt)
        if token is None:
            return self._page(request, problem=problem, name=name, wanted=form.get("next", ""))
        return self._let_in(token, _own(form.get("next", "")) or address("", language))

    async def _link(self, request: Request) -> Response:
        """The token stands behind # in the link, so a browser never sends it but in this form."""
        if request.method == "GET":
            return self._page(request, link=True)
        form = await read_form(request)
        password = form.get("password", "")
        if password != form.get("again"):
            return self._page(request, link=True, problem="account.differ", token=form.get("token", ""))

        async def attempt() -> str:
            now = self._office.now()
            return await self._office.door.ask(
                lambda engine: sessions.use_link(engine, form.get("token", ""), password, now)
            )

        token, problem = await self._try(request, form, attempt)
        if token is None:
            wrong = "account.no_link" if problem == "account.wrong" else problem
            return self._page(request, link=True, problem=wrong, token=form.get("token", ""))
        return self._let_in(token, address("", _language(request)))

    async def _sign_out(self, request: Request) -> Response:
        """Behind the sessions' door, so there is one to end."""
        form = await read_form(request)
        if not sessions.csrf_fits(request.state.session, form.get("form", "")):
            return PlainTextResponse("expected the form of this hub's own page; go back and try again", 403)
        token, now = request.state.token, self._office.now()
        try:
            await self._office.door.ask(lambda engine: sessions.sign_out(engine, token, now))
        except NoAnswerError:
            return HTMLResponse(render("away", _language(request)), 503)
        answer = RedirectResponse(address("sign-in", _language(request)), 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=self._office.door.secure)
        return answer

    async def _try(
        self, request: Request, form: Mapping[str, str], attempt: Callable[[], Awaitable[str]]
    ) -> tuple[str | None, Problem]:
        if not self._is_our_form(request, form):
            return None, "account.stale"
        try:
            return await attempt(), ""
        except TooManyAttemptsError:
            return None, "account.wait"
        except WeakPasswordError:
            return None, "account.weak"
        except SignInError:
            return None, "account.wrong"
        except NoAnswerError:
            return None, "account.away"

    def _is_our_form(self, request: Request, form: Mapping[str, str]) -> bool:
        browser = request.cookies.get(FORM_COOKIE, "")
        expected = self._office.door.form_of(browser)
        return bool(browser) and secrets.compare_digest(expected.encode(), form.get("form", "").encode())

    def _page(
        self,
        request: Request,
        *,
        link: bool = False,
        problem: Problem = "",
        name: str = "",
        wanted: str = "",
        token: str = "",
    ) -> Response:
        language = _language(request)
        other: Language = "en" if language == "zh" else "zh"
        browser = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(16)
        where = "link" if link else "sign-in"
        html = render(
            "sign_in",
            language,
            mark=MARK,
            link=link,
            token=token,
            form=self._office.door.form_of(browser),
            problem=word(problem, language, count=CHARACTERS_MIN) if problem else "",
            account=name,
            next=_own(wanted),
            switch_to=address(where, other) + ("?lang=en" if other == "en" else ""),
            password_letters=CHARACTERS_MIN,
            research=self._office.feed.is_research,
        )
        answer = HTMLResponse(html, 400 if problem else 200)
        answer.set_cookie(
            FORM_COOKIE, browser, path="/", httponly=True, samesite="strict", secure=self._office.door.secure
        )
        return answer

    def _let_in(self, token: str, target: str) -> Response:
        answer = RedirectResponse(target, 303)
        # Lax, so that a link in a letter or a QR code opens the page; what is written brings its form's own word.
        answer.set_cookie(COOKIE, token, path="/", httponly=True, samesite="lax", secure=self._office.door.secure)
        answer.delete_cookie(FORM_COOKIE, path="/", httponly=True, samesite="strict")
        return answer


def _language(request: Request) -> Language:
    if request.query_params.get("lang") == "en":
        return "en"
    return language_of(request.url.path, request.headers)


def _own(wanted: str) -> str:
    """The address, where it is one of this hub's; "" for any other: nobody is led away from here."""
    plain = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted and wanted.isprintable()
    return wanted if plain else ""


async def read_form(request: Request) -> dict[str, str]:
    """The first value of each field; {} for what is no form of ours."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            return {}
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
