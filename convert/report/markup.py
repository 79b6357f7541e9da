"""The report's building blocks: a section, a table, a number. Markup comes out; text that goes in is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence


def section(title: str, told: str, *parts: str) -> str:
    under = f'<p class="quiet">{escaped(told)}</p>' if told else ""
    return f"<section><h2>{escaped(title)}</h2>{under}{''.join(parts)}</section>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, plot: bool = False, lead: bool = False) -> str:
    """head: "#" before a name marks a column of figures. Cells are markup already. plot: the last column is one."""
    figures = [name.startswith("#") for name in head]

    def style(place: int) -> str:
        if plot and place == len(head) - 1:
            return ' class="plot-cell"'
        return ' class="figure"' if figures[place] else ' class="name"' if place == 0 else ""

    top = "".join(f"<th{style(place)}>{escaped(name.removeprefix('#'))}</th>" for place, name in enumerate(head))
    body = "".join(
        f"<tr{' class=lead' if lead and index == 0 else ''}>"
        + "".join(f"<td{style(place)}>{cell}</td>" for place, cell in enumerate(row))
        + "</tr>"
        for index, row in enumerate(rows)
    )
    header = f"<thead><tr>{top}</tr></thead>" if any(head) else ""
    return f'<div class="scroll"><table>{header}<tbody>{body}</tbody></table></div>'


def number(value: float | None) -> str:
    """A figure of 0 to 1, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def milliseconds(value: float) -> str:
    """Of a network that takes microseconds, too, more than zeros."""
    return f"{value:.2f} ms" if value >= 0.1 else f"{value:.3f} ms"


def multiplications(mac: int) -> str:
    return f"{mac / 1e6:,.0f} MMAC" if mac >= 1e6 else f"{mac / 1e3:,.0f} kMAC"


def megabytes(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def escaped(value: str) -> str:
    """Text as markup; long names may break behind what divides them."""
    return re.sub(r"(?<=[/_])(?=\w)", "<wbr>", html.escape(value))
