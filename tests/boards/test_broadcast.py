"""What stands retained on a real broker: a summary of each site, and discovery only where it is wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jinja2
import sqlalchemy as sa

from edge import wire
from hub.boards import discovery
from hub.queries import DeviceRow
from tests.boards.conftest import Listener, StartBoards
from tests.broker import Mosquitto
from tests.golden import messages
from tests.patience import wait_until

Listen = Callable[..., Listener]
WARD, VILLAGE = (wire.site_topic(site, "summary") for site in ("ward", "village"))
EVERYTHING = ("dermedge/v1/#", "homeassistant/#")


def test_a_summary_of_each_site_stands_on_the_broker_and_comes_back_with_it(
    busy: sa.Engine, start_boards: StartBoards, listen: Listen, mosquitto: Mosquitto
) -> None:
    start_boards()
    heard = listen(*EVERYTHING)
    wait_until(lambda: {WARD, VILLAGE} <= heard.newest.keys(), "both summaries", within_s=60)
    ward: wire.Summary = wire.decode(heard.newest[WARD], wire.Summary)
    assert (ward.site, ward.screened, ward.findings, ward.urgent) == ("ward", 12, 15, 9)
    assert (ward.routine, ward.person) == (None, None)
    village: wire.Summary = wire.decode(heard.newest[VILLAGE], wire.Summary)
    told = {getattr(village, name) for name in ("screened", "findings", "urgent", "routine", "person")}
    assert told == {None}
    assert not [topic for topic in heard.newest if topic.startswith("homeassistant/")], "it is off by default"
    mosquitto.stop()
    heard.newest.clear()
    mosquitto.start()  # it has kept nothing
    wait_until(lambda: {WARD, VILLAGE} <= heard.newest.keys(), "both summaries again", within_s=60)
    late = listen(WARD)
    wait_until(lambda: WARD in late.retained, "the retained summary", within_s=30)
    assert wire.decode(late.newest[WARD], wire.Summary) == ward


def test_devices_announce_themselves_to_home_assistant_where_the_settings_say_so(
    busy: sa.Engine, hub: Path, start_boards: StartBoards, listen: Listen
) -> None:
    (hub / "hub.toml").write_text("[boards]\nhome_assistant = true\n")
    start_boards()
    heard = listen(*EVERYTHING)
    topics = {f"homeassistant/device/dermedge-{name}/config" for name in ("cam-1", "cam-2")}
    wait_until(lambda: topics <= heard.newest.keys(), "both announcements", within_s=60)
    told = json.loads(heard.newest["homeassistant/device/dermedge-cam-1/config"])
    assert told["state_topic"] == wire.device_topic("ward", "cam-1", "state")
    assert told["availability"][0]["topic"] == wire.device_topic("ward", "cam-1", "status")
    # What the documentation of device discovery asks for.
    assert {"device", "origin", "components"} <= told.keys()
    assert told["device"]["identifiers"]
    assert told["origin"]["name"]
    assert all({"platform", "unique_id"} <= each.keys() for each in told["components"].values())
    ids = [each["unique_id"] for each in told["components"].values()]
    assert len(set(ids)) == len(ids)


def rendered(state: wire.State | wire.Status, template: str) -> str:
    """As Home Assistant does: Jinja over value_json."""
    said = jinja2.Environment(autoescape=False).from_string(template)
    return said.render(value_json=json.loads(wire.encode(state)))


def test_its_templates_read_what_devices_really_send() -> None:
    told = json.loads(discovery.payload(DeviceRow("cam-1", "ward", "online", None, None)))
    templates = {name: each["value_template"] for name, each in told["components"].items()}
    full = {name: rendered(messages.STATE, each) for name, each in templates.items()}
    assert full["backlog"] == "12"
    assert full["battery"] == "75.0"
    assert (full["capturing"], full["outbox_full"], full["clock_synced"]) == ("OFF", "OFF", "OFF")
    assert full["model"] == "lesions 1.0.0"
    least = {name: rendered(messages.STATE_SMALLEST, each) for name, each in templates.items()}
    assert (least["clock_synced"], least["battery"], least["temp_c"], least["model"]) == ("ON", "None", "None", "None")
    assert not [name for name in templates if name not in wire.State.__struct_fields__]
    availability = told["availability"][0]["value_template"]
    assert rendered(messages.STATUS, availability) == "online"
