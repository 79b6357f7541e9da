"""A hub whose private key was lost: with the escrow key all that devices sealed to it is stored by another hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dermedge
from edge.clock import SystemClock
from hub import database, keys, registry, schema
from tests.faults.pair import Pair
from tests.faults.test_without_network import FINDING, LINE, export_all
from tests.hub.conftest import Reader
from tests.hub.sender import make_hub


@pytest.fixture
def escrow(pair: Pair, tmp_path: Path) -> Path:
    """Kept off the hub, as told; the hub's own key is gone."""
    kept = tmp_path / "kept" / keys.ESCROW_FILE
    kept.parent.mkdir()
    (pair.hub / keys.ESCROW_FILE).rename(kept)
    (pair.hub / keys.PRIVATE_FILE).unlink()
    return kept


@pytest.fixture
def exported(pair: Pair, tmp_path: Path) -> Path:
    outbox = pair.open_outbox()
    outbox.append_many([FINDING, *[LINE] * 4])
    outbox.close()
    stick = tmp_path / "stick.events"
    assert export_all(pair, stick) == 5
    return stick


@pytest.fixture
def another(pair: Pair, tmp_path: Path) -> Path:
    """A new hub with keys of its own, which the device is registered with."""
    hub = make_hub(tmp_path / "another")
    engine = database.open_database(hub)
    registry.add(engine, registry.read_device_keys(pair.folder / "device" / "device.json"), SystemClock())
    engine.dispose()
    return hub


def rows(hub: Path, name: str) -> list[dict[str, object]]:
    engine = database.open_database(hub, read_only=True)
    found = Reader(engine).rows(getattr(schema, name))
    engine.dispose()
    return found


def test_an_export_is_stored_whole(
    exported: Path, another: Path, escrow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dermedge.main(["hub", "import", str(exported), "--escrow", str(escrow), "--dir", str(another)]) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 5
    assert sorted(row["seq"] for row in rows(another, "events")) == [1, 2, 3, 4, 5]  # type: ignore[type-var]
    assert len(rows(another, "findings")) == 1
    assert rows(another, "quarantine") == []


def test_what_is_in_quarantine_already_is_opened_too(
    exported: Path, another: Path, escrow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dermedge.main(["hub", "import", str(exported), "--dir", str(another)]) == 0
    assert json.loads(capsys.readouterr().out)["quarantined"] == 5
    assert dermedge.main(["hub", "import", "--escrow", str(escrow), "--dir", str(another)]) == 0
    assert json.loads(capsys.readouterr().out)["from_quarantine"] == 5
    assert (len(rows(another, "events")), rows(another, "quarantine")) == (5, [])


def test_another_file_in_its_place_is_one_line(
    exported: Path, another: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (exported, another / keys.PRIVATE_FILE, tmp_path / "nothing"):
        assert dermedge.main(["hub", "import", str(exported), "--escrow", str(wrong), "--dir", str(another)]) == 78
        assert capsys.readouterr().err.count("\n") == 1
    assert dermedge.main(["hub", "import", "--dir", str(another)]) == 64
    assert rows(another, "events") == []
