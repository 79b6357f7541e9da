"""`dermedge hub boards run`: /metrics and retained summaries until told to end. Reads the database, writes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from edge.clock import Clock
from edge.publish.base import Publisher
from hub import database, settings
from hub.boards.broadcast import Broadcast
from hub.boards.endpoint import Endpoint
from hub.boards.metrics import registry
from hub.boards.reading import Readings

TELL_EVERY_S = 5.0


def run(
    directory: Path,
    publisher: Publisher,
    clock: Clock,
    until: threading.Event,
    *,
    host: str,
    port: int,
    token: str | None,
    ready: Callable[[int], None],
) -> None:
    """Until `until` is set. ready: told the port, when it is served.

    Raises ConfigError where there is no hub in the folder, its settings do not read, or the port cannot be had.
    """
    wanted = settings.load(directory)
    engine = database.open_database(directory, read_only=True)
    readings = Readings(engine, clock, wanted.counts.suppress_under)
    broadcast = Broadcast(publisher, clock, home_assistant=wanted.boards.home_assistant)
    endpoint = Endpoint(registry(readings), host, port, token)
    endpoint.start()
    try:
        broadcast.start()
        ready(endpoint.port)
        while not until.is_set():
            broadcast.tell(readings.newest())
            until.wait(TELL_EVERY_S)
    finally:
        endpoint.stop()
        broadcast.stop()
        engine.dispose()
