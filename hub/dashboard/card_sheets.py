"""Participants' cards of one village or class, ten to a sheet of A4, ready to print."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from edge.words import Language
from hub import queries_rosters
from hub.accounts import may
from hub.dashboard.office import Office
from hub.dashboard.reading import NoAnswerError
from hub.dashboard.templating import CHINESE, address, render
from hub.desk import cards

CARDS_MAX = 500
"""Of one village or class; `dermedge hub cards` makes more."""


class CardSheets:
    """Plain pages: the pseudonym as text and as a code, and nothing of its owner."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def add_to(self, app: Starlette) -> None:
        for prefix in ("", CHINESE):
            app.add_route(f"{prefix}/cards", self._sheets, methods=["GET"])

    async def _sheets(self, request: Request) -> Response:
        language: Language = "zh" if request.url.path.startswith(f"{CHINESE}/") else "en"
        if not may(request.state.session.role, "reviewer"):
            return RedirectResponse(address("", language))
        asked = request.query_params
        cohort, unit, said = asked.get("cohort", ""), asked.get("unit", ""), asked.get("wave", "")
        wave = int(said) if said.isdecimal() and len(said) < 5 else 0
        try:
            names = await self._office.read(
                "cards", lambda rows: queries_rosters.participants(rows, cohort, wave, unit, CARDS_MAX)
            )
        except NoAnswerError:
            return HTMLResponse(render("away", language), 503)
        sheets = cards.sheets(names, f"{cohort} · {unit}")
        html = render("cards", language, cohort=cohort, wave=wave, unit=unit, count=len(names), sheets=sheets)
        return HTMLResponse(html)
