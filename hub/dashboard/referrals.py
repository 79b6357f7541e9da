"""The referrals' page: where each stands, how it came there, whether its device has heard, and the next reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import sqlalchemy as sa
from nicegui import ui

from edge.events import ReferralStep
from hub import queries_referrals as queries
from hub.dashboard.office import Office, Visit
from hub.dashboard.shell import Shell, fill
from hub.desk import referring
from hub.desk.referring import NotNow, Replied
from hub.queries_referrals import ReferralDetail, ReferralPage, ReferralPlace, ReferralRow

Key = tuple[str, str]
"""Device and referral."""
STEPS: tuple[ReferralStep, ...] = ("requested", "accepted", "seen", "returned", "down_referral", "declined", "expired")


@dataclass(frozen=True)
class Reading:
    """All that the page shows, of one moment."""

    page: ReferralPage
    counts: Mapping[ReferralStep, int]
    chosen: ReferralDetail | None


class ReferralsPage(Shell[Reading]):
    """By step, longest waiting first."""

    name: ClassVar[str] = "referrals"
    needs: ClassVar = "reviewer"
    refresh_s: ClassVar[float] = 5.0

    def __init__(self, office: Office, visit: Visit, query: Mapping[str, str]) -> None:
        super().__init__(office, visit, query)
        self._step = _step(query.get("step", ""))
        self._after: ReferralPlace | None = None
        self._key: Key | None = (query["device"], query["referral"]) if {"device", "referral"} <= query.keys() else None
        self._next: ReferralPlace | None = None
        self._forms = 0

    def lay_out(self) -> None:
        self._tabs = ui.html("", sanitize=False)
        with ui.element("div").classes("desk"):
            with ui.element("section").classes("card queue-card"):
                self._queue = ui.html("", sanitize=False)
            with ui.element("section").classes("card"):
                self._detail = ui.html("", sanitize=False)
                self._reply = ui.html("", sanitize=False)

    def read(self, connection: sa.Connection) -> Reading:
        page = queries.page(connection, self._step, after=self._after)
        if self._key is None and page.rows:
            self._key = _key(page.rows[0])
        chosen = queries.detail(connection, *self._key) if self._key is not None else None
        return Reading(page, queries.counts(connection), chosen)

    def show(self, reading: Reading) -> None:
        now = self.office.now()
        self._next = reading.page.next
        fill(self._tabs, self.render("referrals_tabs", counts=reading.counts, steps=STEPS, here=self._step))
        rows = [(row, _key(row) == self._key) for row in reading.page.rows]
        fill(self._queue, self.render("referrals_queue", rows=rows, page=reading.page, later=self._after, now=now))
        fill(self._detail, self.render("referrals_detail", detail=reading.chosen, now=now))
        fill(self._reply, self.render("referrals_reply", detail=reading.chosen, number_of_form=self._forms))

    async def act(self, act: str, said: dict[str, str]) -> None:
        match act:
            case "step":
                self._step, self._after, self._key = _step(said.get("step", "")), None, None
                self.keep_address(step=self._step)
                await self.refresh()
            case "choose":
                self._key = (said.get("device", ""), said.get("referral", ""))
                await self.refresh()
            case "next" | "first":
                self._after, self._key = self._next if act == "next" else None, None
                await self.refresh()
            case "reply":
                await self._send(said)

    async def _send(self, said: Mapping[str, str]) -> None:
        key = (said.get("device", ""), said.get("referral", ""))
        step = cast("ReferralStep", said.get("step", ""))
        if step not in STEPS or step in {"requested", "expired"}:
            return
        account, now = self.visit.account, self.office.now()
        words = {name: said.get(name, "").strip() for name in ("place", "note")}
        outcome = await self.write(lambda connection: referring.reply(connection, *key, step, account, now, **words))
        match outcome:
            case Replied():
                self.tell(self.word("referrals.done"))
                self._forms += 1
            case NotNow():
                self.tell(self.word("impossible.not_now"), bad=True)
        await self.refresh()


def _key(row: ReferralRow) -> Key:
    return row.device, row.referral_id


def _step(said: str) -> ReferralStep:
    return next((step for step in STEPS if step == said), "requested")
