"""What becomes of a referral: replies in any order and number, from the request on until its participant withdraws."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dermedge
from edge import config, events, referrals
from edge.clock import SystemClock
from edge.commands import Commands
from edge.device_secret import DeviceSecret
from edge.events import ReferralStep
from edge.identity import Identity, load
from edge.outbox import Outbox, open_database
from edge.provisioned import OUTBOX_FILE
from edge.referrals import NEXT, Referral, standing
from tests.edge.tell.conftest import HandClock, MakeOutbox
from tests.edge.tell.test_commands import command, opened
from tests.edge.test_doctor import provision
from tests.golden import messages
from tests.golden.keys import Keys

REQUEST = messages.EVENTS[6]
ID = messages.an_id(5)


@pytest.fixture
def outbox(make_outbox: MakeOutbox) -> Outbox:
    made = make_outbox()
    made.append(REQUEST)
    return made


@pytest.fixture
def commands(outbox: Outbox, identity: Identity, clock: HandClock) -> Commands:
    return Commands(outbox, identity, clock)


def reply(step: ReferralStep, minute: int, note: str = "") -> events.ReferralReply:
    at = messages.AT + timedelta(minutes=minute)
    return events.ReferralReply(at=at, referral_id=ID, step=step, place="County hospital", note=note)


def listed(outbox: Outbox, identity: Identity) -> list[Referral]:
    with outbox.opened() as database:
        return referrals.listed(database, DeviceSecret(identity.sealing_key))


def test_a_request_that_is_appended_stands_as_requested(outbox: Outbox, identity: Identity) -> None:
    assert listed(outbox, identity) == [Referral(ID, messages.AT, "requested", ())]


def test_replies_are_kept_with_what_they_say_and_nothing_of_it_is_readable(
    outbox: Outbox, commands: Commands, identity: Identity, keys: Keys, tmp_path: Path, clock: HandClock
) -> None:
    message = command(keys, reply("accepted", 1, "Bring the letter"))
    assert opened(keys, commands.take(message))[1].outcome == "applied"
    assert commands.take(message) is not None
    clock.forward(60)
    commands.take(command(keys, reply("seen", 2), 2))
    (found,) = listed(outbox, identity)
    assert found.step == "seen"
    assert [(each.step, each.place, each.note) for each in found.replies] == [
        ("accepted", "County hospital", "Bring the letter"),
        ("seen", "County hospital", ""),
    ]
    assert found.replies[1].received_at - found.replies[0].received_at == timedelta(seconds=60)
    for file in tmp_path.glob("outbox.db*"):
        assert b"County" not in file.read_bytes()
        assert b"letter" not in file.read_bytes()


def test_a_reply_is_there_after_a_restart(
    make_outbox: MakeOutbox, outbox: Outbox, commands: Commands, identity: Identity, keys: Keys
) -> None:
    commands.take(command(keys, reply("accepted", 1)))
    outbox.close()
    assert listed(make_outbox(), identity)[0].step == "accepted"


STEPS = st.lists(st.tuples(st.sampled_from(list(NEXT)), st.integers(0, 5)), max_size=7)


@given(given_=STEPS, chance=st.randoms())
def test_the_order_of_arrival_and_repetitions_mean_nothing(
    given_: list[tuple[ReferralStep, int]], chance: object
) -> None:
    replies = [
        referrals.Reply(ID, step, "", "", messages.AT + timedelta(minutes=minute), messages.AT)
        for step, minute in given_
    ]
    in_order = referrals._in_order(replies)
    mixed = [*replies, *replies]
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert referrals._in_order(mixed) == in_order
    assert {(each.step, each.at) for each in in_order} == {(each.step, each.at) for each in replies}


@given(steps=st.lists(st.sampled_from(list(NEXT)), max_size=7))
def test_nobody_who_was_seen_is_ever_not_seen_again(steps: list[ReferralStep]) -> None:
    reached = [standing(steps[:count]) for count in range(len(steps) + 1)]
    for before, after in itertools.pairwise(reached):
        assert before == after or after in NEXT[before]
        if before in {"seen", "returned", "down_referral"}:
            assert after in {"seen", "returned", "down_referral"}
    assert reached[0] == "requested"


def test_the_table_has_every_step() -> None:
    steps = set(msgspec.inspect.type_info(ReferralStep).values)  # type: ignore[union-attr]
    assert set(NEXT) == steps
    assert set().union(*NEXT.values()) == steps - {"requested"}, "each can be reached"


def test_an_older_step_that_comes_late_is_kept_and_sets_nothing_back(
    outbox: Outbox, commands: Commands, identity: Identity, keys: Keys
) -> None:
    for number, (step, minute) in enumerate((("seen", 5), ("accepted", 1), ("expired", 9)), 1):
        commands.take(command(keys, reply(step, minute), number))  # type: ignore[arg-type]
    (found,) = listed(outbox, identity)
    assert found.step == "seen"
    assert [each.step for each in found.replies] == ["accepted", "seen", "expired"]


def test_a_reply_to_what_was_never_asked_for_is_refused_and_not_kept(
    outbox: Outbox, commands: Commands, identity: Identity, keys: Keys
) -> None:
    stranger = msgspec.structs.replace(reply("accepted", 1), referral_id=messages.an_id(77))
    _, body = opened(keys, commands.take(command(keys, stranger)))
    assert body.outcome == "refused"
    assert "did not ask" in body.detail
    assert listed(outbox, identity)[0].replies == ()


def test_who_withdraws_has_no_referral_any_more(
    outbox: Outbox, commands: Commands, identity: Identity, keys: Keys
) -> None:
    other = msgspec.structs.replace(messages.ENCOUNTER, participant="KN0RENVH9T", consent=messages.an_id(90))
    outbox.append(msgspec.structs.replace(REQUEST, encounter=other, referral_id=messages.an_id(6)))
    commands.take(command(keys, reply("accepted", 1)))
    commands.take(command(keys, messages.TOMBSTONE, 2))
    assert [each.referral_id for each in listed(outbox, identity)] == [messages.an_id(6)]
    with outbox.opened() as database:
        assert database.execute("SELECT count(*) FROM referral_replies").get == 0
    assert opened(keys, commands.take(command(keys, reply("seen", 2), 3)))[1].outcome == "refused"
    outbox.append(msgspec.structs.replace(REQUEST, referral_id=messages.an_id(7)))
    assert len(listed(outbox, identity)) == 1, "a request about somebody who has withdrawn is none"


def test_the_command_lists_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = provision(tmp_path)
    who = load(folder)
    outbox = Outbox(open_database(folder / OUTBOX_FILE), who, SystemClock(), config.Outbox(ballast_bytes=0))
    outbox.append(REQUEST)
    outbox.append(msgspec.structs.replace(REQUEST, referral_id=messages.an_id(8), at=messages.AT + timedelta(days=1)))
    secret = DeviceSecret(who.sealing_key)
    outbox.change(
        lambda database: referrals.take(
            database, secret, messages.an_id(100), reply("accepted", 1, "a\nb"), messages.AT
        )
    )
    words = ["referral", "list", "--identity", str(folder)]
    assert dermedge.main([*words, "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["referral_id"], each["step"]) for each in told] == [
        (messages.an_id(8), "requested"),
        (ID, "accepted"),
    ]
    assert told[1]["replies"][0]["note"] == "a\nb"
    assert dermedge.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[2].endswith("County hospital  a b")
    assert "accepted" in lines[2]
    assert dermedge.main([*words, "--language", "zh"]) == 0
    assert "已接收" in capsys.readouterr().out
    outbox.close()
    assert dermedge.main(words) == 0, "also when no device runs"
