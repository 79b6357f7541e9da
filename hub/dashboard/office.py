"""What all pages of this hub share, and who has opened one."""

from __future__ import annotations

import contextlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

import sqlalchemy as sa

from edge.clock import Clock
from edge.words import Language
from hub import sessions
from hub.accounts import Role, may
from hub.dashboard.feed import Feed
from hub.dashboard.reading import NoAnswerError, ReadingRoom
from hub.sessions import Session
from hub.settings import Settings

T = TypeVar("T")

COOKIE = "dermedge_session"
FORM_COOKIE = "dermedge_form"
"""Of a browser that has not signed in: its sign-in form is good for this browser only."""


@dataclass(frozen=True)
class Visit:
    """A page that somebody who is signed in has opened. form: what its plain forms bring back."""

    token: str = field(repr=False)
    account: str
    role: Role
    form: str = field(repr=False)
    language: Language

    def may(self, needed: Role) -> bool:
        """Whether the visitor may do what that role may."""
        return may(self.role, needed)


class Door:
    """Asks the hub's sessions, in threads; knows nobody by itself."""

    def __init__(self, room: ReadingRoom, desk: ReadingRoom, settings: Settings, clock: Clock) -> None:
        self._room, self._desk = room, desk
        self._limits = settings.sessions
        self._clock = clock
        self._secret = os.urandom(32)
        self.secure = settings.pages.secure_cookie

    async def find(self, token: str, *, used: bool) -> Session | None:
        """used: a person did something; looking on alone keeps no session. Raises NoAnswerError."""
        if not token:
            return None
        now = self._clock.now()
        session = await self._room.ask("sessions", lambda engine: sessions.find(engine, token, self._limits, now))
        if session is not None and used:
            # A database that cannot be written to keeps nobody from reading.
            with contextlib.suppress(NoAnswerError):
                await self.ask(lambda engine: sessions.note_seen(engine, token, session, now))
        return session

    async def ask(self, question: Callable[[sa.Engine], T]) -> T:
        """What writes: signing in and out. Raises NoAnswerError, and the question's own."""
        return await self._desk.ask("sessions", question)

    async def still_open(self, visit: Visit, *, used: bool = False) -> bool:
        """Whether the visitor is still signed in, in the same role. Without an answer: yes, but nothing new is read."""
        try:
            session = await self.find(visit.token, used=used)
        except NoAnswerError:
            return not used
        return session is not None and session.role == visit.role

    def form_of(self, browser: str) -> str:
        """What the sign-in form given to this browser brings back; without a session there is no other secret."""
        return hmac.new(self._secret, browser.encode(), sha256).hexdigest()


@dataclass(frozen=True)
class Office:
    """room: where pages read. desk: where people's writing is done, one engine that may."""

    settings: Settings
    clock: Clock
    feed: Feed
    room: ReadingRoom
    desk: ReadingRoom
    door: Door

    def now(self) -> datetime:
        return self.clock.now()

    async def read(self, kind: str, query: Callable[[sa.Connection], T]) -> T:
        """One transaction that only reads. Raises NoAnswerError."""

        def ask(engine: sa.Engine) -> T:
            with engine.connect() as connection:
                return query(connection)

        return await self.room.ask(kind, ask)

    async def write(self, kind: str, command: Callable[[sa.Connection], T]) -> T:
        """One transaction, whole or not at all. Raises NoAnswerError and what the command raises."""

        def do(engine: sa.Engine) -> T:
            with engine.begin() as connection:
                return command(connection)

        return await self.desk.ask(kind, do)
