"""The thread of `hub ingest` that does the work of the day once a day, beside the taking of events."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import sqlalchemy as sa

from edge.clock import Clock
from edge.errors import DermedgeError
from hub import database, settings
from hub.desk import daily

LOOK_EVERY_S = 60.0
AGAIN_AFTER_S = 3600.0
"""After a failure; what it is stands in the log."""

_log = logging.getLogger(__name__)


class Rounds:
    """`start`, then `stop`."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory, self._clock = directory, clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hub-daily", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when what is in hand is done."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            try:
                self.look()
                wait_s = LOOK_EVERY_S
            except (DermedgeError, sa.exc.SQLAlchemyError) as error:
                _log.warning("the work of the day was not done: %s", database.in_short(error))
                wait_s = AGAIN_AFTER_S

    def look(self) -> None:
        """Do what is due."""
        engine = database.open_database(self._directory)
        try:
            now = self._clock.now()
            if daily.is_due(engine, now):
                counts = daily.run(engine, self._directory, settings.load(self._directory), now, self._stopping.is_set)
                done = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
                _log.info("the work of the day is done: %s", done or "nothing to do")
        finally:
            engine.dispose()
