"""Of what something made was made: a hash of code and table, so that what lies under build/ is used while it holds."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from types import ModuleType

from models.data import data_dir


def fingerprint(*parts: ModuleType | str) -> str:
    """16 hex digits over modules (their statements: no layout, comment or docstring), texts, and the table of boxes."""
    digest = hashlib.sha256((data_dir() / "boxes.csv").read_bytes())
    for part in parts:
        told = part if isinstance(part, str) else statements(Path(str(part.__file__)).read_text(encoding="utf-8"))
        digest.update(told.encode() + b"\0")
    return digest.hexdigest()[:16]


def statements(source: str) -> str:
    """A module's syntax tree as text, without docstrings and other lone texts."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _lone_text(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _lone_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
