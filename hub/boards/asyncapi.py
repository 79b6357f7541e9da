"""What travels on the broker as an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0).

Made from the very Structs that encode and decode, so it cannot say otherwise than the code. It is the hub's view: the
hub receives what devices send.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from edge import events, wire

JSON, MESSAGEPACK = "application/json", "application/msgpack"
SCHEMAS = "#/components/schemas/"
BINDING_VERSION = "0.2.0"
"""Of https://github.com/asyncapi/bindings/tree/master/mqtt."""
SEALED = (
    "Sealed: header and body are authenticated, the body is encrypted; docs/wire.md tells how to read it. "
    "`x-header` and `x-body` are what stands inside, as JSON."
)
ABOUT = (
    "Screening devices, a broker and a hub. What is sealed can be read by the hub alone; everything else carries no "
    "patient data. Nothing in it is a diagnosis. docs/wire.md tells the same in words."
)
NAMES = {
    "site": "Where the device stands; the hub takes it from its registry, never from the topic.",
    "device": "A registered device.",
}


class Channel(NamedTuple):
    """action: what the hub does. body: what is inside of a sealed or signed message."""

    name: str
    address: str
    action: Literal["receive", "send"]
    text: str
    payload: Any
    qos: int
    retain: bool = False
    content_type: str = JSON
    body: Any = None


def _of_device(leaf: str) -> str:
    return wire.device_topic("{site}", "{device}", leaf)


CHANNELS = (
    Channel("presence", wire.HUB_TOPIC, "send", "The hub takes events; empty: it is away.", wire.HubPresence, 1, True),
    Channel(
        "event",
        _of_device("event"),
        "receive",
        f"An event, or the void in its place. {SEALED}",
        wire.Envelope | wire.Void,
        0,
        content_type=MESSAGEPACK,
        body=events.EventBody,
    ),
    Channel(
        "acknowledgement",
        _of_device("ack"),
        "send",
        "Signed by the hub: the only receipt that counts. `x-body` is what stands in `payload`.",
        wire.Signed,
        0,
        body=wire.Acknowledgement,
    ),
    Channel(
        "command",
        _of_device("cmd"),
        "send",
        f"To one device. {SEALED}",
        wire.Envelope,
        1,
        content_type=MESSAGEPACK,
        body=events.CommandBody,
    ),
    Channel(
        "response",
        _of_device("rsp"),
        "receive",
        f"What a device did with a command, and where it stands. {SEALED}",
        wire.Envelope,
        1,
        content_type=MESSAGEPACK,
        body=events.ResponseBody,
    ),
    Channel("status", _of_device("status"), "receive", "`online` false is the last will.", wire.Status, 1, True),
    Channel("state", _of_device("state"), "receive", "How a device is; flat.", wire.State, 1, True),
    Channel(
        "offer",
        wire.site_topic("{site}", "offer"),
        "send",
        "Signed by the hub: a model or an application. This version sends none. `x-body` is what stands in `payload`.",
        wire.Signed,
        1,
        True,
        body=wire.Offer,
    ),
    Channel(
        "summary",
        wire.site_topic("{site}", "summary"),
        "send",
        "How many people and findings a site has; null: too few to be told.",
        wire.Summary,
        1,
        True,
    ),
)


def document() -> dict[str, Any]:
    """The whole document, as builtins."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "dermedge on the broker",
            "version": str(wire.VERSION),
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "channels": {each.name: _channel(each) for each in CHANNELS},
        "operations": {each.name: _operation(each) for each in CHANNELS},
        "components": {
            "messages": {each.name: _message(each) for each in CHANNELS},
            "schemas": _schemas(),
            "parameters": {name: {"description": text} for name, text in NAMES.items()},
        },
    }


def text() -> str:
    """The document as YAML."""
    return msgspec.yaml.encode(document()).decode()


def _channel(channel: Channel) -> dict[str, Any]:
    parameters = {
        name: {"$ref": f"#/components/parameters/{name}"} for name in NAMES if f"{{{name}}}" in channel.address
    }
    return {
        "address": channel.address,
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
        **({"parameters": parameters} if parameters else {}),
    }


def _operation(channel: Channel) -> dict[str, Any]:
    qos_retain = {"qos": channel.qos, "retain": channel.retain, "bindingVersion": BINDING_VERSION}
    return {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.text.partition(". ")[0].rstrip("."),
        "bindings": {"mqtt": qos_retain},
    }


def _message(channel: Channel) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": channel.name,
        "contentType": channel.content_type,
        "description": channel.text,
        "payload": _reference(channel.payload),
    }
    if channel.content_type == MESSAGEPACK:
        told["x-header"] = _reference(wire.Header)
    if channel.body is not None:
        told["x-body"] = _reference(channel.body)
    return told


def _reference(kind: Any) -> dict[str, Any]:
    (made,), _ = msgspec.json.schema_components([kind], ref_template=f"{SCHEMAS}{{name}}")
    reference: dict[str, Any] = _plain(made)
    return reference


def _schemas() -> dict[str, Any]:
    kinds = [kind for each in CHANNELS for kind in (each.payload, each.body) if kind is not None]
    _, made = msgspec.json.schema_components([*kinds, wire.Header], ref_template=f"{SCHEMAS}{{name}}")
    packed = {tag.__name__ for tag in (wire.Envelope, wire.Void)}
    return {name: _binary(_plain(schema)) if name in packed else _plain(schema) for name, schema in made.items()}


def _plain(schema: Any) -> Any:
    """JSON Schema 2020-12 and OpenAPI's words, as msgspec writes them, in those of AsyncAPI: draft 07."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if isinstance(schema, float) and schema.is_integer():
        return int(schema)  # 0 and 0.0 make one type in Python's typing: whichever module came first would show
    if not isinstance(schema, dict):
        return schema
    kept = {key: _plain(value) for key, value in schema.items() if key not in {"discriminator", "prefixItems"}}
    if "prefixItems" in schema:
        kept["items"], kept["additionalItems"] = _plain(schema["prefixItems"]), False
    return kept


def _binary(schema: dict[str, Any]) -> dict[str, Any]:
    """In MessagePack bytes travel as bytes; msgspec's schema tells of JSON, where they are base64."""
    told = dict(_told_binary(schema["properties"]))
    return {**schema, "properties": told}


def _told_binary(properties: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, told in properties.items():
        is_bytes = told.get("contentEncoding") == "base64"
        yield name, {"type": "string", "format": "binary"} if is_bytes else told
