"""The driver behind `make test`, imported from its file, on an empty project of three heavy parts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.tree import ROOT


def load(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module `parts`, as the project has it; gone from sys.modules after the test."""
    monkeypatch.syspath_prepend(ROOT / ".ci")
    for name in ("heavy_parts", "parts"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setitem(sys.modules, name, importlib.import_module(name))
    return sys.modules["parts"]


def on_empty_project(monkeypatch: pytest.MonkeyPatch, folder: Path) -> ModuleType:
    """The same with heavy parts a, b and c in `folder`, and records of its own."""
    module = load(monkeypatch)
    monkeypatch.setattr(module, "ROOT", folder)
    monkeypatch.setattr(module, "RECORDS", folder / "records")
    for name in "abc":
        (folder / name).mkdir()
        (folder / name / "file.py").write_text(name)
    part = sys.modules["heavy_parts"].HeavyPart
    monkeypatch.setattr(module, "HEAVY", {name: part("heavy", (f"tests/{name}",), (name,)) for name in "abc"})
    return module
