"""A new hub in the test's folder, its ingest on a real mosquitto, and devices that send to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from edge.clock import SystemClock
from edge.config import Broker
from edge.publish.mqtt import MqttPublisher
from hub import database, schema
from hub.ingest import Ingest
from tests.broker import Mosquitto
from tests.hub.sender import Sender, make_hub, wait_for
from tests.postgres import Postgres

MakeSender = Callable[..., Sender]


SQLITE_ONLY = pytest.mark.parametrize("hub", ["sqlite"], indirect=True)
"""For a test about the file itself."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of a hub runs on both databases; but a browser's, which takes long and sees no difference, on one."""
    said = any("hub" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "hub" in metafunc.fixturenames and not said:
        databases = ["sqlite"] if {"browser", "address"} & set(metafunc.fixturenames) else ["sqlite", "postgresql"]
        metafunc.parametrize("hub", databases, indirect=True)


@pytest.fixture
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A new hub, on each of the two databases in turn."""
    if request.param == "sqlite":
        yield make_hub(tmp_path / "hub")
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.new_database(with_tables=True)
    yield make_hub(tmp_path / "hub", url)
    postgres.drop(url)


@dataclass(frozen=True)
class Reader:
    """Looks into the hub's database from outside."""

    engine: sa.Engine

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def event(self, event_id: str) -> dict[str, Any]:
        """The one row of this event; its absence or a second one is a failure."""
        (row,) = [row for row in self.rows(schema.events) if row["event_id"] == event_id]
        return row


@pytest.fixture
def reader(hub: Path) -> Iterator[Reader]:
    engine = database.open_database(hub, read_only=True)
    yield Reader(engine)
    engine.dispose()


@pytest.fixture
def ingest(hub: Path, mosquitto: Mosquitto) -> Iterator[Ingest]:
    running = Ingest(hub, publisher(mosquitto), SystemClock())
    running.start()
    yield running
    running.stop()


@pytest.fixture
def make_sender(hub: Path, tmp_path: Path, mosquitto: Mosquitto) -> Iterator[MakeSender]:
    """A device that is provisioned and connected, and registered unless told otherwise; the hub is there."""
    with ExitStack() as stack:

        def make(device: str = "cam-1", site: str = "village-3", *, registered: bool = True) -> Sender:
            sender = Sender(tmp_path / device, hub, site, device)
            if registered:
                sender.register()
            sender.connect(publisher(mosquitto))
            stack.callback(sender.disconnect)
            return sender

        yield make


@pytest.fixture
def sender(make_sender: MakeSender, ingest: Ingest) -> Sender:
    """A registered device, with the hub listening."""
    made = make_sender()
    wait_for(lambda: made.presences and made.presences[-1], "the hub's presence")
    return made


def publisher(broker: Mosquitto) -> MqttPublisher:
    return MqttPublisher(Broker(host="127.0.0.1", port=broker.port))
