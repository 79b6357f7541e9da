from __future__ import annotations

import logging
from typing import Any

import pytest

import edge
from edge import wire
from edge.outbox import OutboxStatus
from edge.state import encode_state
from tests.edge.tell.conftest import HandClock
from tests.golden import messages

STATUS = OutboxStatus(
    backlog=3, oldest_s=1.5, used_bytes=8192, full=False, epoch=messages.EPOCH, last_seq=9, quarantined=2
)


def state(described: dict[str, Any]) -> wire.State:
    message: wire.State = wire.decode(encode_state(STATUS, HandClock(), lambda: described), wire.State)
    return message


def test_the_outbox_and_the_device_are_both_told() -> None:
    told = state({"app": "0.1.0", "fps": 14.5, "model": "lesions 1.0.0", "capturing": False})
    assert (told.backlog, told.oldest_s, told.outbox_bytes, told.last_seq) == (3, 1.5, 8192, 9)
    assert (told.app, told.fps, told.model, told.capturing) == ("0.1.0", 14.5, "lesions 1.0.0", False)
    assert told.clock_synced
    assert told.quarantined == 2


def test_the_application_is_told_by_name_and_version() -> None:
    assert state({}).app == f"dermedge {edge.__version__}"


def test_what_the_outbox_knows_is_not_overruled() -> None:
    assert state({"app": "x", "backlog": 0, "epoch": "f" * 32}).backlog == 3


def test_numbers_that_are_none_and_unknown_values_are_left_out() -> None:
    told = state({"app": "x", "fps": float("nan"), "temp_c": float("inf"), "battery": None, "problem": "p" * 500})
    assert "fps" not in wire.encode(told).decode()
    assert "temp_c" not in wire.encode(told).decode()
    assert told.problem == "p" * 200


@pytest.mark.parametrize("described", [{"participant": "7K3PQV"}, {"battery": 3.0}, {"fps": "fast"}])
def test_a_field_that_is_not_of_the_message_never_travels(
    described: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        data = encode_state(STATUS, HandClock(), lambda: {"app": "x", **described})
    assert b"7K3PQV" not in data
    assert wire.decode(data, wire.State).backlog == 3
    assert "not as docs/wire.md tells" in caplog.text


def test_a_device_that_fails_to_describe_itself_still_has_a_state(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("no thermometer")

    assert wire.decode(encode_state(STATUS, HandClock(), broken), wire.State).backlog == 3
    assert "no thermometer" in caplog.text
