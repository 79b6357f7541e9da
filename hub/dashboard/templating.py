"""The templates and what each of them may use. Every value passes through their own escaping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jinja2

from edge.terms import groups, label_text
from edge.words import Language
from hub.words import ago, clock_time, day, word, word_or

NOTHING = "–"
CHINESE = "/zh"

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("hub.dashboard", "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def address(page: str, language: Language) -> str:
    """Of a page in a language: "" is the first page, "worklist" the worklist."""
    return f"{CHINESE if language == 'zh' else ''}/{page}".rstrip("/") or "/"


def render(name: str, language: Language, **values: Any) -> str:
    """HTML of templates/NAME.html."""

    def said(key: str, **fields: object) -> str:
        return word(key, language, **fields)

    return _templates.get_template(f"{name}.html").render(
        t=said,
        of=lambda head, key: word_or(f"{head}.{key}", key, language),
        label=lambda name: label_name(name, language),
        all=lambda names: listed(names, language),
        number=lambda value: f"{value:,}",
        percent=percent,
        day=lambda at: day(at, language),
        clock=lambda at, now: clock_time(at, now, language),
        since=lambda at, now: ago(at, now, language),
        to=lambda page: address(page, language),
        nothing=NOTHING,
        language=language,
        **values,
    )


def label_name(label: str, language: Language) -> str:
    """A label, or what a card does not cover, in words; a name that we do not know as it is written."""
    return label_text(label, language) if label in groups() else word_or(f"card.{label}", label, language)


def listed(labels: Sequence[str], language: Language) -> str:
    """Labels in one sentence."""
    return ("、" if language == "zh" else ", ").join(label_name(label, language) for label in labels)


def percent(share: float | None) -> str:
    """0.834 as 83.4%; a dash for what there is none of."""
    return NOTHING if share is None else f"{100 * share:.1f}%"
