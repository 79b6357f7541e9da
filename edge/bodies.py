"""What the bodies of events, commands and responses have in common; they themselves stand in edge/events.py."""

from __future__ import annotations

from edge import pseudonym
from edge.wire import Id, Message, Participant, Time


def check_pseudonym(participant: str) -> None:
    """Raises ValueError, as msgspec wants it."""
    if not pseudonym.is_valid(participant):
        raise ValueError(f"the check symbol of participant {participant} does not fit")


class Body(Message, frozen=True, kw_only=True, tag_field="type"):
    """Base of what is sealed; `at` is the device's wall time."""

    at: Time


class AboutEncounter(Body, frozen=True, kw_only=True, tag_field="type"):
    """A command about somebody whom this device has seen; the participant's tombstone erases what came of it."""

    encounter_id: Id
    participant: Participant

    def __post_init__(self) -> None:
        super().__post_init__()
        check_pseudonym(self.participant)
