"""A person's slip: to show, or to print and take along. In the person's language, which may not be the reviewer's."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from edge import pseudonym
from edge.words import Language
from hub import queries_slip as queries
from hub.accounts import may
from hub.dashboard.mark import MARK
from hub.dashboard.office import Office
from hub.dashboard.qr import drawn
from hub.dashboard.reading import NoAnswerError
from hub.dashboard.templating import CHINESE, address, listed, render
from hub.queries_slip import Slip


class SlipPages:
    """Plain pages: they print as they are seen."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def add_to(self, app: Starlette) -> None:
        for prefix in ("", CHINESE):
            app.add_route(f"{prefix}/slip", self._search, methods=["GET"])
            app.add_route(f"{prefix}/slip/{{device}}/{{encounter}}", self._slip, methods=["GET"])

    async def _search(self, request: Request) -> Response:
        """By the pseudonym on a participant's card."""
        language = _language(request)
        if not may(request.state.session.role, "reviewer"):
            return RedirectResponse(address("", language))
        asked = request.query_params.get("participant", "").strip().upper()
        is_one = pseudonym.is_valid(asked)
        try:
            visits = await self._office.read("slip", lambda rows: queries.visits_of(rows, asked)) if is_one else ()
        except NoAnswerError:
            return HTMLResponse(render("away", language), 503)
        html = render(
            "slip_search", language, asked=asked, is_one=is_one, visits=visits, **self._frame("slip", language)
        )
        return HTMLResponse(html)

    async def _slip(self, request: Request) -> Response:
        language = _language(request)
        if not may(request.state.session.role, "reviewer"):
            return RedirectResponse(address("", language))
        device, encounter_id = request.path_params["device"], request.path_params["encounter"]
        try:
            slip = await self._office.read("slip", lambda rows: queries.slip(rows, device, encounter_id))
        except NoAnswerError:
            return HTMLResponse(render("away", language), 503)
        where = f"slip/{device}/{encounter_id}"
        frame = self._frame(where, language)
        if slip is None:
            return HTMLResponse(render("slip_none", language, **frame), 404)
        code = drawn(f"{self._office.settings.pages.origin}/{where}")
        html = render("slip", language, slip=slip, code=code, covers=self._covers(slip, language), **frame)
        return HTMLResponse(html)

    def _frame(self, where: str, language: Language) -> dict[str, object]:
        other: Language = "en" if language == "zh" else "zh"
        research = self._office.feed.is_research
        return {"mark": MARK, "switch_to": address(where, other), "research": research}

    def _covers(self, slip: Slip, language: Language) -> str:
        """What the model that looked covers; "" where this hub has no card of it."""
        coverage = self._office.feed.coverage
        used = set(slip.models) or ({slip.device_model} if slip.device_model else set())
        return listed(coverage.labels, language) if coverage is not None and used == {coverage.model} else ""


def _language(request: Request) -> Language:
    """By the address alone: the slip is the person's, the browser the reviewer's."""
    return "zh" if request.url.path.startswith(f"{CHINESE}/") else "en"
