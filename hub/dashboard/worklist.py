"""The worklist's page: what waits on the left, one person on the right, and every answer by mouse or by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import sqlalchemy as sa
from nicegui import ui

from edge.wire import Tier
from hub import queries_worklist as queries
from hub.dashboard.answering import LABEL_KEYS, TIERS, Answer
from hub.dashboard.office import Office, Visit
from hub.dashboard.picturing import Shown, pictures_of
from hub.dashboard.shell import Shell, fill
from hub.desk import deciding
from hub.desk.deciding import Action, Decided, Decision, Impossible, Meanwhile
from hub.queries_worklist import STATES, Detail, Filter, Item, Page, Place, State

Key = tuple[str, str]
"""Device and encounter: the two together name an item."""
KEYS = "j k ArrowDown ArrowUp a r f p c u t Enter 0 1 2 3 4 5 6 7"
ACTIONS = frozenset({"accept", "reject", "another_picture", "answer", "cannot_tell"})
"""Those that need no more than a press."""
DECISIONS: Mapping[str, Action] = {"a": "accept", "r": "reject", "p": "another_picture", "c": "cannot_tell"}


@dataclass(frozen=True)
class Reading:
    """All that the page shows, of one moment."""

    page: Page
    counts: queries.Counts
    choices: Mapping[str, Sequence[str]]
    chosen: Detail | None
    pictures: Sequence[Shown]


class WorklistPage(Shell[Reading]):
    """Of one reviewer: what is filtered, which page, which item, and what of the answer is chosen so far."""

    name: ClassVar[str] = "worklist"
    needs: ClassVar = "reviewer"
    refresh_s: ClassVar[float] = 5.0

    def __init__(self, office: Office, visit: Visit, query: Mapping[str, str]) -> None:
        super().__init__(office, visit, query)
        self._filter = _filter(query)
        self._after: Place | None = None
        self._key: Key | None = None
        self._answer = Answer()
        self._last: tuple[Key, int] | None = None
        self._reading_shown: Reading | None = None
        self._forms = 0

    def lay_out(self) -> None:
        self._title = ui.html("", sanitize=False)
        self._filters = ui.html("", sanitize=False)
        with ui.element("div").classes("desk"):
            with ui.element("section").classes("card queue-card"):
                self._queue = ui.html("", sanitize=False)
            with ui.element("section").classes("card item-card"), ui.element("div").classes("item"):
                self._item = ui.html("", sanitize=False).classes("pictures")
                with ui.element("div"):
                    self._panel = ui.html("", sanitize=False)
                    self._refer = ui.html(self.render("refer", number_of_form=0), sanitize=False)
                    self._facts = ui.html("", sanitize=False)
        ui.html(self.render("help"), sanitize=False)
        self._refer.set_visibility(False)

    # ---- reading

    def read(self, connection: sa.Connection) -> Reading:
        page = queries.page(connection, self._filter, self._after)
        if self._key is None and page.items:
            self._key = _key(page.items[0])
        chosen = queries.detail(connection, *self._key) if self._key is not None else None
        return Reading(
            page=page,
            counts=queries.counts(connection, self._filter.site),
            choices=queries.choices(connection),
            chosen=chosen,
            pictures=pictures_of(connection, chosen) if chosen is not None else (),
        )

    def show(self, reading: Reading) -> None:
        self._reading_shown = reading
        now = self.office.now()
        fill(self._title, self.render("worklist_title", counts=reading.counts, keys=KEYS))
        fill(
            self._filters, self.render("worklist_filters", chosen=self._filter, choices=reading.choices, states=STATES)
        )
        rows = [(item, _key(item) == self._key) for item in reading.page.items]
        fill(self._queue, self.render("worklist_queue", rows=rows, page=reading.page, now=now, later=self._after))
        detail = reading.chosen
        fill(self._item, self.render("worklist_item", detail=detail, pictures=reading.pictures, now=now))
        fill(self._facts, self.render("worklist_facts", detail=detail, now=now))
        self._show_panel()

    def _show_panel(self) -> None:
        detail = self._reading_shown.chosen if self._reading_shown is not None else None
        html = self.render("worklist_panel", detail=detail, answer=self._answer, labels=LABEL_KEYS, tiers=TIERS)
        fill(self._panel, html)
        if detail is None or "refer" not in detail.item.possible:
            self._refer.set_visibility(False)

    # ---- what a reviewer does

    async def act(self, act: str, said: dict[str, str]) -> None:
        if act in ACTIONS:
            await self._decide(cast("Action", act))
            return
        match act:
            case "key":
                await self._key_pressed(said.get("key", ""))
            case "filter":
                await self._choose_filter(said)
            case "choose":
                await self._choose((said.get("device", ""), said.get("encounter", "")))
            case "next" | "first":
                await self._turn(forward=act == "next")
            case "label" | "tier":
                self._answer = self._answer.with_(act, said.get(act, ""))
                self._show_panel()
            case "refer":
                self._ask_where()
            case "send_referral":
                await self._send_referral(said)
            case "undo":
                await self._undo()

    async def _key_pressed(self, key: str) -> None:
        if key in {"j", "ArrowDown", "k", "ArrowUp"}:
            await self._step(1 if key in {"j", "ArrowDown"} else -1)
        elif key in LABEL_KEYS:
            self._answer = self._answer.with_("label", LABEL_KEYS[key])
            self._show_panel()
        elif key == "t":
            self._answer = self._answer.with_next_tier()
            self._show_panel()
        elif key == "f":
            self._ask_where()
        elif key == "u":
            await self._undo()
        elif key == "Escape":
            self._refer.set_visibility(False)
        elif key == "Enter" and self._is_blind():
            await self._decide("answer")
        elif key in DECISIONS:
            await self._decide("answer" if key == "a" and self._is_blind() else DECISIONS[key])

    async def _choose_filter(self, said: Mapping[str, str]) -> None:
        self._filter = _filter(said)
        self._after = self._key = None
        self._forget_answer()
        self.keep_address(**{name: value for name, value in vars(self._filter).items() if value != "open"})
        await self.refresh()

    async def _choose(self, key: Key) -> None:
        self._key = key
        self._forget_answer()
        await self.refresh()
        ui.run_javascript("dermedgeShow('.queue [aria-selected=true]')")

    async def _step(self, by: int) -> None:
        keys = self._keys()
        if not keys:
            return
        at = keys.index(self._key) + by if self._key in keys else 0
        await self._choose(keys[min(max(at, 0), len(keys) - 1)])

    async def _turn(self, *, forward: bool) -> None:
        if self._reading_shown is not None:
            self._after = self._reading_shown.page.next if forward else None
            self._key = None
            self._forget_answer()
            await self.refresh()

    def _ask_where(self) -> None:
        if self._possible("refer"):
            self._refer.set_visibility(True)
            ui.run_javascript("setTimeout(() => dermedgeFocus('form.refer [name=place]'), 50)")

    async def _send_referral(self, said: Mapping[str, str]) -> None:
        place, note = said.get("place", "").strip(), said.get("note", "").strip()
        if not place:
            self.tell(self.word("refer.needs_place"), bad=True)
            return
        await self._decide("refer", place=place, note=note)

    async def _decide(self, action: Action, **said: str) -> None:
        detail = self._reading_shown.chosen if self._reading_shown is not None else None
        if detail is None or not self._possible(action):
            return
        if action == "answer" and not self._answer.label:
            self.tell(self.word("answer.needs_label"), bad=True)
            return
        finding = detail.findings[0].finding_id if detail.findings and action in {"refer", "another_picture"} else None
        decision = Decision(
            action,
            self._answer.label or None,
            cast("Tier | None", self._answer.tier or None),
            finding_id=finding,
            **said,
        )
        await self._send(_key(detail.item), detail.item.version, decision)

    async def _undo(self) -> None:
        """Of what this page decided last; else of the chosen item."""
        detail = self._reading_shown.chosen if self._reading_shown is not None else None
        if self._last is not None:
            (key, version), self._last = self._last, None
        elif detail is not None and "undo" in detail.item.possible:
            key, version = _key(detail.item), detail.item.version
        else:
            self.tell(self.word("decide.nothing_to_undo"), bad=True)
            return
        self._key = key
        await self._send(key, version, Decision("undo"))

    async def _send(self, key: Key, version: int, decision: Decision) -> None:
        account, now, following = self.visit.account, self.office.now(), self._following(key)
        outcome = await self.write(
            lambda connection: deciding.decide(connection, *key, version, decision, account, now)
        )
        match outcome:
            case Decided(state=state):
                self.tell(self.word("decide.done", action=self.word(f"decide.{decision.action}")))
                self._last = None if decision.action == "undo" else (key, outcome.version)
                if state != "open":  # one that still waits, or waits again, is not left
                    self._key = following
                self._forget_answer()
            case Meanwhile():
                by = outcome.by or self.word("item.nobody")
                self.tell(self.word("decide.meanwhile", account=by), bad=True)
            case Impossible():
                self.tell(self.word(f"impossible.{outcome.reason}"), bad=True)
        await self.refresh()

    def _following(self, key: Key) -> Key | None:
        """The one that comes to stand where this one stood."""
        keys = self._keys()
        if key not in keys:
            return None
        at = keys.index(key)
        rest = keys[at + 1 :] or keys[:at][-1:]
        return rest[0] if rest else None

    def _keys(self) -> list[Key]:
        return [_key(item) for item in self._reading_shown.page.items] if self._reading_shown is not None else []

    def _possible(self, action: Action) -> bool:
        detail = self._reading_shown.chosen if self._reading_shown is not None else None
        return detail is not None and action in detail.item.possible

    def _is_blind(self) -> bool:
        return self._possible("answer")

    def _forget_answer(self) -> None:
        self._answer = Answer()
        self._refer.set_visibility(False)
        self._forms += 1  # a new form: what was typed is not sent with the next person
        fill(self._refer, self.render("refer", number_of_form=self._forms))


def _key(item: Item) -> Key:
    return item.device, item.encounter_id


def _filter(said: Mapping[str, str]) -> Filter:
    """What is no filter is none."""
    state: State = next((known for known in STATES if known == said.get("state")), "open")
    return Filter(state, *(said.get(name, "")[:40] for name in ("site", "cohort", "label", "tier")))
