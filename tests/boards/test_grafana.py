"""Grafana's own model of a dashboard, made from Grafana's schemas, reads ours and loses nothing of them.

Grafana itself is not run. That Prometheus answers their queries is shown in test_metrics.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

FILES = sorted((Path(__file__).resolve().parents[2] / "hub" / "boards" / "grafana").glob("*.json"))


def lost(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """What stands in our file and not in what the model makes of it."""
    if isinstance(ours, dict):
        for key, value in ours.items():
            if not isinstance(theirs, dict) or key not in theirs:
                yield f"{where}/{key}"
            else:
                yield from lost(value, theirs[key], f"{where}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(*pair, f"{where}/{index}")
    elif ours != theirs:
        yield f"{where}: {ours!r} became {theirs!r}"


def read(dashboard: dict[str, Any]) -> Any:
    plugins.register_default_plugins()
    return json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_grafana_s_model_knows_all_of_it(path: Path) -> None:
    ours = json.loads(path.read_text(encoding="utf-8"))
    assert list(lost(ours, read(ours))) == []


def test_what_grafana_does_not_know_is_seen() -> None:
    ours = json.loads(FILES[0].read_text(encoding="utf-8"))
    ours["panels"][1]["options"]["surprise"] = True
    assert list(lost(ours, read(ours))) == ["/panels/1/options/surprise"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_have_their_own_ids_and_do_not_lie_over_each_other(path: Path) -> None:
    panels = json.loads(path.read_text(encoding="utf-8"))["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_wherever_findings_are_counted_it_says_that_they_are_no_diagnoses() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "_findings" not in text or "no diagnoses" in text
