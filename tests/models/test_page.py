"""docs/detector.md is what the card says, and the plots beside it hold no picture and no date."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from edge import bundle
from models import page, page_tables, readings, trained_again
from models.plots import IMAGES, NAMES

CARD = bundle.load().card
PLOTS = sorted(path.name for path in IMAGES.glob("detector-*.svg"))


def test_the_page_is_what_the_card_and_the_table_of_trials_say() -> None:
    assert page.DOCS.read_text(encoding="utf-8") == page.render(CARD)


def test_the_page_shows_every_plot_and_no_other() -> None:
    shown = re.findall(r"\(images/(detector-[a-z-]+\.svg)\)", page.DOCS.read_text(encoding="utf-8"))
    assert sorted(shown) == PLOTS
    assert {name.removeprefix("detector-").removesuffix(".svg") for name in PLOTS} <= set(NAMES)
    assert {"precision-recall", "froc", "reliability", "size"} <= {name[9:-4] for name in PLOTS}


def test_a_training_that_comes_out_elsewhere_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert page.render(CARD).count("| yes |\n| dermoscopy, AP50 |") == 1
    rows = trained_again.curve(trained_again.LOG_AGAIN)
    rows[-1]["dermoscopy_ap50"] = 0.8
    (tmp_path / "other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(trained_again, "LOG_AGAIN", tmp_path / "other.jsonl")
    assert [line[-6:] for line in trained_again.trained_again(CARD) if line.startswith("| dermoscopy, AP50")] == [
        "| no |"
    ]


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_lines_and_nothing_else(name: str) -> None:
    text = (IMAGES / name).read_text(encoding="utf-8")
    assert "<image" not in text
    assert "dc:date" not in text
    assert len(text) < 150_000


def test_every_aim_of_the_issue_has_its_line() -> None:
    lines = page_tables.aims(CARD)
    for told in ("dermoscopy test, AP50", "AP50:95", "acne test, AP at IoU 0.3", "a stand-in", "lesion-free", "int8"):
        assert any(told in line for line in lines), told
    assert all(line.rstrip(" |").endswith((" yes", " no")) for line in lines[2:] if line)


def test_this_bundles_reading_of_test_has_a_number() -> None:
    own = CARD.measured["test_readings"][-1]
    assert own["card_sha256"] == CARD.sha256
    assert own["model_sha256"] == CARD.model_sha256
    assert [each["reading"] for each in CARD.measured["test_readings"]] == list(range(1, own["reading"] + 1))
    assert own["cutaneous_tumour_ap50"] == CARD.measured["int8"]["test"]["cutaneous_tumour"]["ap50"]
    assert readings.FILE.exists()


def test_what_was_tried_is_told_with_every_seed() -> None:
    told = tomllib.loads(page.TRIED.read_text(encoding="utf-8"))["tried"]
    assert any(not each["kept"] for each in told), "what did not help stays in the table"
    for each in told:
        assert {"change", "effect", "cost", "kept"} <= set(each)
        assert all(len(values) == len(each["seeds"]) for values in each["effect"].values()), each["change"]
    assert any(len(each["seeds"]) >= 2 for each in told)


def test_a_difference_shows_its_mean_and_each_seed() -> None:
    assert page_tables.spread([0.01, -0.03]) == "-0.010 (+0.010, -0.030)"


def test_the_stand_in_is_called_one() -> None:
    text = page.DOCS.read_text(encoding="utf-8")
    assert "It chooses; it is no proof" in text
    assert Path(page.__file__).parent.name == "models"
