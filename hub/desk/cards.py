"""Cards for participants to carry: the pseudonym as text and as a QR code, many to a sheet, as SVG.

The code holds the pseudonym and nothing else: whoever finds a card learns nothing of its owner.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from html import escape

import segno

from edge import pseudonym

CARD_MM = (85, 54)
"""The size of a bank card."""
COLUMNS, ROWS = 2, 5
MARGIN_MM = (17, 13)
GAP_MM = 6
CODE_MM = 36
CARDS_MAX = 10_000
QUIET_MODULES = 4
"""The white border that the standard asks for."""


def code(text: str, side: float) -> str:
    """A QR code as an SVG group whose side is so long, its quiet zone included; error correction M (ISO/IEC 18004)."""
    made = segno.make(text, error="m", micro=False)
    modules = len(made.matrix) + 2 * QUIET_MODULES
    path = "".join(
        f"M{column + QUIET_MODULES} {row + QUIET_MODULES}h1v1h-1z"
        for row, line in enumerate(made.matrix)
        for column, dark in enumerate(line)
        if dark
    )
    return f'<g transform="scale({side / modules:.5f})" shape-rendering="crispEdges"><path d="{path}"/></g>'


def picture(text: str, side_mm: float = 30.0) -> str:
    """A QR code as an SVG document by itself, black on white."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side_mm}mm" height="{side_mm}mm" '
        f'viewBox="0 0 {side_mm} {side_mm}"><rect width="{side_mm}" height="{side_mm}" fill="#fff"/>'
        f"{code(text, side_mm)}</svg>"
    )


def new_pseudonyms(count: int, random_bytes: Callable[[int], bytes] = os.urandom) -> list[str]:
    """Pseudonyms that differ from each other, for people who are not known yet."""
    names: dict[str, None] = {}
    while len(names) < count:
        names[pseudonym.make(random_bytes)] = None
    return list(names)


def sheets(names: Sequence[str], title: str) -> list[str]:
    """Pages of A4, ten cards each, as whole SVG documents to print. title: say the cohort; on every card."""
    per_page = COLUMNS * ROWS
    return [_sheet(names[start : start + per_page], title) for start in range(0, len(names), per_page)]


def _sheet(names: Sequence[str], title: str) -> str:
    (width, height), (left, top) = CARD_MM, MARGIN_MM
    cards = "".join(
        _card(name, title, left + place % COLUMNS * (width + GAP_MM), top + place // COLUMNS * height)
        for place, name in enumerate(names)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="210mm" height="297mm" viewBox="0 0 210 297" '
        f'font-family="sans-serif">{cards}</svg>'
    )


def _card(name: str, title: str, x_mm: float, y_mm: float) -> str:
    width, height = CARD_MM
    return (
        f'<g transform="translate({x_mm} {y_mm})">'
        f'<rect width="{width}" height="{height}" fill="#fff" stroke="#888" stroke-width="0.2"/>'
        f'<g transform="translate(4 9)">{code(name, CODE_MM)}</g>'
        f'<text x="42" y="25" font-size="5.5" font-family="monospace">{escape(name)}</text>'
        f'<text x="42" y="33" font-size="3.2" fill="#444">{escape(title)}</text></g>'
    )
