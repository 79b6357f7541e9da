"""Plots as inline SVG: no script, no library, nothing loaded. Colours stand in report.css; numbers stand in the page.

Every plot is drawn in a box of its own units and scales with the page; text inside is large enough for a phone.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

WIDTH, HEIGHT = 340, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 8, 22, 34
_INNER_W, _INNER_H = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM


def interval(value: float, low: float | None, high: float | None, allowed: float | None, reach: float) -> str:
    """One difference in points with its interval on a line from -reach to reach; allowed: where the gate's limit is."""

    def x(points: float) -> str:
        return f"{50 + 50 * max(-1.0, min(1.0, points / reach)):.2f}%"

    parts = ['<line class="axis" x1="0" x2="100%" y1="11" y2="11"/>', '<line class="zero" x1="50%" x2="50%" y2="22"/>']
    if allowed is not None:
        parts.append(f'<line class="limit" x1="{x(-allowed)}" x2="{x(-allowed)}" y2="22"/>')
    if low is not None and high is not None:
        parts.append(f'<line class="interval" x1="{x(low)}" x2="{x(high)}" y1="11" y2="11"/>')
    parts.append(f'<circle class="dot" cx="{x(value)}" cy="11" r="4.5"/>')
    spread = "" if low is None or high is None else f", interval {low:+.2f} to {high:+.2f}"
    return (
        f'<svg class="forest" width="100%" height="22" role="img" aria-label="{value:+.2f} points{spread}">'
        + "".join(parts)
        + "</svg>"
    )


def bar(fraction: float, *, marked: bool = False) -> str:
    """A bar of a table's row, 0 to 1 of the cell."""
    share = 100 * max(0.0, min(1.0, fraction))
    return f'<span class="bar{" marked" if marked else ""}"><i style="width:{share:.1f}%"></i></span>'


def layers(snr_db: Sequence[float], marked: Collection[int], top: float, title: str) -> str:
    """One bar a layer, input to output, from 0 to top dB; the shorter, the more noise. marked: indices of the worst."""
    step = _INNER_W / max(1, len(snr_db))
    parts = _grid([0, top / 2, top], top, "dB")
    for index, value in enumerate(snr_db):
        # A layer of nothing but noise still has to be seen.
        height = max(1.5, _INNER_H * min(1.0, value / top))
        parts.append(
            f'<rect class="{"worst" if index in marked else "fill"}" x="{_LEFT + index * step:.2f}" '
            f'y="{_TOP + _INNER_H - height:.2f}" width="{max(0.6, step * 0.8):.2f}" height="{height:.2f}"/>'
        )
    return _plot(parts, title, "layers, input to output")


def histogram(before: Sequence[int], after: Sequence[int], title: str, axis: str) -> str:
    """Counts of both models in equal bins from 0 to 1, as shares of each model's own total."""
    shares = [[count / max(1, sum(counts)) for count in counts] for counts in (before, after)]
    top = max(0.01, *shares[0], *shares[1])
    parts = _grid([0, top / 2, top], top, "%", scale=100)
    parts += [_steps(shares[0], top, "before"), _steps(shares[1], top, "after")]
    return _plot(parts, title, axis, ends=("0", "1"))


def reliability(
    before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]], title: str, axis: str
) -> str:
    """(mean probability, share right) of each filled bin, for both models; the diagonal is what they promise."""
    diagonal = f'<line class="zero" x1="{_x(0)}" y1="{_y(0, 1)}" x2="{_x(1)}" y2="{_y(1, 1)}"/>'
    parts = [*_grid([0, 0.5, 1], 1.0, "%", scale=100), diagonal]
    for points, style in ((before, "before"), (after, "after")):
        path = " ".join(f"{_x(x)},{_y(y, 1)}" for x, y in points)
        parts.append(f'<polyline class="{style}" points="{path}"/>')
        parts += [f'<circle class="{style} point" cx="{_x(x)}" cy="{_y(y, 1)}" r="3"/>' for x, y in points]
    return _plot(parts, title, axis, ends=("0", "1"))


def _steps(shares: Sequence[float], top: float, style: str) -> str:
    points = [f"{_x(0)},{_y(0, top)}"]
    for index, share in enumerate(shares):
        points += [f"{_x(edge / len(shares))},{_y(share, top)}" for edge in (index, index + 1)]
    points.append(f"{_x(1)},{_y(0, top)}")
    return f'<polyline class="{style}" points="{" ".join(points)}"/>'


def _grid(values: Sequence[float], top: float, unit: str, *, scale: float = 1.0) -> list[str]:
    parts = []
    for value in values:
        y = _y(value, top)
        parts.append(f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{_LEFT - 4}" y="{float(y) + 4:.1f}" text-anchor="end">{value * scale:.0f}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_TOP - 9}">{unit}</text>')
    return parts


def _plot(parts: Sequence[str], title: str, axis: str, ends: tuple[str, str] = ("", "")) -> str:
    base = _TOP + _INNER_H + 15
    labels = [
        f'<text x="{_LEFT}" y="{base}">{ends[0]}</text>',
        f'<text x="{WIDTH - _RIGHT}" y="{base}" text-anchor="end">{ends[1]}</text>',
        f'<text x="{_LEFT + _INNER_W / 2}" y="{base + 14}" text-anchor="middle">{html.escape(axis)}</text>',
    ]
    body = "".join([*parts, *labels])
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">{body}</svg>'


def _x(value: float) -> str:
    return f"{_LEFT + _INNER_W * max(0.0, min(1.0, value)):.1f}"


def _y(value: float, top: float) -> str:
    return f"{_TOP + _INNER_H * (1 - max(0.0, min(1.0, value / top))):.1f}"
