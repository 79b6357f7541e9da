"""Referrals: in any order, however often, days late; replies reach the device that asked and no other."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.events import ReferralRequest, ReferralState, ReferralStep
from edge.referrals import NEXT, standing
from hub.desk import daily, referring
from hub.desk.referring import NotNow, Replied
from hub.desk.steps import RANK, TABLE, furthest
from hub.queries_referrals import ReferralDetail, counts, detail, page
from hub.schema import commands
from hub.settings import Settings
from tests.hub.desk.arrivals import Arrivals
from tests.hub.desk.bodies import an_id, consent
from tests.hub.sender import encounter, now

STEPS = list(RANK)


def test_the_table_has_every_step_and_leads_only_forward() -> None:
    assert set(TABLE) == set(RANK)
    assert all(RANK[after] > RANK[before] for before, following in TABLE.items() for after in following)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(st.sampled_from(STEPS), max_size=6))
def test_what_the_hub_says_in_order_stands_alike_at_the_device(steps: list[ReferralStep]) -> None:
    """Both ends follow their own table; on every walk that the hub's allows they agree."""
    walk: list[ReferralStep] = ["requested"]
    for step in steps:
        if step in TABLE[walk[-1]]:
            walk.append(step)
    assert furthest(walk) == walk[-1] == standing(walk[1:])
    assert all(after in NEXT[before] for before, after in itertools.pairwise(walk))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), steps=st.lists(st.sampled_from(STEPS), max_size=5))
def test_any_order_and_repetition_of_what_a_device_says_ends_alike(
    arrivals: Arrivals, data: st.DataObject, steps: list[ReferralStep]
) -> None:
    ends = []
    for _ in range(2):
        seen, referral_id = encounter(), an_id()
        bodies = [
            ReferralRequest(at=now(), encounter=seen, referral_id=referral_id, finding_ids=(), tier="routine"),
            *(ReferralState(at=now(), encounter=seen, referral_id=referral_id, step=step) for step in steps),
        ]
        opened = [arrivals.opened(body) for body in bodies]
        for place in data.draw(st.permutations([*range(len(opened)), *range(len(opened))])):
            arrivals.again(opened[place])
        told = found(arrivals, referral_id)
        ends.append((told.referral.step, told.referral.tier, sorted(each.step for each in told.steps)))
    assert ends[0] == ends[1]
    assert ends[0] == (furthest(steps), "routine", sorted(["requested", *steps]))


def found(arrivals: Arrivals, referral_id: str, device: str = "cam-1") -> ReferralDetail:
    with arrivals.engine.connect() as connection:
        told = detail(connection, device, referral_id)
    assert told is not None
    return told


@pytest.fixture
def referral(arrivals: Arrivals) -> str:
    seen, referral_id = encounter(), an_id()
    at = arrivals.now - timedelta(minutes=1)
    request = ReferralRequest(at=at, encounter=seen, referral_id=referral_id, finding_ids=(), tier="routine")
    arrivals.take(consent(seen), request)
    return referral_id


def reply(arrivals: Arrivals, referral_id: str, step: ReferralStep, device: str = "cam-1") -> object:
    with arrivals.engine.begin() as connection:
        return referring.reply(connection, device, referral_id, step, "li", arrivals.now, place="County hospital")


def test_a_reply_goes_to_the_device_that_asked_and_to_no_other(arrivals: Arrivals, referral: str) -> None:
    arrivals.register("cam-2", "village-9")
    assert reply(arrivals, referral, "accepted", "cam-2") == NotNow(None, ())
    assert reply(arrivals, referral, "accepted") == Replied("accepted")
    with arrivals.engine.connect() as connection:
        sent = connection.execute(sa.select(commands)).mappings().all()
        assert counts(connection)["accepted"] == 1
        assert [row.referral_id for row in page(connection, "accepted").rows] == [referral]
    assert [(each["device"], each["body"]["step"]) for each in sent] == [("cam-1", "accepted")]
    last = found(arrivals, referral).steps[-1]
    assert (last.by, last.place, last.queued, last.heard_at) == ("li", "County hospital", True, None)


def test_another_device_s_word_about_it_moves_nothing(arrivals: Arrivals, referral: str) -> None:
    arrivals.register("cam-2", "village-9")
    forged = ReferralState(at=now(), encounter=encounter(), referral_id=referral, step="seen")
    arrivals.take(forged, device="cam-2", site="village-9")
    assert found(arrivals, referral).referral.step == "requested"


def test_what_the_table_does_not_have_is_not_said(arrivals: Arrivals, referral: str) -> None:
    assert reply(arrivals, referral, "returned") == NotNow("requested", TABLE["requested"])
    for step in ("accepted", "seen", "returned", "down_referral"):
        assert reply(arrivals, referral, step) == Replied(step)
        assert reply(arrivals, referral, step) == NotNow(step, TABLE[step]), "and not twice"
    with arrivals.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(commands)).scalar_one() == 4


def test_it_expires_by_the_calendar_once_and_who_comes_late_is_seen(arrivals: Arrivals, referral: str) -> None:
    rules = Settings()
    late = arrivals.now + timedelta(days=rules.referrals.expire_after_days + 1)
    assert daily.run(arrivals.engine, arrivals.folder, rules, arrivals.now)["referrals_expired"] == 0
    assert daily.run(arrivals.engine, arrivals.folder, rules, late)["referrals_expired"] == 1
    assert daily.run(arrivals.engine, arrivals.folder, rules, late)["referrals_expired"] == 0
    assert found(arrivals, referral).referral.step == "expired"
    assert reply(arrivals, referral, "seen") == Replied("seen")
