"""docs/wire.md names every topic, every message type and every field that travels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from edge import events, wire
from edge.encounter import Encounter
from tests.golden import messages

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")
QUOTED = set(re.findall(r"`([^`\n]+)`", DOCUMENT))
BODIES: list[Any] = [*get_args(events.EventBody), *get_args(events.CommandBody), *get_args(events.ResponseBody)]
PLAIN: list[Any] = [
    wire.Header,
    wire.Envelope,
    wire.Void,
    wire.Signed,
    wire.Acknowledgement,
    wire.Receipt,
    wire.Offer,
    wire.HubPresence,
    wire.Status,
    wire.State,
    wire.Summary,
    Encounter,
    events.Model,
    events.Quality,
]


@pytest.mark.parametrize("kind", [*BODIES, *PLAIN], ids=lambda kind: kind.__name__)
def test_every_field_is_told(kind: Any) -> None:
    untold = {name for name in kind.__struct_fields__ if name not in QUOTED}
    assert untold == set()


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
def test_the_row_of_a_body_tells_its_own_fields_and_no_others(kind: Any) -> None:
    tag = kind.__struct_config__.tag
    (row,) = re.findall(rf"^\| `{tag}` \|(.*)\|$", DOCUMENT, re.MULTILINE)
    told = re.sub(r"\([^)]*\)", "", row.rpartition("|")[2])
    assert set(re.findall(r"`(\w+)`", told)) == set(kind.__struct_fields__) - (
        {"at"} if kind in get_args(events.EventBody) else set()
    )


def test_who_needs_a_consent_is_told_as_the_schema_has_it() -> None:
    for body in messages.EVENTS:
        fields = {name: getattr(body, name) for name in body.__struct_fields__}
        needs = False
        if isinstance(fields.get("encounter"), Encounter):
            try:
                type(body)(**{**fields, "encounter": messages.ANONYMOUS})
            except ValueError:
                needs = True
        row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `{body.__struct_config__.tag}` |"))
        assert ("●" in row) == needs, row


def test_every_topic_and_limit_is_told() -> None:
    for leaf in ("event", "ack", "cmd", "rsp", "status", "state"):
        assert wire.device_topic("{site}", "{device}", leaf) in QUOTED
    assert wire.HUB_TOPIC in QUOTED
    assert f"{wire.MESSAGE_BYTES_MAX:,}" in DOCUMENT
    assert f"{wire.PART_BYTES_MAX:,}" in DOCUMENT
    assert f"version {wire.VERSION}" in DOCUMENT
    assert wire.SUITE in QUOTED


def test_values_of_choice_are_told() -> None:
    for kind, field in ((wire.Header, "kind"), (wire.Header, "priority"), (wire.Receipt, "outcome")):
        info = msgspec.inspect.type_info(kind)
        assert isinstance(info, msgspec.inspect.StructType)
        choices = next(each.type for each in info.fields if each.name == field)
        assert isinstance(choices, msgspec.inspect.LiteralType)
        assert {value for value in choices.values if value not in QUOTED} == set()
