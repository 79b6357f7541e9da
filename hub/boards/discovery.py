"""Home Assistant's MQTT discovery: each device announces itself as sensors that read the topics as they are.

Device-based discovery: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload (Home Assistant
2024.11 and later). Off unless hub.toml has it; to take a device away, delete it in Home Assistant.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from edge import __version__
from edge.wire import device_topic
from hub.queries import DeviceRow

PREFIX = "homeassistant"
"""Home Assistant's own default; its setting `discovery_prefix`."""
EXPIRE_AFTER_S = 120
"""A state is due every 15 s at most; later than this the sensor is shown as unavailable."""


VALUE = "{{{{ value_json.{field} | default(none) }}}}"
"""A field that a device cannot know is left out of its state; Home Assistant shows None as unknown."""
YES_NO = "{{{{ 'ON' if value_json.{field} else 'OFF' }}}}"
NO_YES = "{{{{ 'OFF' if value_json.{field} else 'ON' }}}}"


class Entity(NamedTuple):
    """field: of wire.State. diagnostic: not on the first page."""

    field: str
    name: str
    platform: str = "sensor"
    unit: str = ""
    device_class: str = ""
    template: str = VALUE
    diagnostic: bool = True


ENTITIES = (
    Entity("backlog", "Unsent events", diagnostic=False),
    Entity("oldest_s", "Oldest unsent", unit="s", device_class="duration"),
    Entity("capturing", "Capturing has stopped", "binary_sensor", "", "problem", NO_YES, diagnostic=False),
    Entity("outbox_full", "Store is full", "binary_sensor", "", "problem", YES_NO, diagnostic=False),
    Entity("clock_synced", "Clock is not set", "binary_sensor", "", "problem", NO_YES),
    Entity("temp_c", "Processor", unit="°C", device_class="temperature"),
    Entity(
        "battery",
        "Battery",
        unit="%",
        device_class="battery",
        template="{{{{ (value_json.{field} * 100) | round(0) if '{field}' in value_json else none }}}}",
        diagnostic=False,
    ),
    Entity("disk_free", "Free on disk", unit="B", device_class="data_size"),
    Entity("fps", "Frames per second", unit="fps"),
    Entity("frame_age_s", "Age of the last frame", unit="s", device_class="duration"),
    Entity("model", "Model"),
)


def topic(device: DeviceRow) -> str:
    """Where its discovery stands, retained."""
    return f"{PREFIX}/device/dermedge-{device.device}/config"


def payload(device: DeviceRow) -> bytes:
    """JSON; the availability is the device's own status."""
    status, state = (device_topic(device.site, device.device, leaf) for leaf in ("status", "state"))
    return msgspec.json.encode(
        {
            "device": {
                "identifiers": [f"dermedge-{device.device}"],
                "name": f"{device.site} {device.device}",
                "manufacturer": "dermedge",
                "model": "skin screening device",
                "suggested_area": device.site,
            },
            "origin": {"name": "dermedge", "sw_version": __version__},
            "availability": [{"topic": status, "value_template": "{{ 'online' if value_json.online else 'offline' }}"}],
            "state_topic": state,
            "qos": 1,
            "components": {each.field: _component(device, each) for each in ENTITIES},
        }
    )


def _component(device: DeviceRow, entity: Entity) -> dict[str, Any]:
    told: dict[str, Any] = {
        "platform": entity.platform,
        "name": entity.name,
        "unique_id": f"dermedge-{device.device}-{entity.field}",
        "value_template": entity.template.format(field=entity.field),
        "expire_after": EXPIRE_AFTER_S,
    }
    if entity.unit:
        told["unit_of_measurement"] = entity.unit
    if entity.device_class:
        told["device_class"] = entity.device_class
    if entity.diagnostic:
        told["entity_category"] = "diagnostic"
    if entity.platform == "sensor" and entity.unit and entity.device_class != "battery":
        told["state_class"] = "measurement"
    return told
