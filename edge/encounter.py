"""Who is seen: the value that every event about a person carries."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edge import pseudonym
from edge.wire import Id, Message, Name, Participant


class Encounter(Message, frozen=True, kw_only=True):
    """One person seen once. A participant stands here only together with the consent's reference, and the other way."""

    encounter_id: Id
    cohort: Name
    wave: Annotated[int, Meta(ge=1, le=1000)] = 1
    operator: Name
    participant: Participant | None = None
    consent: Id | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.participant is None) != (self.consent is None):
            raise ValueError("a participant needs a consent reference, and a consent its participant")
        if self.participant is not None:
            check_pseudonym(self.participant)


def check_pseudonym(participant: str) -> None:
    """Raises ValueError for a participant whose check symbol does not fit."""
    if not pseudonym.is_valid(participant):
        raise ValueError(f"the check symbol of participant {participant} does not fit")
