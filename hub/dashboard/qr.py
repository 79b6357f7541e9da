"""A QR code as SVG, for a page on paper or on a screen."""

from __future__ import annotations

import io

import segno


def drawn(text: str) -> str:
    """SVG without a size of its own: the style gives it one. Error correction M: a fold or a stain may cover some."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=2, title=None, dark="#16202b", light="#fff"
    )
    return out.getvalue().decode()
