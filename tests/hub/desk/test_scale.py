"""What pages ask is answered from an index, however many rows there are: by the planner's word, not by the clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hub import database, queries_follow_ups, queries_quality, queries_referrals, queries_worklist
from hub.queries_worklist import Filter, Place
from hub.schema_desk import worklist
from tests.hub.sender import make_hub

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
ROWS = 5000
PLACE = Place(1, BEGIN + timedelta(seconds=2500), "e02500", "cam-1")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """Enough rows for the planner's statistics to mean something."""
    made = database.open_database(make_hub(tmp_path_factory.mktemp("scale") / "hub"))
    rows: list[dict[str, Any]] = [
        {
            **dict.fromkeys(worklist.c.keys()),
            "encounter_id": f"e{place:05}",
            "device": f"cam-{place % 50}",
            "site": f"village-{place % 50}",
            "cohort": f"cohort-{place % 3}",
            "wave": 1,
            "urgency": place % 4,
            "tier": ("urgent", "routine", "person", "self_care")[place % 4],
            "label": ("cutaneous_tumour", "acne_rosacea")[place % 2],
            "score": 0.5,
            "findings": 1,
            "since": BEGIN + timedelta(seconds=place),
            "state": "open" if place % 5 else "accepted",
            "blind": False,
            "version": 0,
        }
        for place in range(ROWS)
    ]
    with made.begin() as connection:
        connection.execute(sa.insert(worklist), rows)
        connection.exec_driver_sql("ANALYZE")
    yield made
    made.dispose()


def plans(engine: sa.Engine, ask: Any) -> list[str]:
    """The planner's lines for every statement that a query function runs."""
    statements: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        del connection, cursor, context, many
        statements.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        ask(connection)
        sa.event.remove(engine, "before_cursor_execute", note)
        lines = []
        for statement, parameters in statements:
            if statement.lstrip().upper().startswith(("SELECT", "WITH")) and "alembic" not in statement:
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                lines += [str(row[-1]) for row in rows]
    return lines


@pytest.mark.parametrize("after", [None, PLACE], ids=["first", "later"])
@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(site="village-7"),
        Filter(cohort="cohort-1"),
        Filter(label="acne_rosacea"),
        Filter(tier="routine"),
        Filter(site="village-7", label="acne_rosacea", tier="routine"),
        Filter(state="accepted", cohort="cohort-1"),
    ],
    ids=str,
)
def test_a_page_of_the_worklist_scans_and_sorts_nothing(engine: sa.Engine, wanted: Filter, after: Place | None) -> None:
    lines = plans(engine, lambda connection: queries_worklist.page(connection, wanted, after))
    assert any("worklist_by" in line for line in lines)
    assert not [line for line in lines if full_scan(line) or "TEMP B-TREE" in line], lines


@pytest.mark.parametrize(
    "ask",
    [
        queries_worklist.counts,
        queries_worklist.choices,
        lambda connection: queries_referrals.page(connection, "requested"),
        queries_referrals.counts,
        lambda connection: queries_follow_ups.page(connection, date(2026, 11, 1), date(2026, 12, 1)),
        lambda connection: queries_follow_ups.counts(connection, date(2026, 11, 1), date(2026, 12, 1)),
        queries_quality.agreement,
        queries_quality.sample_state,
        lambda connection: queries_worklist.detail(connection, "cam-7", "e00007"),
        lambda connection: queries_worklist.picture(connection, "cam-7", "e00007", "f"),
    ],
)
def test_what_else_pages_ask_uses_an_index(engine: sa.Engine, ask: Any) -> None:
    lines = plans(engine, ask)
    assert lines
    assert not [line for line in lines if full_scan(line)], lines


def full_scan(line: str) -> bool:
    """Of a table by itself: a scan of a covering index, or of what a query made itself, is none."""
    return bool(re.match(r"SCAN (?!CONSTANT|walk|anon)", line)) and "USING" not in line


def test_the_worklist_s_pages_are_the_same_however_they_are_cut(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        whole = queries_worklist.page(connection, Filter(site="village-7"), rows=1000)
        walked, after = [], None
        while True:
            found = queries_worklist.page(connection, Filter(site="village-7"), after, rows=7)
            walked += found.items
            if (after := found.next) is None:
                break
    assert whole.next is None
    assert walked == list(whole.items)
