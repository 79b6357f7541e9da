"""Messages that are almost right: one field of a golden message replaced, removed or doubled, or some of its bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "wire"
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**53, 2**53 + 1, 2**63, 2**64, -(2**63), 1e308, -0.0, 0.5, "", "a", "A" * 300, "0" * 64,
    "\u0000", "\ud83d\ude00", "../..", "2026-03-01T08:30:15Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "2026-02-30T00:00:00Z", [], [[]], {}, {"a": 1}, [1, 2, 3, 4], [None] * 8, "urgent", "void", "\n", "{site}",
)  # fmt: skip


def field_paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a message, its whole included."""
    yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from field_paths(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from field_paths(each, (*path, index))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """A copy with one place replaced."""
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], by)
    return copy


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Cut, with bits flipped, with bytes in between, or with a piece twice."""
    match chance.randrange(4):
        case 0:
            return data[: chance.randrange(len(data) + 1)]
        case 1:
            changed = bytearray(data)
            for _ in range(chance.randint(1, 8)):
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            return bytes(changed)
        case 2:
            place = chance.randrange(len(data) + 1)
            return data[:place] + chance.randbytes(chance.randint(1, 40)) + data[place:]
        case _:
            start = chance.randrange(len(data))
            return data[:start] + data[start : start + 64] * 2 + data[start + 64 :]


def golden_json() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(GOLDEN.glob("*.json"))}


def golden_sealed() -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted(GOLDEN.glob("*.bin"))}
