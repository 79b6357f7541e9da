"""Counts by label and site → the options of a bar chart (ECharts)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from edge.terms import label_text
from edge.words import Language
from hub.queries import Count
from hub.words import word

SITES_SHOWN = 5
LEGEND_LINES_MAX = 2
LEGEND_LINE_PX = 24
LEGEND_WIDTH_PX = 300
TINTS = ("#0b6e7a", "#5aa3ab", "#a9d0d4", "#44566b", "#92a1b3", "#c9d1da")
"""Of the accent and of grey, told apart in grey print too; the legend names them."""


def options(counts: Sequence[Count], language: Language) -> dict[str, Any]:
    """One bar a label, one piece of it a site; the smallest sites together."""
    by_site: Counter[str] = Counter()
    by_label: Counter[str] = Counter()
    cells: Counter[tuple[str, str]] = Counter()
    for count in counts:
        by_site[count.site] += count.findings
        by_label[count.label] += count.findings
        cells[count.label, count.site] += count.findings
    shown = [site for site, _ in by_site.most_common(SITES_SHOWN)]
    other = [site for site in by_site if site not in shown]
    labels = [label for label, _ in by_label.most_common()]
    pieces = [(site, [cells[label, site] for label in labels]) for site in sorted(shown)]
    if other:
        rest = [sum(cells[label, site] for site in other) for label in labels]
        pieces.append((word("counts.other", language), rest))
    wanted = _legend_lines([name for name, _ in pieces])
    lines = wanted if wanted <= LEGEND_LINES_MAX else 1
    return {
        "animationDuration": 300,
        "textStyle": {"fontFamily": "Roboto, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"},
        "aria": {"enabled": True},
        "color": list(TINTS),
        "grid": {"left": 4, "right": 24, "top": 6, "bottom": 10 + LEGEND_LINE_PX * lines, "containLabel": True},
        "legend": {
            "bottom": 0,
            "left": 0,
            "type": "plain" if wanted <= LEGEND_LINES_MAX else "scroll",
            "icon": "roundRect",
            "itemWidth": 12,
            "itemHeight": 12,
            "itemGap": 14,
        },
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "confine": True},
        "xAxis": {"type": "value", "minInterval": 1, "splitLine": {"lineStyle": {"color": "#eef1f4"}}},
        "yAxis": {
            "type": "category",
            "inverse": True,
            "data": [label_text(label, language) for label in labels],
            "axisLine": {"show": False},
            "axisTick": {"show": False},
            "axisLabel": {"width": 120, "overflow": "break", "fontSize": 13, "color": "#16202b"},
        },
        "series": [
            {"name": name, "type": "bar", "stack": "all", "barMaxWidth": 26, "data": values} for name, values in pieces
        ],
    }


def _legend_lines(names: Sequence[str]) -> int:
    """How many lines the legend takes beside a laptop's findings, about 7 px a letter."""
    lines, used_px = 1, 0
    for name in names:
        width_px = 40 + 7 * len(name)
        if used_px and used_px + width_px > LEGEND_WIDTH_PX:
            lines, used_px = lines + 1, 0
        used_px += width_px
    return lines
