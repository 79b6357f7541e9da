"""Pages without a script: what is printed, and the style that they share with the others."""

from __future__ import annotations

from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from hub.dashboard.office import Office

STYLE = files("hub.dashboard").joinpath("static/style.css").read_text(encoding="utf-8")


class PlainPages:
    """Answered by the hub alone, ready to print."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def add_to(self, app: Starlette) -> None:
        app.add_route("/style.css", self._style, methods=["GET"])

    async def _style(self, request: Request) -> Response:  # noqa: ARG002
        return Response(STYLE, media_type="text/css")
