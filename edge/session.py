"""The encounter's state machine, as a table: one person seen once, from coming to leaving.

    idle ── person_came ──▶ asking ── consented ──▶ screening ── person_left ──▶ idle (completed)
                              │                  └─ referral_asked: a doctor should see what was found
                              │ ── refused ──▶ refused ── person_left ──▶ idle (refused)

Who says what happened is an Operator. Frames are looked at for findings in `screening` only; a participant's pseudonym
exists only from the consent on, and the consent is the first event that carries it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

from edge import events, pseudonym
from edge.clock import Clock, uuid7
from edge.config import Operator as OperatorSettings
from edge.encounter import Encounter
from edge.errors import SessionError
from edge.frame import Frame
from edge.triage import worst
from edge.wire import Tier

State = Literal["idle", "asking", "screening", "refused"]
Event = Literal["person_came", "consented", "refused", "referral_asked", "person_left", "aborted"]
Scope = Literal["screening", "pictures", "follow_up"]
Reason = Literal["no_reason_given", "no_time", "privacy", "photography", "other"]

TABLE: Mapping[tuple[State, Event], State] = {
    ("idle", "person_came"): "asking",
    ("asking", "consented"): "screening",
    ("asking", "refused"): "refused",
    ("asking", "person_left"): "idle",
    ("asking", "aborted"): "idle",
    ("screening", "referral_asked"): "screening",
    ("screening", "person_left"): "idle",
    ("screening", "aborted"): "idle",
    ("refused", "person_left"): "idle",
    ("refused", "aborted"): "idle",
}
"""What is not in the table cannot happen: SessionError."""

OUTCOMES: Mapping[tuple[State, Event], Literal["completed", "refused", "aborted"]] = {
    ("asking", "person_left"): "aborted",
    ("asking", "aborted"): "aborted",
    ("screening", "person_left"): "completed",
    ("screening", "aborted"): "aborted",
    ("refused", "person_left"): "refused",
    ("refused", "aborted"): "refused",
}
"""How an encounter ended, by the last step. A refusal stays one, whatever came after it."""

CONSENT_FORM = "demonstration-1"


@dataclass(frozen=True, slots=True)
class SessionChange:
    """What an operator says. scope with "consented", reason with "refused", body_site with "person_came"."""

    event: Event
    scope: tuple[Scope, ...] = ("screening",)
    reason: Reason = "no_reason_given"
    body_site: str = "unspecified"


class Operator(Protocol):
    """Whoever runs the encounters. Constructed with the whole Config."""

    def step(self, frame: Frame) -> list[SessionChange]:
        """What happened by the time of this frame."""


@dataclass(slots=True)
class _Tally:
    opened_ns: int
    shots: int = 0
    retakes: dict[str, int] = field(default_factory=dict)
    found: list[tuple[str, Tier]] = field(default_factory=list)


class Session:
    """random_bytes: say os.urandom; pseudonyms are made of it, and who is drawn.

    pictures_agreed, is_drawn: of the encounter that is open.
    """

    def __init__(self, settings: OperatorSettings, clock: Clock, random_bytes: Callable[[int], bytes]) -> None:
        self.state: State = "idle"
        self.encounter: Encounter | None = None
        self.body_site = "unspecified"
        self.pictures_agreed = False
        self.is_drawn = False
        self._settings = settings
        self._clock = clock
        self._random = random_bytes
        self._tally: _Tally | None = None

    def apply(self, change: SessionChange) -> list[events.EventBody]:
        """The events of this change, in the order in which they must be kept. Raises SessionError out of the table."""
        following = TABLE.get((self.state, change.event))
        if following is None:
            possible = ", ".join(event for state, event in TABLE if state == self.state)
            raise SessionError(f"expected {possible} while the encounter is {self.state}; got {change.event}")
        outcome = OUTCOMES.get((self.state, change.event))
        self.state = following
        if change.event == "person_came":
            return [self._open(change)]
        if change.event == "consented":
            return [self._consent(change)]
        if change.event == "refused":
            return [self._refusal(change)]
        if change.event == "referral_asked":
            return self._referral()
        assert outcome is not None  # every step to idle has one: tested
        return [self._close(outcome)]

    def end(self, *, failed: bool = False) -> list[events.EventBody]:
        """The run ends: an encounter that is open is closed as what it is, completed once screening has begun.

        failed: an error ended the run, so what had begun is aborted.
        """
        if self.state == "idle":
            return []
        return self.apply(SessionChange("aborted" if failed else "person_left"))

    def lose_consent(self) -> None:
        """The consent can never be kept: from here on nobody has agreed, and no event names the participant."""
        assert self.encounter is not None
        self.state = "asking"
        self.pictures_agreed = self.is_drawn = False
        self.encounter = msgspec.structs.replace(self.encounter, participant=None, consent=None)

    def count_frame(self, *, accepted: bool, hint: str | None) -> None:
        """One frame was looked at."""
        if self._tally is None:
            return
        if accepted:
            self._tally.shots += 1
        else:
            key = (hint or "other").replace("_", "-")
            self._tally.retakes[key] = self._tally.retakes.get(key, 0) + 1

    def count_finding(self, finding_id: str, tier: Tier) -> None:
        if self._tally is not None:
            self._tally.found.append((finding_id, tier))

    def _open(self, change: SessionChange) -> events.EncounterOpened:
        now = self._clock.now()
        self._tally = _Tally(self._clock.monotonic_ns())
        self.body_site = change.body_site
        self.encounter = Encounter(
            encounter_id=uuid7(now), cohort=self._settings.cohort, operator=self._settings.operator_id
        )
        return events.EncounterOpened(at=now, encounter=self.encounter)

    def _consent(self, change: SessionChange) -> events.Consent:
        assert self.encounter is not None  # by the table
        now = self._clock.now()
        self.encounter = Encounter(
            encounter_id=self.encounter.encounter_id,
            cohort=self.encounter.cohort,
            operator=self.encounter.operator,
            participant=pseudonym.make(self._random),
            consent=uuid7(now),
        )
        self.pictures_agreed = "pictures" in change.scope
        # Drawn before anything is looked at, so that it has nothing to do with what is found.
        share = self._settings.sample_share
        self.is_drawn = self.pictures_agreed and int.from_bytes(self._random(6), "big") < share * 2**48
        return events.Consent(
            at=now,
            encounter=self.encounter,
            scope=change.scope,
            consent_form=CONSENT_FORM,
            sample_share=share if self.is_drawn else None,
        )

    def _refusal(self, change: SessionChange) -> events.Refusal:
        assert self.encounter is not None  # by the table
        return events.Refusal(
            at=self._clock.now(),
            encounter_id=self.encounter.encounter_id,
            cohort=self.encounter.cohort,
            reason=change.reason,
        )

    def _referral(self) -> list[events.EventBody]:
        """For what was found and is not for self-care; nothing where there is no such thing."""
        assert self.encounter is not None  # by the table
        assert self._tally is not None
        found = [(finding_id, tier) for finding_id, tier in self._tally.found if tier != "self_care"]
        tier = worst(tier for _, tier in found)
        if tier is None:
            return []
        now, ids = self._clock.now(), tuple(finding_id for finding_id, _ in found)
        request = events.ReferralRequest(
            at=now, encounter=self.encounter, referral_id=uuid7(now), finding_ids=ids, tier=tier
        )
        return [request]

    def _close(self, outcome: Literal["completed", "refused", "aborted"]) -> events.EncounterClosed:
        assert self.encounter is not None  # by the table
        assert self._tally is not None
        closed = events.EncounterClosed(
            at=self._clock.now(),
            encounter=self.encounter,
            outcome=outcome,
            shots=self._tally.shots,
            retakes=dict(self._tally.retakes),
            duration_ms=max(0, (self._clock.monotonic_ns() - self._tally.opened_ns) // 1_000_000),
            findings=len(self._tally.found),
            tier=worst(tier for _, tier in self._tally.found),
        )
        self.encounter, self._tally, self.body_site = None, None, "unspecified"
        self.pictures_agreed = self.is_drawn = False
        return closed
