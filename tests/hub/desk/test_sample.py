"""The blind sample: drawn without knowing what was found, hidden until answered, and weighted by what was drawn."""

from __future__ import annotations

import itertools
import random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import pseudonym
from edge.clock import SystemClock
from edge.events import PictureDegraded
from edge.wire import Tier
from hub import withdrawal
from hub.desk import daily, sampling
from hub.desk.deciding import Action, Decided, Decision, decide
from hub.desk.rebuilding import MADE, rebuild
from hub.desk.sampling import draw, set_share
from hub.person import held
from hub.queries_quality import missed, sample_state
from hub.queries_slip import slip
from hub.queries_worklist import Filter, counts, detail, page, picture
from hub.registry import Registry
from hub.schema_desk import sample, worklist
from hub.settings import Settings
from tests.hub.desk.arrivals import Arrivals
from tests.hub.desk.bodies import an_id, consent, crop, ending, view, visit
from tests.hub.desk.test_worklist import items, say
from tests.hub.sender import encounter, finding, now


@pytest.fixture
def everybody(arrivals: Arrivals) -> Arrivals:
    """The hub draws all whom a device has drawn."""
    with arrivals.engine.begin() as connection:
        set_share(connection, 1.0, arrivals.now)
    return arrivals


def test_what_the_model_said_is_hidden_until_the_answer_findings_or_none(everybody: Arrivals) -> None:
    everybody.take(*visit("routine", sample_share=0.5), *visit(sample_share=0.5))
    found = items(everybody)
    assert len(found) == 2
    for item in found:
        assert item.blind
        assert item.possible == ("answer", "cannot_tell")
        assert {item.findings, item.label, item.score, item.tier, item.referral_asked} == {None}
    assert [item.place.urgency for item in found] == [1, 1], "nor does its place tell"
    with everybody.engine.connect() as connection:
        assert counts(connection).blind == 2
        assert page(connection, Filter(label="cutaneous_tumour")).items == []
        told = detail(connection, found[0].device, found[0].encounter_id)
        assert told is not None
        assert (told.findings, told.referrals) == ((), ())
        paper = slip(connection, found[0].device, found[0].encounter_id)
        assert paper is not None
        assert (paper.blind, paper.findings, paper.tier) == (True, (), None)
    assert say(everybody, found[0], Decision("answer", label="cutaneous_tumour", tier="routine")) == Decided(1, "open")
    assert say(everybody, found[1], Decision("answer", label="nothing")) == Decided(1, "answered")
    (left,) = items(everybody)
    assert (left.blind, left.label, left.tier) == (False, "cutaneous_tumour", "routine")


def test_a_crop_would_tell_so_only_the_whole_view_is_shown(everybody: Arrivals) -> None:
    seen = encounter()
    found = finding(seen)
    everybody.take(consent(seen, sample_share=0.5), found, *crop(found, b"a crop"), *view(seen, b"a whole view"))
    with everybody.engine.connect() as connection:
        assert picture(connection, "cam-1", seen.encounter_id, found.finding_id).jpeg == b"a whole view"


def test_an_urgent_finding_is_never_hidden_and_counts_with_its_answer(everybody: Arrivals) -> None:
    everybody.take(*visit("urgent", sample_share=0.5))
    (item,) = items(everybody)
    assert (item.blind, item.tier) == (False, "urgent")
    say(everybody, item, Decision("reject", label="nothing"))
    with everybody.engine.connect() as connection:
        assert missed(connection, 0.9, random.Random(1))["all"].answered == 1


def test_it_waits_for_its_picture_but_not_for_ever(everybody: Arrivals) -> None:
    seen, never, given_up = encounter(), encounter(), encounter()
    everybody.take(consent(seen, sample_share=0.5), consent(never, sample_share=0.5), finding(never))
    everybody.take(consent(given_up, sample_share=0.5), finding(given_up))
    assert items(everybody) == []
    degraded = PictureDegraded(
        at=now(), encounter=given_up, finding_id=None, rendition="full", picture_sha256="a" * 64, reason="quota"
    )
    everybody.take(degraded, *view(seen))
    by_id = {item.encounter_id: item for item in items(everybody)}
    assert set(by_id) == {seen.encounter_id, given_up.encounter_id}
    assert (by_id[seen.encounter_id].blind, by_id[given_up.encounter_id].blind) == (True, False)
    day_after = everybody.now + daily.PICTURE_WITHIN * 2
    counted = daily.run(everybody.engine, everybody.folder, Settings(), day_after)
    assert counted["items_shown"] == 1
    assert {item.encounter_id for item in items(everybody)} == {*by_id, never.encounter_id}
    with everybody.engine.connect() as connection:
        state = sample_state(connection)
    assert (state.blind, state.waiting, state.unblinded) == (1, 0, 2)


def test_an_undone_answer_leaves_the_sample(everybody: Arrivals) -> None:
    everybody.take(*visit("routine", sample_share=0.5))
    (item,) = items(everybody)
    say(everybody, item, Decision("answer", label="nothing"))
    assert say(everybody, item, Decision("undo"), version=1) == Decided(2, "open")
    (item,) = items(everybody)
    assert not item.blind, "what was shown stays shown"
    with everybody.engine.connect() as connection:
        assert sample_state(connection).unblinded == 1
        assert missed(connection, 0.9, random.Random(1)) == {}


def test_the_draw_is_the_hub_s_share_repeats_and_depends_on_nothing_but_the_id(arrivals: Arrivals) -> None:
    with arrivals.engine.begin() as connection:
        set_share(connection, 0.2, arrivals.now)
        ids = [an_id() for _ in range(2000)]
        drawn = [draw(connection, "cam-1", each, 0.5, arrivals.now) for each in ids]
        again = [draw(connection, "cam-1", each, 0.5, arrivals.now) for each in ids]
        other = [draw(connection, "cam-2", each, 0.5, arrivals.now) for each in ids]
        before = [draw(connection, "cam-1", each, 0.5, arrivals.now.replace(year=2020)) for each in ids]
    assert again == drawn
    assert set(drawn) == {None, 0.1}
    share = sum(each is not None for each in drawn) / len(drawn)
    assert abs(share - 0.2) < 4 * (0.2 * 0.8 / len(drawn)) ** 0.5, "binomial, four standard errors"
    assert other != drawn
    assert set(before) == {None, 0.5 * sampling.DEFAULT_SHARE}, "by the share of its day"


def test_weights_undo_what_the_draw_did(arrivals: Arrivals) -> None:
    """Half of the people are drawn with certainty, half with one in ten: the weighted shares are those of everybody."""
    with arrivals.engine.begin() as connection:
        set_share(connection, 1.0, arrivals.now)
        for device, place in itertools.product(range(6), range(40)):
            ill, found = place % 2 == 0, place % 4 == 0
            key = {"device": f"cam-{device}", "encounter_id": an_id()}
            row = dict.fromkeys(worklist.c.keys()) | key | {"site": "s", "cohort": "c", "wave": 1, "urgency": 1}
            row |= {"tier": "routine", "score": 0.9 if found else None, "findings": int(found), "version": 1}
            row |= {"since": arrivals.now, "state": "answered", "blind": False}
            connection.execute(sa.insert(worklist).values(row))
            # Those that the model missed stand for ten each.
            drawn = {"probability": 1.0 if found or not ill else 0.1, "drawn_at": arrivals.now, "state": "answered"}
            said = {"label": "cutaneous_tumour" if ill else "nothing", "tier": "routine", "answered_at": arrivals.now}
            connection.execute(sa.insert(sample).values(**key, **drawn, **said))
        told = missed(connection, 0.9, random.Random(1))["all"]
    assert told.found is not None
    assert told.found.sensitivity.value == pytest.approx(10 / (10 + 10 * 10))
    assert told.found.specificity == 1.0


ACTIONS: tuple[Action, ...] = ("accept", "answer", "refer", "undo", "cannot_tell")
TIERS = st.lists(st.sampled_from(["urgent", "routine", "person"]), max_size=3)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), tiers=st.lists(st.tuples(TIERS, st.booleans()), min_size=1, max_size=3))
def test_rebuilt_from_events_and_decisions_it_is_the_same(
    everybody: Arrivals, data: st.DataObject, tiers: list[tuple[list[Tier], bool]]
) -> None:
    bodies = [each for found, drawn in tiers for each in visit(*found, sample_share=0.5 if drawn else None)]
    everybody.take(*data.draw(st.permutations(bodies)))
    for action in data.draw(st.lists(st.sampled_from(ACTIONS), max_size=4)):
        if open_items := items(everybody):
            item = data.draw(st.sampled_from(open_items))
            label = "nothing" if action == "answer" else None
            say(everybody, item, Decision(action, label=label))
    before = contents(everybody)
    assert rebuild(everybody.engine, Registry(everybody.engine, SystemClock())) >= len(tiers)
    assert contents(everybody) == before


def contents(arrivals: Arrivals) -> list[list[tuple[object, ...]]]:
    with arrivals.engine.connect() as connection:
        return [sorted(tuple(row) for row in connection.execute(sa.select(table))) for table in MADE]


def test_a_pseudonym_and_a_decision_go_with_the_withdrawal(everybody: Arrivals) -> None:
    seen = encounter()
    everybody.take(*visit("routine", seen=seen, sample_share=0.5))
    (item,) = items(everybody)
    say(everybody, item, Decision("answer", label="cutaneous_tumour"))
    (item,) = items(everybody)
    say(everybody, item, Decision("refer", place="County hospital"))
    assert pseudonym.is_valid(seen.participant or "")
    withdrawal.withdraw(everybody.folder, everybody.engine, seen.participant or "", everybody.now)
    with everybody.engine.connect() as connection:
        assert set(held(connection, seen.participant or "")) == {"tombstones"}
    with everybody.engine.begin() as connection:
        gone = decide(connection, item.device, item.encounter_id, item.version, Decision("undo"), "li", everybody.now)
    assert gone == type(gone)(None, None, None), "whoever has it on the screen is told that it is gone"


def test_who_is_seen_without_findings_and_not_drawn_needs_no_eyes(everybody: Arrivals) -> None:
    seen = encounter()
    everybody.take(consent(seen), ending(seen, 0))
    assert items(everybody) == []
