"""Every text in both languages, every key that the page uses, and no text that promises a diagnosis."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import get_args

import pytest

from edge.quality import Hint
from edge.session import State
from edge.triage import SEVERITY
from edge.words import LANGUAGES, WORDS, preferred, word


def test_every_text_is_there_in_both_languages_with_the_same_fields() -> None:
    for key, text in WORDS.items():
        assert text.en.strip(), key
        assert text.zh.strip(), key
        assert set(re.findall(r"\{\w+\}", text.en)) == set(re.findall(r"\{\w+\}", text.zh)), key
        if key != "app.language":
            assert re.search(r"[\u4e00-\u9fff]", text.zh), key


def test_diagnosis_is_only_ever_denied() -> None:
    for key, text in WORDS.items():
        assert "diagnos" not in text.en.lower().replace("not a diagnosis", ""), key
        assert "诊断" not in text.zh.replace("不是诊断", ""), key


def test_every_hint_state_and_tier_has_its_words() -> None:
    for hint in (*get_args(Hint), "no_verdict", "other", "ok", "paused"):
        assert f"hint.{hint}" in WORDS
    for state in get_args(State):
        assert f"encounter.{state}" in WORDS
        assert state == "screening" or f"hint.{state}" in WORDS
    for tier in SEVERITY:
        assert f"tier.{tier}" in WORDS


def test_every_key_of_the_page_is_in_the_table() -> None:
    screen = files("edge").joinpath("screen")
    html = screen.joinpath("page.html").read_text(encoding="utf-8")
    script = screen.joinpath("page.js").read_text(encoding="utf-8")
    used = re.findall(r'data-word="([\w.]+)"', html) + re.findall(r'word\("([\w.]+)"', script)
    used += re.findall(r'"((?:found|banner|problem|keeping|state|app)\.[\w]+)"', script)
    assert len(used) > 10
    assert set(used) <= set(WORDS)
    icons = re.findall(r"(\w+): \"(\w+)\"", re.search(r"const ICONS = \{(.*?)\};", script, re.DOTALL)[1])  # type: ignore[index]
    for hint, icon in icons:
        assert f"hint.{hint}" in WORDS
        assert f'<symbol id="{icon}"' in html
    for hint in get_args(Hint):
        assert hint in dict(icons)


def test_a_word_with_fields() -> None:
    assert word("keeping.waiting", "en", count=3).startswith("3 waiting")
    assert "3" in word("keeping.waiting", "zh", count=3)
    with pytest.raises(KeyError):
        word("no.such", "en")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr,zh;q=0.5", "zh"),
        ("en;q=0.1,zh;q=0.9", "zh"),
        ("de", "en"),
        ("zh;q=broken,en", "en"),
    ],
)
def test_the_browsers_language(header: str, language: str) -> None:
    assert language in LANGUAGES
    assert preferred(header) == language
