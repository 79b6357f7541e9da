"""The pictures of one person for the page itself: as data within it, so that no browser keeps a file of them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hub import queries_worklist as queries
from hub.queries_worklist import Detail, Seen

PICTURES_MAX = 6


@dataclass(frozen=True)
class Shown:
    """address: a data URI, "" where there is no picture. seen: what it shows; None for the whole view."""

    address: str
    missing: str | None
    seen: Seen | None


def pictures_of(connection: sa.Connection, detail: Detail) -> Sequence[Shown]:
    """One a finding; of somebody who was drawn, and of whom nothing is told, the whole view."""
    item = detail.item
    if not detail.findings:
        return [_shown(connection, item.device, item.encounter_id, None)]
    return [_shown(connection, item.device, item.encounter_id, seen) for seen in detail.findings[:PICTURES_MAX]]


def _shown(connection: sa.Connection, device: str, encounter_id: str, seen: Seen | None) -> Shown:
    picture = queries.picture(connection, device, encounter_id, None if seen is None else seen.finding_id)
    if picture.jpeg is None:
        return Shown("", picture.missing, seen)
    return Shown(f"data:image/jpeg;base64,{base64.b64encode(picture.jpeg).decode()}", None, seen)
