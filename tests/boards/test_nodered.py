"""The flow in a real Node-RED, on a real broker, fed by what devices and hub send."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.processes import end, free_port
from edge import wire
from hub.boards import files
from tests.boards.conftest import Listener, program
from tests.broker import Mosquitto
from tests.golden import messages
from tests.patience import wait_until

pytestmark = pytest.mark.heavy_boards
NODE_RED = Path(sys.prefix) / "node_modules" / "node-red" / "red.js"
SETTINGS = """\
module.exports = {
    flowFile: "flow.json", uiHost: "127.0.0.1", httpAdminRoot: false, telemetry: { enabled: false },
    logging: { console: { level: "info" } },
};
"""


@pytest.fixture
def node_red(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[str]:
    """Its address, once the flow has connected to the broker."""
    assert NODE_RED.is_file(), "expected `make boards-environment` to have made this environment"
    assert list(files.write(tmp_path / "files"))
    folder, port = tmp_path / "node-red", free_port()
    folder.mkdir()
    (folder / "settings.js").write_text(SETTINGS)
    (folder / "flow.json").write_bytes((tmp_path / "files" / "nodered" / "flow.json").read_bytes())
    broker = {"DERMEDGE_BROKER_HOST": "127.0.0.1", "DERMEDGE_BROKER_PORT": str(mosquitto.port)}
    log = tmp_path / "node-red.log"
    with log.open("wb") as into:
        process = subprocess.Popen(
            [program("node"), str(NODE_RED), "--userDir", str(folder), "--port", str(port)],
            env={**os.environ, **broker, "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=into,
            stderr=into,
        )

    def connected() -> bool:
        assert process.poll() is None, log.read_text()
        return "Connected to broker" in log.read_text()

    try:
        wait_until(connected, "Node-RED to connect", within_s=120, every_s=0.2)
        yield f"http://127.0.0.1:{port}/dermedge"
        text = log.read_text()
        assert "[error]" not in text, text
    finally:
        end(process)


def get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return str(answer.read().decode())


def rows(address: str) -> list[dict[str, Any]]:
    return list(json.loads(get(f"{address}.json"))["devices"])


def test_the_flow_shows_devices_and_sites_and_says_what_is_wrong(
    node_red: str, listen: Callable[..., Listener]
) -> None:
    heard = listen("dermedge-alarm/#")
    now = datetime.now(UTC)
    well = msgspec.structs.replace(messages.STATE_SMALLEST, ts=now, clock_synced=True, model="lesions 1.0.0")
    ill = msgspec.structs.replace(well, capturing=False, outbox_full=True, backlog=7)
    for device, state in (("cam-1", well), ("cam-2", ill)):
        heard.publish(wire.device_topic("ward", device, "status"), wire.encode(wire.Status(ts=now, online=True)))
        heard.publish(wire.device_topic("ward", device, "state"), wire.encode(state))
    summary = msgspec.structs.replace(messages.SUMMARY, site="ward", screened=214, urgent=None)
    heard.publish(wire.site_topic("ward", "summary"), wire.encode(summary))
    heard.publish(wire.device_topic("<b>", "x", "state"), b'{"backlog": 1}')
    wait_until(lambda: len(rows(node_red)) == 2, "both devices", within_s=60, every_s=0.1)
    wait_until(lambda: "214" in get(node_red), "the summary", within_s=60, every_s=0.1)
    alarm = "dermedge-alarm/ward/cam-2"
    wait_until(lambda: alarm in heard.newest, "the alarm", within_s=60)
    assert json.loads(heard.newest[alarm])["problems"] == ["store full", "not capturing"]
    assert "dermedge-alarm/ward/cam-1" not in heard.newest
    first, second = rows(node_red)
    assert (first["device"], first["problems"], first["backlog"]) == ("cam-2", "store full, not capturing", 7)
    assert (second["device"], second["online"], second["model"]) == ("cam-1", True, "lesions 1.0.0")
    page = get(node_red)
    assert "no diagnoses" in page
    assert "<td>214<td>31<td>–" in page
    assert "<b>" not in page

    heard.publish(wire.device_topic("ward", "cam-2", "state"), wire.encode(well))
    wait_until(lambda: json.loads(heard.newest[alarm])["problems"] == [], "the alarm's end", within_s=60)
    heard.publish(wire.device_topic("ward", "cam-1", "status"), wire.encode(wire.Status(ts=now, online=False)))
    other = "dermedge-alarm/ward/cam-1"
    wait_until(lambda: other in heard.newest, "the other alarm", within_s=60)
    assert json.loads(heard.newest[other])["problems"] == ["offline"]
