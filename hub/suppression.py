"""Counts of people, made safe to hand to somebody who must not learn about one person.

Primary and complementary suppression of a table's cells, as statistical offices do it (L. Willenborg and T. de Waal,
Elements of Statistical Disclosure Control, 2001, chapter 6). None stands for what is not told.
"""

from __future__ import annotations

from collections.abc import Mapping


def suppressed(count: int, under: int) -> int | None:
    """None for a count that is smaller, nought among them."""
    return count if count >= under else None


def suppressed_parts(parts: Mapping[str, int], under: int) -> dict[str, int | None]:
    """Parts of a total that is told too. Small ones are hidden, and so many more that the total gives none away.

    Whoever subtracts what is told from the total learns the sum of what is hidden: so at least two parts are hidden, or
    none, and together they are not small. The smallest of the others go first.
    """
    hidden = {name for name, count in parts.items() if count < under}
    others = sorted(parts.keys() - hidden, key=lambda name: (parts[name], name), reverse=True)
    while hidden and others and (len(hidden) == 1 or sum(parts[name] for name in hidden) < under):
        hidden.add(others.pop())
    return {name: None if name in hidden else count for name, count in parts.items()}
