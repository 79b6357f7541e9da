"""Which models this hub's people have registered, by their cards: what they cover, and whether they are clinical.

A device says of its model what its card says, and a card can be written by anybody. So `clinical` counts only where
somebody at this hub has said so, and what nobody has registered counts as research that covers nobody knows what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from edge.bundle import Card
from edge.errors import UsageError
from hub.auditing import audit
from hub.database import upsert
from hub.schema_desk import models

Status = Literal["research", "clinical"]


@dataclass(frozen=True)
class Registered:
    """A model that somebody here vouches for."""

    card_sha256: str
    name: str
    version: str
    status: Status
    labels: Sequence[str]
    not_covered: Sequence[str]
    added_at: datetime
    account: str


def register(connection: sa.Connection, card: Card, account: str, now: datetime, *, clinical: bool = False) -> None:
    """Raises UsageError for a model as clinical whose own card says research."""
    if clinical and card.status != "clinical":
        raise UsageError(
            f"expected a card with status clinical for --clinical, {card.name} {card.version} says {card.status}: "
            "register it without --clinical"
        )
    row = {
        "name": card.name,
        "version": card.version,
        "status": "clinical" if clinical else "research",
        "labels": [label.name for label in card.labels],
        "not_covered": list(card.not_covered),
        "added_at": now,
        "account": account,
    }
    statement = upsert(connection, models).values(card_sha256=card.sha256, **row)
    connection.execute(statement.on_conflict_do_update(index_elements=[models.c.card_sha256], set_=row))
    audit(connection, now, account, "model_registered", f"{card.name} {card.version}", f"{row['status']} {card.sha256}")


def registered(connection: sa.Connection) -> list[Registered]:
    """All of them, by name and version."""
    query = sa.select(models).order_by(models.c.name, models.c.version, models.c.card_sha256)
    return [Registered(**row) for row in connection.execute(query).mappings()]


def labels_of(connection: sa.Connection, card_sha256: str) -> Sequence[str] | None:
    """What the model of this card covers; None where nobody has registered it."""
    query = sa.select(models.c.labels).where(models.c.card_sha256 == card_sha256)
    found: Sequence[str] | None = connection.execute(query).scalar_one_or_none()
    return found
