"""Who is seen in an episode of kills: a few dozen pseudonyms, so that some withdraw while more comes about them."""

from __future__ import annotations

import random

from edge.encounter import Encounter
from edge.pseudonym import make
from tests.golden.messages import an_id

PARTICIPANTS = tuple(make(random.Random(number).randbytes) for number in range(40))


def encounter(participant: str) -> Encounter:
    """Everybody is seen once."""
    number = PARTICIPANTS.index(participant)
    return Encounter(
        encounter_id=an_id(1000 + number),
        cohort="village-3",
        operator="operator-1",
        participant=participant,
        consent=an_id(2000 + number),
    )
