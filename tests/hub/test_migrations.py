"""The migrations make the tables that the code knows; a database of another version makes everybody wait."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import dermedge
from edge.clock import SystemClock
from hub import backup, database, migrating, queries, schema, schema_version
from hub.inbox import Inbox
from hub.ingest import Ingest
from hub.opening import Arrival
from hub.schema_version import VersionError
from hub.tables import metadata
from tests.broker import Mosquitto
from tests.hub import baseline
from tests.hub.conftest import SQLITE_ONLY, MakeSender, publisher
from tests.hub.sender import finding, now, wait_for

SECOND = '''"""A second version, for the tests."""
import os
import signal

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table("second", sa.Column("id", sa.Integer, primary_key=True))
    op.add_column("findings", sa.Column("second", sa.Integer))
    if os.environ.get("DIE"):
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("FAIL"):
        op.drop_table("no_such_table")
'''


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The code has a second version of the tables, which the database has not yet; its scripts."""
    scripts = tmp_path / "scripts"
    shutil.copytree(schema_version.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "v0002_second.py").write_text(SECOND)
    monkeypatch.setattr(schema_version, "SCRIPTS", scripts)
    monkeypatch.setattr(schema_version, "REVISIONS", ("0001", "0002"))
    return scripts


def version(hub: Path) -> str:
    engine = database.open_database(hub, any_version=True)
    with engine.connect() as connection:
        found: str = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    engine.dispose()
    return found


def tables(hub: Path) -> set[str]:
    engine = database.open_database(hub, any_version=True)
    with engine.connect() as connection:
        found = set(sa.inspect(connection).get_table_names())
    engine.dispose()
    return found


def order(hub: Path, *statements: str) -> None:
    engine = database.open_database(hub, any_version=True)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_the_migrated_tables_are_those_that_the_code_knows(hub: Path) -> None:
    engine = database.open_database(hub)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == [], "write the baseline anew: python -m tests.hub.baseline"


def test_the_baseline_is_what_its_program_writes() -> None:
    assert baseline.FILE.read_text(encoding="utf-8") == baseline.text(), "run python -m tests.hub.baseline"


def test_the_list_of_versions_is_that_of_the_scripts() -> None:
    configuration = Config()
    configuration.set_main_option("script_location", str(schema_version.SCRIPTS))
    found = [each.revision for each in ScriptDirectory.from_config(configuration).walk_revisions()]
    assert tuple(reversed(found)) == schema_version.REVISIONS


def test_an_older_database_is_brought_up_and_a_copy_is_kept(
    hub: Path, newer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_server = database.is_on_server(hub)
    if on_server:
        assert dermedge.main(["hub", "migrate", "--dir", str(hub)]) == 78
        assert "pg_dump" in capsys.readouterr().err
    done = migrating.migrate(hub, now(), has_backup=on_server)
    assert (done.applied, version(hub)) == (("0002",), "0002")
    assert "second" in tables(hub)
    if not on_server:
        assert done.copy is not None
        assert done.copy.stat().st_mode & 0o777 == 0o600
        old = hub.parent / "old"
        old.mkdir()
        shutil.copy(done.copy, old / database.DATABASE_FILE)
        assert version(old) == "0001"
    again = migrating.migrate(hub, now(), has_backup=on_server)
    assert (again.applied, again.copy) == ((), None)


def test_a_migration_that_fails_changes_nothing(hub: Path, newer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL", "1")
    before = tables(hub)
    with pytest.raises(database.StoreError, match="it is as it was"):
        migrating.migrate(hub, now(), has_backup=True)
    assert (version(hub), tables(hub)) == ("0001", before)


def test_a_migration_that_is_killed_changes_nothing_and_may_be_done_again(hub: Path, newer: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "from hub import migrating, schema_version\n"
        "schema_version.SCRIPTS, schema_version.REVISIONS = Path(sys.argv[2]), ('0001', '0002')\n"
        "migrating.migrate(Path(sys.argv[1]), datetime.now(UTC), has_backup=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(hub), str(newer)],
        env={**os.environ, "DIE": "1", "PYTHONPATH": "."},
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL
    assert version(hub) == "0001"
    assert "second" not in tables(hub)
    for each in hub.glob("hub.db.before-*"):
        each.unlink()  # of the same second, perhaps
    migrating.migrate(hub, now(), has_backup=True)
    assert version(hub) == "0002"


WRONG = {
    "newer": (["UPDATE alembic_version SET version_num = '0099'"], "which a newer dermedge made"),
    "two": (["INSERT INTO alembic_version VALUES ('0000')"], "half migrated"),
    "none": (["DELETE FROM alembic_version"], "without a version"),
    "no table": (["DROP TABLE alembic_version"], "without a version"),
    "table gone": (["DROP TABLE refusals"], "half migrated: it lacks refusals"),
    "column gone": (["ALTER TABLE refusals DROP COLUMN cohort"], "half migrated: it lacks refusals.cohort"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_database_of_another_version_is_told_in_one_line(
    hub: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    statements, message = WRONG[wrong]
    order(hub, *statements)
    for read_only in (True, False):
        engine = database.open_database(hub, read_only=read_only)
        with pytest.raises(VersionError, match=message):
            queries.live(engine, now())
        engine.dispose()
    assert dermedge.main(["hub", "device", "list", "--dir", str(hub)]) == 74
    assert message in capsys.readouterr().err


def test_who_migrates_a_database_that_is_none_of_ours_changes_nothing_in_it(hub: Path) -> None:
    order(hub, "DROP TABLE alembic_version")
    before = tables(hub)
    with pytest.raises(VersionError, match="without a version"):
        migrating.migrate(hub, now(), has_backup=True)
    assert tables(hub) == before


def test_events_wait_for_the_migration_and_none_is_acknowledged_before(
    hub: Path,
    mosquitto: Mosquitto,
    make_sender: MakeSender,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sender = make_sender()
    request.getfixturevalue("newer")
    arrived: list[Arrival] = []
    put = Inbox.put_event
    monkeypatch.setattr(Inbox, "put_event", lambda inbox, each: arrived.append(each) or put(inbox, each))
    running = Ingest(hub, publisher(mosquitto), SystemClock())
    running.start()
    try:
        wait_for(lambda: any(sender.presences), "the hub to listen")
        sealed = sender.seal(finding())
        sender.send(sealed)
        wait_for(lambda: "run `dermedge hub migrate`" in caplog.text, "the line that says what to do")
        wait_for(lambda: arrived, "the event")
        assert sender.receipt(sealed) is None
        migrating.migrate(hub, now(), has_backup=True)
        assert sender.await_receipts(sealed) == ["stored"]
    finally:
        running.stop()


def test_a_database_that_is_migrated_under_an_older_ingest_takes_nothing_from_it(
    ingest: Ingest, hub: Path, make_sender: MakeSender
) -> None:
    sender = make_sender()
    first = sender.seal(finding())
    sender.send(first)
    assert sender.await_receipts(first) == ["stored"]
    order(hub, "UPDATE alembic_version SET version_num = '0099'")
    second = sender.seal(finding())
    sender.send(second)
    wait_for(lambda: ingest._failing_since_ns is not None, "the refusal")
    assert sender.receipt(second) is None
    order(hub, "UPDATE alembic_version SET version_num = '0001'")
    assert sender.await_receipts(second) == ["stored"]


@SQLITE_ONLY
def test_a_backup_of_an_older_version_is_brought_up_when_it_is_put_back(hub: Path, newer: Path, tmp_path: Path) -> None:
    copy = tmp_path / "backup.db"
    shutil.copy(hub / database.DATABASE_FILE, copy)
    migrating.migrate(hub, now())
    backup.restore(hub, copy, now())
    assert version(hub) == "0002"
    assert schema.findings.name in tables(hub)
