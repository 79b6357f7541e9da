"""The audit log: a row that was changed, taken out or moved is found; what is about a person can be erased."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

import dermedge
from hub import auditing, database
from hub.schema_accounts import audit_contents, audit_log

AT = datetime(2026, 3, 1, 8, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))


@pytest.fixture
def engine(hub: Path) -> Iterator[sa.Engine]:
    made = database.open_database(hub)
    yield made
    made.dispose()


@pytest.fixture
def log(engine: sa.Engine) -> sa.Engine:
    """Five rows, the third one about a participant."""
    with engine.begin() as connection:
        for number in range(1, 6):
            participant = "7K3PQV" if number == 3 else None
            auditing.audit(connection, AT, "li", "test.act", f"subject {number}", "why", participant=participant)
    return engine


def verdicts(engine: sa.Engine) -> list[bool]:
    with engine.connect() as connection:
        return [each.fits for each in auditing.entries(connection)]


def test_what_was_written_is_read_and_fits(log: sa.Engine) -> None:
    with log.connect() as connection:
        read = list(auditing.entries(connection))
    assert [each.fits for each in read] == [True] * 5
    assert [each.number for each in read] == [1, 2, 3, 4, 5]
    first = read[0]
    assert (first.at, first.account, first.action) == (AT.astimezone(UTC), "li", "test.act")
    assert (first.subject, first.detail) == ("subject 1", "why")


def change(**values: object) -> Callable[[sa.Connection], object]:
    return lambda connection: connection.execute(sa.update(audit_log).where(audit_log.c.number == 2).values(values))


def change_content(connection: sa.Connection) -> None:
    connection.execute(sa.update(audit_contents).where(audit_contents.c.number == 2).values(subject="another"))


def take_out(connection: sa.Connection) -> None:
    connection.execute(sa.delete(audit_log).where(audit_log.c.number == 2))


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (change(account="wang"), [True, False, True, True, True]),
        (change(action="test.other"), [True, False, True, True, True]),
        (change(at=AT + timedelta(seconds=1)), [True, False, True, True, True]),
        (change(hash="0" * 64), [True, False, False, True, True]),
        (change_content, [True, False, True, True, True]),
        (take_out, [True, False, True, True]),
    ],
)
def test_a_row_that_was_changed_or_taken_out_is_found(
    log: sa.Engine, hub: Path, tamper: Callable[[sa.Connection], object], expected: list[bool]
) -> None:
    with log.begin() as connection:
        tamper(connection)
    assert verdicts(log) == expected
    assert dermedge.main(["hub", "audit", "--dir", str(hub)]) == 65


def test_erasing_a_person_s_content_leaves_the_chain_whole(log: sa.Engine) -> None:
    with log.begin() as connection:
        connection.execute(sa.delete(audit_contents).where(audit_contents.c.participant == "7K3PQV"))
    assert verdicts(log) == [True] * 5
    with log.connect() as connection:
        rows = repr(connection.execute(sa.select(audit_log)).all()) + repr(list(auditing.entries(connection))[2])
    assert "subject 3" not in rows


def test_a_transaction_that_fails_leaves_no_row(log: sa.Engine) -> None:
    with log.connect() as connection:
        auditing.audit(connection, AT, "li", "test.act")
        connection.rollback()
    assert verdicts(log) == [True] * 5


def test_the_csv_runs_no_formula_and_keeps_to_its_lines(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        auditing.audit(connection, AT, "li", "test.act", '=HYPERLINK("x")', "two\nlines, and a comma")
        auditing.audit(connection, AT, "li", "test.act", "x" * 1000, "y" * 1000)
    file = io.StringIO()
    with engine.connect() as connection:
        assert auditing.export(connection, file) == []
    rows = list(csv.reader(io.StringIO(file.getvalue())))
    assert len(rows) == 3
    assert rows[1][4:6] == ['\'=HYPERLINK("x")', "two lines, and a comma"]
