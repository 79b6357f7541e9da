"""What one person's visit sends: consent, findings, pictures, the end."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from edge.clock import uuid7
from edge.encounter import Encounter
from edge.events import Consent, EncounterClosed, EncounterOpened, EventBody, Finding, PicturePart
from edge.renditions import cut
from edge.session import Scope
from edge.wire import Tier
from tests.hub.sender import closed, encounter, finding, now

PICTURES: tuple[Scope, ...] = ("screening", "pictures", "follow_up")


def consent(seen: Encounter, scope: tuple[Scope, ...] = PICTURES, sample_share: float | None = None) -> Consent:
    return Consent(at=now(), encounter=seen, scope=scope, consent_form="form-1", sample_share=sample_share)


def view(seen: Encounter, jpeg: bytes | None = None) -> Sequence[PicturePart]:
    """A whole view of one part; any bytes stand for a picture here."""
    return cut(seen, None, "full", jpeg or os.urandom(64), now())


def crop(found: Finding, jpeg: bytes | None = None) -> Sequence[PicturePart]:
    return cut(found.encounter, found.finding_id, "crop", jpeg or os.urandom(64), now())


def visit(
    *tiers: Tier,
    scope: tuple[Scope, ...] = PICTURES,
    sample_share: float | None = None,
    label: str = "cutaneous_tumour",
    seen: Encounter | None = None,
) -> list[EventBody]:
    """One person from coming to leaving, with a finding of each tier, and a whole view where they were drawn."""
    seen = seen or encounter()
    anonymous = msgspec.structs.replace(seen, participant=None, consent=None)
    found = [finding(seen, tier=tier, label=label) for tier in tiers]
    bodies: list[EventBody] = [EncounterOpened(at=now(), encounter=anonymous), consent(seen, scope, sample_share)]
    bodies += found
    if sample_share is not None:
        bodies += view(seen)
    return [*bodies, ending(seen, len(found))]


def ending(seen: Encounter, findings: int) -> EncounterClosed:
    return closed(seen, findings)


def an_id() -> str:
    return uuid7(now())
