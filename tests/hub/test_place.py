"""What must not run at the same time does not; what was made or renamed is on the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import dermedge
from edge.pseudonym import make
from hub import backup, database, withdrawal
from hub.lock import alone, beside, sole
from tests.hub.conftest import SQLITE_ONLY
from tests.hub.sender import now


def kept_backup(hub: Path, tmp_path: Path) -> Path:
    file = tmp_path / "kept.db"
    backup.backup(hub, file)
    return file


@SQLITE_ONLY
def test_a_restore_waits_for_nobody_and_goes_beside_nobody(
    hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = kept_backup(hub, tmp_path)
    before = (hub / "hub.db").read_bytes()
    for holds in (beside, sole):
        with holds(hub):
            assert dermedge.main(["hub", "restore", str(file), "--dir", str(hub)]) == 69
            told = capsys.readouterr().err
            assert told.count("\n") == 1
            assert "running" in told
    assert (hub / "hub.db").read_bytes() == before


@SQLITE_ONLY
def test_beside_a_restore_nothing_is_imported_withdrawn_or_copied(
    hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stick = tmp_path / "stick.events"
    stick.write_bytes(b"")
    person = make(os.urandom)
    with alone(hub):
        for each in (["import", str(stick)], ["withdraw", person], ["backup", str(tmp_path / "b.db")]):
            assert dermedge.main(["hub", *each, "--dir", str(hub)]) == 69
            told = capsys.readouterr().err
            assert told.count("\n") == 1
            assert "restore" in told
    assert not (hub / withdrawal.FILE).exists()
    assert dermedge.main(["hub", "withdraw", person, "--dir", str(hub)]) == 0


def test_imports_go_beside_an_ingest_and_each_other(hub: Path) -> None:
    with sole(hub), beside(hub), beside(hub):
        pass


def test_the_folder_is_synced_after_each_file_that_the_hub_relies_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut would leave cannot be seen here: the calls can."""
    synced: list[str] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    hub = tmp_path / "clinic"
    assert dermedge.main(["hub", "init", str(hub)]) == 0
    assert synced == ["clinic", tmp_path.name, "clinic"], "the keys, their folder, the database"
    synced.clear()
    engine = database.open_database(hub)
    withdrawal.withdraw(hub, engine, make(os.urandom), now())
    engine.dispose()
    assert synced == ["clinic"]
    synced.clear()
    file = kept_backup(hub, tmp_path)
    assert synced == [tmp_path.name]
    synced.clear()
    backup.restore(hub, file, now())
    assert synced == ["clinic"]
