"""From a label and its score to a suggested tier, by a versioned rule table that is data.

Abstaining is an answer: what no rule fits goes to a person. A model that does not cover all six groups of disease can
never yield self_care, because what it did not look for it did not rule out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from edge import terms
from edge.config import Fraction, Settings
from edge.config import Triage as TriageSettings
from edge.errors import ConfigError
from edge.wire import Name, Tier

SEVERITY: tuple[Tier, ...] = ("self_care", "person", "routine", "urgent")
"""From the mildest to the worst. `person` stands above self_care: nobody has decided yet."""


class Rule(Settings, frozen=True):
    """From this score on, this label is suggested this tier."""

    label: Annotated[str, Meta(min_length=1)]
    score_min: Fraction
    tier: Tier


class RuleTable(Settings, frozen=True):
    """version goes into every finding, so that a reader knows which table suggested its tier."""

    version: Name
    otherwise: Tier
    rule: tuple[Rule, ...] = ()


class Triage:
    """Rules for one model: its labels decide whether self_care is open to it."""

    def __init__(self, settings: TriageSettings, labels: Iterable[str]) -> None:
        self._rules = load_rules(Path(settings.rules) if settings.rules else None)
        self._complete = set(terms.groups()) <= set(labels)

    @property
    def version(self) -> str:
        return self._rules.version

    def tier(self, label: str, score: float) -> Tier:
        """The tier that the first fitting rule suggests."""
        fitting = (rule.tier for rule in self._rules.rule if rule.label == label and score >= rule.score_min)
        suggested = next(fitting, self._rules.otherwise)
        return "person" if suggested == "self_care" and not self._complete else suggested


def load_rules(path: Path | None = None) -> RuleTable:
    """A rule table; None is the one that ships. Raises ConfigError where it is missing or not one."""
    try:
        if path is None:
            text = files("edge").joinpath("rules", "triage-1.toml").read_text(encoding="utf-8")
        else:
            text = path.read_text(encoding="utf-8")
        return msgspec.convert(tomllib.loads(text), RuleTable)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"expected a rule table for triage.rules at {path or 'the package'}; {error}") from error


def worst(tiers: Iterable[Tier]) -> Tier | None:
    """The most severe of these; None for none."""
    return max(tiers, key=SEVERITY.index, default=None)
