"""What a label means: local words (English, Chinese) and, where a source says so, codes. Read from terms.toml.

A label of a model names a group; a group has no code, only its members have. SNOMED CT ids need a licence where they
are used, so they are given only to whoever asks for them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Concept:
    """One disease, its local names and its codes ("" where none has a source)."""

    name: str
    en: str
    zh: str
    icd10: str = ""
    icd11: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """What a label stands for: local names, and the concepts that belong to it."""

    name: str
    en: str
    zh: str
    members: tuple[Concept, ...]


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(files("edge").joinpath("terms.toml").read_text(encoding="utf-8"))


@cache
def groups() -> Mapping[str, Group]:
    """The six groups of disease that a complete model covers, by label."""
    table = _table()
    concepts = {name: Concept(name, **fields) for name, fields in table["concepts"].items()}
    return {
        name: Group(name, fields["en"], fields["zh"], tuple(concepts[member] for member in fields["members"]))
        for name, fields in table["groups"].items()
    }


def sources() -> Mapping[str, str]:
    """Where the codes come from, by code system."""
    return dict(_table()["sources"])


def snomed_ids() -> Mapping[str, str]:
    """Concept → SNOMED CT id. Only for whoever holds a licence; nothing of ours emits them by itself."""
    return dict(_table()["snomed"])


def label_text(label: str, language: str) -> str:
    """A label in the language's words ("zh", else English); a label that we do not know is shown as it is written."""
    group = groups().get(label)
    if group is None:
        return label.replace("_", " ")
    return group.zh if language == "zh" else group.en
