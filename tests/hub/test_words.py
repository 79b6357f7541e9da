"""Every text of the hub's pages: there in both languages, used, and true to the house's rules of speech."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import pytest

from edge.terms import groups
from edge.words import LANGUAGES
from hub.dashboard.feed import Coverage, Reading, _nothing
from hub.dashboard.notices import notices
from hub.dashboard.sections import Sections
from hub.queries import Live, ModelRow, People
from hub.queries_models import ModelInUse
from hub.words import TABLES, WORDS, ago, clock_time, lasting, word, word_or

HUB = Path(__file__).resolve().parents[2] / "hub"
NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
COVERAGE = Coverage("m 1", "research", ("cutaneous_tumour", "acne_rosacea"), ("psoriasis",))


def sources() -> str:
    folder = HUB / "dashboard"
    files = [*folder.glob("*.py"), *folder.glob("templates/*.html"), HUB / "words.py"]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def used() -> tuple[set[str], set[str]]:
    """Keys that stand whole where a text is asked for; and heads, where the rest of the key is computed."""
    text = sources()
    asked = set(re.findall(r"""(?:\bt|word|_word|_or|word_or)\(\s*f?["']([a-z_.0-9-]+)["'){]""", text))
    asked |= set(re.findall(r"""["']((?:account|impossible|decide)\.[a-z_]+)["']""", text))
    heads = {f"{name}." for name in re.findall(r"""\bof\(\s*["']([a-z._]+)["']""", text)}
    return {key for key in asked if key[-1] != "."}, heads | {key for key in asked if key[-1] == "."}


def test_no_key_stands_in_two_tables() -> None:
    keys = [key for table in TABLES for key in table]
    assert len(keys) == len(set(keys)), [key for key in keys if keys.count(key) > 1]


def test_every_key_that_is_asked_for_is_there() -> None:
    whole, heads = used()
    assert len(whole) > 100
    heads |= {key for key in whole if key[-1] == "_"}
    assert [key for key in whole - heads if key not in WORDS] == []
    assert [head for head in heads if not any(key.startswith(head) for key in WORDS)] == []


def test_every_text_is_used() -> None:
    whole, heads = used()
    heads |= {"time.", "card.", "tier."}
    unused = [key for key in WORDS if key not in whole and not any(key.startswith(head) for head in heads)]
    assert unused == []


@pytest.mark.parametrize("key", WORDS)
def test_a_text_is_said_in_both_languages_with_the_same_fields(key: str) -> None:
    en, zh = WORDS[key]
    assert set(re.findall(r"{\w+}", en)) == set(re.findall(r"{\w+}", zh))
    if key != "page.language":
        assert re.search(r"[\u4e00-\u9fff]", zh), zh
        assert not re.search(r"[\u4e00-\u9fff]", en), en


def test_no_text_says_diagnosis_but_to_deny_it() -> None:
    for text in (each for pair in WORDS.values() for each in pair):
        for place in re.finditer(r"diagnos\w*|诊断", text, re.IGNORECASE):
            before = text[: place.start()]
            assert before.endswith(("not a ", "不是")), text


def test_nothing_found_is_always_of_this_model_and_with_what_it_covers() -> None:
    for language, phrase in (("en", "Nothing found by this model"), ("zh", "本模型")):
        sections = Sections("zh" if language == "zh" else "en", COVERAGE)
        live = _nothing(NOW)
        seen = Live(**{**live.__dict__, "people": People(3, 3, 0, 0), "models": (ModelRow("m", "1", "research", 0),)})
        html = sections.findings(seen)
        assert phrase in html
        for label in COVERAGE.labels:
            group = groups()[label]
            assert (group.zh if language == "zh" else group.en) in html
    said = [en for en, _ in WORDS.values() if "nothing found" in en.lower()]
    assert all("by this model" in en for en in said)


def test_a_model_without_a_card_is_said_not_to_be_known() -> None:
    live = _nothing(NOW)
    other = Live(**{**live.__dict__, "models": (ModelRow("another", "2", "research", 5),)})
    assert word("model.unknown", "en") in Sections("en", COVERAGE).model(other)
    assert word("model.unknown", "en") in Sections("en", None).model(other)


def in_use(status: Literal["research", "clinical"]) -> ModelInUse:
    return ModelInUse("m", "1", "c" * 64, status, "clinical", (), (), 1, 1)


@pytest.mark.parametrize(("status", "shown"), [("research", True), ("clinical", False)])
def test_the_banner_stands_until_this_hub_says_that_every_model_is_clinical(
    status: Literal["research", "clinical"], shown: bool
) -> None:
    """A device's word that its model is clinical, `told_status`, changes nothing."""
    reading = Reading(_nothing(NOW), database_away=False, models=(in_use(status), in_use("clinical")))
    assert (word("banner.research", "en") in notices(reading, "en", full=False)) is shown
    nobody = Reading(_nothing(NOW), database_away=False)
    assert word("banner.research", "zh") in notices(nobody, "zh", full=False)


@pytest.mark.parametrize("kind", ["finding_repeated", "seq_repeated", "state_not_understood", "status_not_understood"])
def test_an_alarm_without_anything_in_quarantine_is_shown(kind: str) -> None:
    quiet = _nothing(NOW)
    alarmed = Live(**{**quiet.__dict__, "alarms": {kind: 3}})
    for language in LANGUAGES:
        html = notices(Reading(alarmed, database_away=False), language, full=True)
        assert word("alarm.noticed", language) in html
        assert f"{word(f'reason.{kind}', language)} × 3" in html
        silent = notices(Reading(quiet, database_away=False), language, full=True)
        assert word("alarm.noticed", language) not in silent


def test_what_a_device_says_is_shown_as_text_and_never_as_markup() -> None:
    live = _nothing(NOW)
    named = Live(**{**live.__dict__, "models": (ModelRow("<script>alert(1)</script>", "1", "research", 1),)})
    html = Sections("en", COVERAGE).model(named)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_times_are_said_in_the_unit_that_matters() -> None:
    for passed, said in (
        (0, "just now"),
        (45, "45 s ago"),
        (600, "10 min ago"),
        (7300, "2 h ago"),
        (864_000, "10 days ago"),
    ):
        assert ago(NOW - timedelta(seconds=passed), NOW, "en") == said
    assert lasting(4000, "zh") == "66 分钟"
    assert clock_time(NOW - timedelta(days=3), NOW, "zh").startswith(("2月26日", "2月25日"))
    assert word_or("body.left-ear", "left-ear", "en") == "left ear"


def test_a_time_that_no_zone_can_show_does_not_end_the_page() -> None:
    first = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
    assert clock_time(first, NOW, "en").startswith("0001-01-01")


def test_devices_that_are_not_registered_are_named_with_what_to_do() -> None:
    quiet = _nothing(NOW)
    told = Live(**{**quiet.__dict__, "quarantined": 2, "strangers": ("cam-8", "cam-9")})
    for language in LANGUAGES:
        text = notices(Reading(told, database_away=False), language, full=True)
        assert "cam-8, cam-9" in text
        assert "dermedge hub device add" in text
    assert "hub device add" not in notices(Reading(quiet, database_away=False), "en", full=True)
