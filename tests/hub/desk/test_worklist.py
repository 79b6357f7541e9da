"""The worklist: who comes first, what is decided, who was first, and that nothing said is ever overwritten."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa

from edge.errors import UsageError
from edge.events import ReferralRequest
from edge.wire import Tier
from hub.desk.deciding import Decided, Decision, Impossible, Meanwhile, decide
from hub.desk.pictures import Picture
from hub.queries_worklist import Filter, Item, counts, detail, page, picture
from hub.schema import commands
from hub.schema_desk import decisions
from tests.hub.desk.arrivals import Arrivals
from tests.hub.desk.bodies import an_id, consent, crop, ending, visit
from tests.hub.sender import encounter, finding, now


def items(arrivals: Arrivals, wanted: Filter | None = None) -> list[Item]:
    with arrivals.engine.connect() as connection:
        return list(page(connection, wanted or Filter()).items)


def say(arrivals: Arrivals, item: Item, decision: Decision, version: int | None = None, who: str = "li") -> object:
    with arrivals.engine.begin() as connection:
        at = item.version if version is None else version
        return decide(connection, item.device, item.encounter_id, at, decision, who, arrivals.now)


def test_the_urgent_come_first_and_of_these_the_oldest(arrivals: Arrivals) -> None:
    tiers: tuple[Tier, ...] = ("person", "routine", "urgent", "routine", "urgent")
    for tier in tiers:
        arrivals.take(*visit(tier))
    arrivals.take(*visit())
    found = items(arrivals)
    assert [item.tier for item in found] == ["urgent", "urgent", "routine", "routine", "person"]
    assert found[0].since < found[1].since
    assert found[2].since < found[3].since


def test_an_item_speaks_of_the_worst_of_its_findings_in_whatever_order_they_come(arrivals: Arrivals) -> None:
    seen = encounter()
    worst = finding(seen, tier="urgent", label="other_group", score=0.5)
    found = [finding(seen, tier="routine", score=0.9), worst, finding(seen, tier="person")]
    arrivals.take(consent(seen), *found)
    other = encounter()
    again = [msgspec.structs.replace(each, encounter=other, finding_id=an_id()) for each in reversed(found)]
    arrivals.take(*again, consent(other))
    for item in items(arrivals):
        assert (item.tier, item.label, item.score, item.findings) == ("urgent", "other_group", 0.5, 3)


def test_pages_follow_each_other_without_a_gap_or_a_repetition(arrivals: Arrivals) -> None:
    for number in range(11):
        arrivals.take(*visit("routine" if number % 2 else "person"))
    whole = [item.encounter_id for item in items(arrivals)]
    walked, after = [], None
    with arrivals.engine.connect() as connection:
        while True:
            found = page(connection, Filter(), after, rows=4)
            walked += [item.encounter_id for item in found.items]
            after = found.next
            if after is None:
                break
    assert len(whole) == 11
    assert walked == whole


def test_filters_narrow_and_counts_count(arrivals: Arrivals) -> None:
    arrivals.register("cam-2", "village-9")
    arrivals.take(*visit("routine"))
    arrivals.take(*visit("urgent", label="acne_rosacea"), device="cam-2", site="village-9")
    assert [item.site for item in items(arrivals, Filter(site="village-9"))] == ["village-9"]
    assert [item.tier for item in items(arrivals, Filter(tier="routine"))] == ["routine"]
    assert [item.label for item in items(arrivals, Filter(label="acne_rosacea"))] == ["acne_rosacea"]
    assert items(arrivals, Filter(state="accepted")) == []
    with arrivals.engine.connect() as connection:
        assert counts(connection).by_tier == {"urgent": 1, "routine": 1, "person": 0, "self_care": 0}


def test_of_two_reviewers_the_second_hears_who_was_first_and_changes_nothing(arrivals: Arrivals) -> None:
    arrivals.take(*visit("routine"))
    (item,) = items(arrivals)
    assert say(arrivals, item, Decision("accept"), who="li") == Decided(1, "accepted")
    second = say(arrivals, item, Decision("reject"), who="chen")
    assert second == Meanwhile("li", arrivals.now, "accepted")
    with arrivals.engine.connect() as connection:
        assert [row.action for row in connection.execute(sa.select(decisions))] == ["accept"]


def test_an_undo_is_a_further_decision_and_nothing_is_overwritten(arrivals: Arrivals) -> None:
    arrivals.take(*visit("routine"))
    (item,) = items(arrivals)
    say(arrivals, item, Decision("reject", label="nothing"))
    assert say(arrivals, item, Decision("undo"), version=1) == Decided(2, "open")
    assert say(arrivals, item, Decision("undo"), version=2) == Impossible(
        "nothing_to_undo", ("accept", "reject", "refer", "another_picture", "undo")
    )
    assert say(arrivals, item, Decision("accept", tier="urgent"), version=2) == Decided(3, "accepted")
    with arrivals.engine.connect() as connection:
        told = detail(connection, item.device, item.encounter_id)
    assert told is not None
    assert [(each.number, each.action, each.undoes) for each in told.history] == [
        (1, "reject", None),
        (2, "undo", 1),
        (3, "accept", None),
    ]
    assert (told.item.answer_label, told.item.answer_tier) == ("cutaneous_tumour", "urgent")


def test_a_decided_item_is_decided_until_it_is_undone(arrivals: Arrivals) -> None:
    arrivals.take(*visit("routine"))
    (item,) = items(arrivals)
    say(arrivals, item, Decision("accept"))
    assert say(arrivals, item, Decision("reject"), version=1) == Impossible("not_now", ("undo",))


def test_another_picture_is_asked_of_the_device_that_saw_the_person(arrivals: Arrivals) -> None:
    arrivals.register("cam-2", "village-9")
    arrivals.take(*visit("routine"), device="cam-2", site="village-9")
    (item,) = items(arrivals)
    assert say(arrivals, item, Decision("another_picture", note="closer")) == Decided(1, "picture_asked")
    with arrivals.engine.connect() as connection:
        (command,) = connection.execute(sa.select(commands)).mappings()
    assert (command["device"], command["type"], command["body"]["note"]) == ("cam-2", "picture_request", "closer")


def test_to_refer_accepts_what_the_device_asked_for_or_begins_one(arrivals: Arrivals) -> None:
    seen = encounter()
    request = ReferralRequest(at=now(), encounter=seen, referral_id=an_id(), finding_ids=(), tier="routine")
    arrivals.take(*visit("routine", seen=seen), request)
    arrivals.take(*visit("person"))
    asked, not_asked = items(arrivals)
    assert (asked.referral_asked, not_asked.referral_asked) == (True, False)
    for item in (asked, not_asked):
        assert say(arrivals, item, Decision("refer", place="County hospital")) == Decided(1, "referred")
    with arrivals.engine.connect() as connection:
        sent = connection.execute(sa.select(commands).order_by(commands.c.queued_at)).mappings().all()
        told = detail(connection, not_asked.device, not_asked.encounter_id)
    assert {each["type"] for each in sent} == {"referral_reply", "referral_opened"}
    assert told is not None
    assert [(each.step, each.origin, each.place) for each in told.referrals] == [("accepted", "hub", "County hospital")]
    # and taken back
    assert say(arrivals, not_asked, Decision("undo"), version=1) == Decided(2, "open")
    with arrivals.engine.connect() as connection:
        told = detail(connection, not_asked.device, not_asked.encounter_id)
    assert told is not None
    assert [each.step for each in told.referrals] == ["declined"]


def test_what_is_no_label_is_refused(arrivals: Arrivals) -> None:
    arrivals.take(*visit("routine"))
    (item,) = items(arrivals)
    with pytest.raises(UsageError, match="expected a label"):
        say(arrivals, item, Decision("accept", label="melanoma for sure"))


def test_the_crop_is_shown_as_it_was_taken_or_why_it_is_not_here(arrivals: Arrivals) -> None:
    seen = encounter()
    found = finding(seen)
    jpeg = bytes(range(256)) * 1500  # three parts
    parts = crop(found, jpeg)
    assert len(parts) > 1
    arrivals.take(consent(seen), found, *parts[1:])

    def shown() -> Picture:
        with arrivals.engine.connect() as connection:
            return picture(connection, "cam-1", seen.encounter_id, found.finding_id)

    assert shown().missing == "not_here_yet"
    arrivals.take(parts[0])
    assert shown().jpeg == jpeg


def test_without_consent_to_pictures_it_is_kept_on_the_device(arrivals: Arrivals) -> None:
    seen = encounter()
    found = finding(seen)
    arrivals.take(consent(seen, ("screening",)), found, ending(seen, 1))
    with arrivals.engine.connect() as connection:
        assert picture(connection, "cam-1", seen.encounter_id, found.finding_id).missing == "not_agreed"
