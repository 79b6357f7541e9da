"""A line that could come without end comes once a minute, with its count."""

from __future__ import annotations

import logging

import pytest

from edge.repeats import KINDS_MAX, Repeats
from tests.edge.tell.conftest import HandClock

_log = logging.getLogger(__name__)


def test_one_line_a_kind_and_minute_with_the_count(clock: HandClock, caplog: pytest.LogCaptureFixture) -> None:
    repeats = Repeats(_log, clock)
    for number in range(100):
        repeats.tell(logging.WARNING, "one", "refused: %d", number)
    repeats.tell(logging.ERROR, "two", "another kind")
    assert caplog.messages == ["refused: 0", "another kind"]
    clock.forward(60)
    repeats.tell(logging.WARNING, "one", "refused: %d", 100)
    clock.forward(60)
    repeats.tell(logging.WARNING, "one", "refused: %d", 101)
    assert caplog.messages[2:] == ["refused: 100 (and 99 more like it since the last line)", "refused: 101"]


def test_kinds_without_end_are_one_kind(clock: HandClock, caplog: pytest.LogCaptureFixture) -> None:
    repeats = Repeats(_log, clock)
    for number in range(10 * KINDS_MAX):
        repeats.tell(logging.WARNING, f"kind {number}", "refused")
    assert len(caplog.messages) == KINDS_MAX + 1
