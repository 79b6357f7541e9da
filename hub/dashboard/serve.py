"""`hub serve`: the pages on 127.0.0.1. Never reads a private key; asks nobody else for anything."""

from __future__ import annotations

import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nicegui import app, ui
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.clock import Clock
from edge.errors import ConfigError
from edge.words import LANGUAGES, Language
from hub import database, settings
from hub.dashboard.card_sheets import CardSheets
from hub.dashboard.cohorts import CohortsPage
from hub.dashboard.feed import Feed
from hub.dashboard.follow_ups import FollowUpsPage
from hub.dashboard.live import LivePage
from hub.dashboard.mark import FAVICON
from hub.dashboard.models import ModelsPage
from hub.dashboard.office import Door, Office, Visit
from hub.dashboard.origin import Headers, SameOrigin
from hub.dashboard.quality import QualityPage
from hub.dashboard.reading import ReadingRoom, limit
from hub.dashboard.referrals import ReferralsPage
from hub.dashboard.shell import STYLE, Shell
from hub.dashboard.sign_in import SignIn
from hub.dashboard.signed_in import SignedIn, language_of
from hub.dashboard.slip import SlipPages
from hub.dashboard.templating import address
from hub.dashboard.worklist import WorklistPage
from hub.sessions import Session
from hub.words import word

HOST = "127.0.0.1"
PAGES: tuple[type[Shell[Any]], ...] = (
    LivePage,
    WorklistPage,
    ReferralsPage,
    FollowUpsPage,
    CohortsPage,
    QualityPage,
    ModelsPage,
)


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


def serve(directory: Path, port: int, clock: Clock, *, show: bool) -> None:
    """Returns when the process is told to end. Raises ConfigError."""
    known = settings.load(directory)
    reads, writes = database.open_database(directory, read_only=True), database.open_database(directory)
    room, desk = ReadingRoom(limit(reads)), ReadingRoom(limit(writes))
    with closing(room), closing(desk):
        office = Office(known, clock, Feed(room, clock), room, desk, Door(room, desk, known, clock))
        for page in PAGES:
            _offer(page, office)
        SignIn(office).add_to(app)
        app.add_route("/style.css", _style, methods=["GET"])
        SlipPages(office).add_to(app)
        CardSheets(office).add_to(app)
        app.on_page_exception(_failed)
        _guard(office)
        _run(port, show=show)
    reads.dispose()
    writes.dispose()


def _offer(page: type[Shell[Any]], office: Office) -> None:
    """Under an address of its own for each language: so the browser is told it, and the framework speaks it too."""

    def opened(request: Request, language: Language) -> Shell[Any] | Response:
        session: Session = request.state.session
        if page.name == "" and language == "en" and _prefers_chinese(request):
            return RedirectResponse(address("", "zh"))
        visit = Visit(request.state.token, session.account, session.role, session.csrf, language)
        if not visit.may(page.needs):
            return RedirectResponse(address("", language))
        return page(office, visit, dict(request.query_params))

    async def build(request: Request, language: Language) -> Response | None:
        made = opened(request, language)
        if isinstance(made, Response):
            return made
        await made.build()
        return None

    def offer(language: Language) -> None:
        async def asked(request: Request) -> Response | None:
            return await build(request, language)

        title = f"{word('nav.' + (page.name or 'live'), language)} · {word('page.title', language)}"
        where = address(page.name, language)
        ui.page(where, title=title, language="zh-CN" if language == "zh" else "en-US", response_timeout=10.0)(asked)

    offer("en")
    offer("zh")


def _failed() -> None:
    """What stands where a page could not be built; its own words go to the log, and the other pages go on."""
    for language in LANGUAGES:
        ui.label(word("page.failed", language))


async def _style(request: Request) -> Response:  # noqa: ARG001
    return Response(STYLE, media_type="text/css")


def _prefers_chinese(request: Request) -> bool:
    return request.query_params.get("lang") != "en" and language_of("/", request.headers) == "zh"


def _guard(office: Office) -> None:
    """The last one added is asked first."""
    origin = office.settings.pages.origin
    app.add_middleware(SignedIn, door=office.door)
    # Another site's name that resolves to this machine must not get the page (DNS rebinding).
    hosts = [HOST, "localhost", urlsplit(origin).hostname or HOST]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.add_middleware(SameOrigin, origin=origin)
    app.add_middleware(Headers)


def _run(port: int, *, show: bool) -> None:
    # The server ends on these by itself, then gives them back to whoever had them: to us, who have nothing left to do.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    ui.run(
        host=HOST,
        port=port,
        title=word("page.title", "en"),
        favicon=FAVICON,
        dark=False,
        show=show,
        reload=False,
        tailwind=False,
        show_welcome_message=False,
    )
