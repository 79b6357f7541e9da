"""What the pages say of models: which are in the field, what they cover, and whether anybody here vouches for them.

A device's word that its model is clinical counts for nothing: `status` is that of this hub's own registration, and
research for all that nobody has registered (hub/desk/models.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from edge import terms
from hub.desk.models import Registered, registered
from hub.schema import device_states, findings


@dataclass(frozen=True)
class ModelInUse:
    """A model that findings came from, or that a device names. told_status: the devices' word, shown and not believed.

    card_sha256 is None where only a device's state names it. labels is None for one that is not registered.
    """

    name: str
    version: str
    card_sha256: str | None
    status: Literal["research", "clinical"]
    told_status: str | None
    labels: Sequence[str] | None
    not_covered: Sequence[str]
    findings: int
    devices: int

    @property
    def covers_all(self) -> bool:
        """Whether it covers all six groups of disease: without it nobody is sent home on its word."""
        return self.labels is not None and set(terms.groups()) <= set(self.labels)


def in_use(connection: sa.Connection) -> list[ModelInUse]:
    """All of them, by name and version."""
    known = registered(connection)
    by_card = {each.card_sha256: each for each in known}
    by_name = {(each.name, each.version): each for each in known}
    named = _named_by_devices(connection)
    found = []
    seen: set[str] = set()
    keys = (findings.c.model_name, findings.c.model_version, findings.c.model_status, findings.c.card_sha256)
    query = sa.select(*keys, sa.func.count().label("rows")).group_by(*keys).order_by(*keys)
    for row in connection.execute(query):
        seen.add(f"{row.model_name} {row.model_version}")
        found.append(
            _in_use(
                row.model_name,
                row.model_version,
                row.card_sha256,
                row.model_status,
                by_card.get(row.card_sha256),
                row.rows,
                named.get(f"{row.model_name} {row.model_version}", 0),
            )
        )
    for text, devices in sorted(named.items()):
        if text not in seen:
            name, _, version = text.rpartition(" ")
            found.append(_in_use(name, version, None, None, by_name.get((name, version)), 0, devices))
    return sorted(found, key=lambda each: (each.name, each.version))


def is_research(models: Iterable[ModelInUse]) -> bool:
    """Whether every page must say "demonstration, not for clinical use": but for clinical models alone, always."""
    return {each.status for each in models} != {"clinical"}


def named_by(connection: sa.Connection, device: str) -> str | None:
    """Name and version of the model that a device says it runs."""
    query = sa.select(device_states.c.state).where(device_states.c.device == device)
    state = connection.execute(query).scalar_one_or_none()
    return None if not isinstance(state, dict) else state.get("model")


def of_name(connection: sa.Connection, text: str) -> Registered | None:
    """The registered model with this name and version."""
    return next((each for each in registered(connection) if f"{each.name} {each.version}" == text), None)


def _named_by_devices(connection: sa.Connection) -> dict[str, int]:
    model = device_states.c.state["model"].as_string()
    query = sa.select(model.label("model"), sa.func.count().label("devices")).where(model.is_not(None))
    return {row.model: row.devices for row in connection.execute(query.group_by(model))}


def _in_use(
    name: str, version: str, card: str | None, told: str | None, known: Registered | None, findings: int, devices: int
) -> ModelInUse:
    return ModelInUse(
        name=name,
        version=version,
        card_sha256=card,
        status=known.status if known is not None else "research",
        told_status=told,
        labels=known.labels if known is not None else None,
        not_covered=known.not_covered if known is not None else (),
        findings=findings,
        devices=devices,
    )
