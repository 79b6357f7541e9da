"""The encounter's table, its events in order, the scripted operators, and pseudonyms."""

from __future__ import annotations

import itertools
import os
from typing import get_args

import pytest

from edge import events, pseudonym
from edge.config import Camera as CameraSettings
from edge.config import Config, Identity, Phantom
from edge.config import Operator as OperatorSettings
from edge.errors import ConfigError, SessionError
from edge.operators import PhantomOperator, SingleOperator, open_operator
from edge.session import OUTCOMES, TABLE, Event, Session, SessionChange, State
from tests.edge.see.scenes import FixedClock, frame

STATES, EVENTS = get_args(State), get_args(Event)
WAYS: dict[State, tuple[Event, ...]] = {
    "idle": (),
    "asking": ("person_came",),
    "screening": ("person_came", "consented"),
    "refused": ("person_came", "refused"),
}


def session() -> tuple[Session, FixedClock]:
    clock = FixedClock()
    return Session(OperatorSettings(), clock, os.urandom), clock


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, EVENTS)))
def test_every_pair_of_state_and_event_is_in_the_table_or_refused(state: State, event: Event) -> None:
    made, _ = session()
    for each in WAYS[state]:
        made.apply(SessionChange(each))
    assert made.state == state
    if (state, event) in TABLE:
        made.apply(SessionChange(event))
        assert made.state == TABLE[state, event]
        assert (made.encounter is None) == (made.state == "idle")
    else:
        with pytest.raises(SessionError, match=f"while the encounter is {state}; got {event}"):
            made.apply(SessionChange(event))
        assert made.state == state


def test_every_step_to_idle_has_an_outcome_and_no_other() -> None:
    assert set(OUTCOMES) == {pair for pair, following in TABLE.items() if following == "idle"}


def test_the_consent_is_the_first_event_with_a_participant() -> None:
    made, clock = session()
    opened = made.apply(SessionChange("person_came", body_site="forearm"))
    consented = made.apply(SessionChange("consented", scope=("screening", "pictures")))
    for accepted, hint in ((True, None), (False, "hold_still"), (False, "hold_still"), (False, "no_verdict")):
        made.count_frame(accepted=accepted, hint=hint)
    made.count_finding("a", "person")
    made.count_finding("b", "routine")
    clock.ns += 4_500_000_000
    closed = made.apply(SessionChange("person_left"))
    assert [type(each) for each in (*opened, *consented, *closed)] == [
        events.EncounterOpened,
        events.Consent,
        events.EncounterClosed,
    ]
    first, consent, last = opened[0], consented[0], closed[0]
    assert isinstance(first, events.EncounterOpened)
    assert first.encounter.participant is None
    assert isinstance(consent, events.Consent)
    assert consent.scope == ("screening", "pictures")
    assert pseudonym.is_valid(consent.encounter.participant or "")
    assert isinstance(last, events.EncounterClosed)
    assert last.encounter == consent.encounter
    assert last.encounter.encounter_id == first.encounter.encounter_id
    assert (last.outcome, last.shots, last.findings, last.tier) == ("completed", 1, 2, "routine")
    assert last.retakes == {"hold-still": 2, "no-verdict": 1}
    assert last.duration_ms == 4500


def test_a_refusal_closes_as_refused_without_a_participant() -> None:
    made, _ = session()
    bodies = [
        *made.apply(SessionChange("person_came")),
        *made.apply(SessionChange("refused", reason="photography")),
        *made.end(),
    ]
    assert [type(each) for each in bodies] == [events.EncounterOpened, events.Refusal, events.EncounterClosed]
    closed = bodies[-1]
    assert isinstance(closed, events.EncounterClosed)
    assert (closed.outcome, closed.encounter.participant, closed.shots, closed.findings) == ("refused", None, 0, 0)
    assert made.end() == []


def test_an_encounter_that_an_error_ends_is_aborted() -> None:
    made, _ = session()
    made.apply(SessionChange("person_came"))
    made.apply(SessionChange("consented"))
    (closed,) = made.end(failed=True)
    assert isinstance(closed, events.EncounterClosed)
    assert closed.outcome == "aborted"


def test_every_encounter_has_another_pseudonym() -> None:
    seen = set()
    made, _ = session()
    for _ in range(50):
        made.apply(SessionChange("person_came"))
        made.apply(SessionChange("consented"))
        assert made.encounter is not None
        seen.add(made.encounter.participant)
        made.apply(SessionChange("person_left"))
    assert len(seen) == 50


def test_the_phantoms_operator_follows_its_persons() -> None:
    operator = PhantomOperator(Config(phantom=Phantom(frames_per_person=50)))
    made, _ = session()
    said = []
    for sequence in range(0, 50 * 14, 7):  # frames are skipped, as the mailbox does
        for change in operator.step(frame(sequence)):
            made.apply(change)
            said.append((sequence // 50, change))
    agreed = {person: change.scope for person, change in said if change.event == "consented"}
    assert [person for person, change in said if change.event == "refused"] == [6, 13]
    assert set(agreed) == set(range(13)) - {6}
    assert [person for person, scope in agreed.items() if "pictures" not in scope] == [5, 11]


def test_the_single_operator_opens_one_encounter_without_pictures() -> None:
    operator = SingleOperator(Config())
    said = operator.step(frame(0))
    assert [change.event for change in said] == ["person_came", "consented"]
    assert said[1].scope == ("screening",)
    assert operator.step(frame(1)) == []


@pytest.mark.parametrize("source", ["v4l2:/dev/video0", "some.module:Camera", "v4l2:phantom"])
def test_who_agrees_before_a_real_camera_must_be_chosen(source: str) -> None:
    camera, provisioned = CameraSettings(source=source), Identity(directory="keys")
    for script in ("", "phantom"):
        with pytest.raises(ConfigError, match=r"operator\.script=single .* on paper"):
            open_operator(Config(camera=camera, identity=provisioned, operator=OperatorSettings(script=script)))
    named = Config(camera=camera, identity=provisioned, operator=OperatorSettings(script="single"))
    assert isinstance(open_operator(named), SingleOperator)
    assert isinstance(open_operator(Config(camera=camera)), SingleOperator), "it keeps nothing and needs none"


@pytest.mark.parametrize("source", ["phantom", "replay:folder"])
def test_where_nobody_stands_no_operator_need_be_chosen(source: str) -> None:
    made = Config(camera=CameraSettings(source=source), identity=Identity(directory="keys"))
    assert isinstance(open_operator(made), SingleOperator)


def test_an_unknown_operator_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"operator\.script"):
        open_operator(Config(operator=OperatorSettings(script="nobody")))


def test_the_check_symbol_finds_wrong_symbols_and_swaps() -> None:
    text = pseudonym.make(os.urandom)
    assert len(text) == pseudonym.SYMBOLS + 1
    assert pseudonym.is_valid(text)
    assert pseudonym.is_valid(f"{text[:5]}-{text[5:]}".lower())
    for place, symbol in itertools.product(range(len(text)), pseudonym.ALPHABET):
        assert pseudonym.is_valid(text[:place] + symbol + text[place + 1 :]) == (symbol == text[place])
    for place in range(len(text) - 2):
        swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        assert pseudonym.is_valid(swapped) == (swapped == text)
    assert not pseudonym.is_valid("")
    assert not pseudonym.is_valid("U")
