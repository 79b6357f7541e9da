"""A person's slip: to show, or to print and take along. In the person's language, which may not be the reviewer's."""

from __future__ import annotations

import secrets

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from edge import pseudonym
from edge.errors import UsageError
from edge.words import Language
from hub import queries_slip, queries_visits, sessions
from hub.accounts import may
from hub.dashboard.mark import MARK
from hub.dashboard.office import Office
from hub.dashboard.reading import NoAnswerError
from hub.dashboard.sign_in import read_form
from hub.dashboard.templating import CHINESE, address, listed, render
from hub.desk import cards, feedback
from hub.queries_quality import QUESTIONS, ROLES
from hub.queries_slip import Slip

CODE_MM = 28.0


class SlipPages:
    """Plain pages: they print as they are seen."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def add_to(self, app: Starlette) -> None:
        for prefix in ("", CHINESE):
            app.add_route(f"{prefix}/slip", self._search, methods=["GET"])
            app.add_route(f"{prefix}/slip/{{device}}/{{encounter}}", self._slip, methods=["GET", "POST"])

    async def _search(self, request: Request) -> Response:
        """By the pseudonym on a participant's card."""
        language = _language(request)
        if not may(request.state.session.role, "reviewer"):
            return RedirectResponse(address("", language))
        asked = request.query_params.get("participant", "").strip().upper()
        is_one = pseudonym.is_valid(asked)
        try:
            visits = (
                await self._office.read("slip", lambda rows: queries_visits.visits_of(rows, asked)) if is_one else ()
            )
        except NoAnswerError:
            return HTMLResponse(render("away", language), 503)
        frame = self._frame("slip", language)
        return HTMLResponse(render("slip_search", language, asked=asked, is_one=is_one, visits=visits, **frame))

    async def _slip(self, request: Request) -> Response:
        language = _language(request)
        if not may(request.state.session.role, "reviewer"):
            return RedirectResponse(address("", language))
        device, encounter_id = request.path_params["device"], request.path_params["encounter"]
        try:
            slip = await self._office.read("slip", lambda rows: queries_slip.slip(rows, device, encounter_id))
            if slip is None:
                where = f"slip/{device}/{encounter_id}"
                return HTMLResponse(render("slip_none", language, **self._frame(where, language)), 404)
            if request.method == "POST":
                return await self._feedback(request, slip)
        except NoAnswerError:
            return HTMLResponse(render("away", language), 503)
        return self._shown(request, slip, language)

    async def _feedback(self, request: Request, slip: Slip) -> Response:
        """One tap of whoever holds the slip: of nobody in particular, and of no encounter."""
        form = await read_form(request)
        if not sessions.csrf_fits(request.state.session, form.get("form", "")):
            return PlainTextResponse("expected the form of this hub's own page; go back and try again", 403)
        question, _, value = form.get("tap", "").partition(":")
        number, role, tapped = int(value) if value in set("12345") else 0, form.get("role", ""), form.get("tapped", "")
        now = self._office.now()
        try:
            await self._office.write(
                "feedback",
                lambda rows: feedback.give(rows, tapped[:36], slip.site, role, question, number, now),
            )
        except UsageError as error:
            return PlainTextResponse(str(error), 400)
        return RedirectResponse(f"{request.url.path}?tapped={tapped[:36]}&role={role}&thanks=1#feedback", 303)

    def _shown(self, request: Request, slip: Slip, language: Language) -> Response:
        where = f"slip/{slip.device}/{slip.encounter_id}"
        role = request.query_params.get("role", "")
        html = render(
            "slip",
            language,
            slip=slip,
            code=cards.picture(f"{self._office.settings.pages.origin}/{where}", CODE_MM),
            covers=self._covers(slip, language),
            form=request.state.session.csrf,
            tapped=request.query_params.get("tapped", "")[:36] or secrets.token_hex(16),
            role=role if role in ROLES else ROLES[0],
            thanks="thanks" in request.query_params,
            roles=ROLES,
            questions=QUESTIONS,
            **self._frame(where, language),
        )
        return HTMLResponse(html)

    def _frame(self, where: str, language: Language) -> dict[str, object]:
        other: Language = "en" if language == "zh" else "zh"
        return {"mark": MARK, "switch_to": address(where, other), "research": self._office.feed.is_research}

    def _covers(self, slip: Slip, language: Language) -> str:
        """What the models that looked cover together; "" where this hub has no card of one of them."""
        labels: list[str] = []
        shipped = self._office.feed.coverage
        for model in slip.models:
            known = model.labels
            if known is None and shipped is not None and shipped.model == model.text:
                known = shipped.labels
            if known is None:
                return ""
            labels += [label for label in known if label not in labels]
        return listed(tuple(labels), language)


def _language(request: Request) -> Language:
    """By the address alone: the slip is the person's, the browser the reviewer's."""
    return "zh" if request.url.path.startswith(f"{CHINESE}/") else "en"
