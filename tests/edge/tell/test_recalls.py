"""Whom reviewers ask to call back: kept once, sealed, and erased with the participant."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge import events, recalls, referrals
from edge.commands import Commands
from edge.device_secret import DeviceSecret
from edge.identity import Identity
from edge.outbox import Outbox
from tests.edge.tell.conftest import HandClock, MakeOutbox
from tests.edge.tell.test_commands import command, opened
from tests.golden import messages
from tests.golden.keys import Keys

(OPENED,) = [each for each in messages.COMMANDS if isinstance(each, events.ReferralOpened)]
(ASKED,) = [each for each in messages.COMMANDS if isinstance(each, events.PictureRequest)]


@pytest.fixture
def outbox(make_outbox: MakeOutbox) -> Outbox:
    return make_outbox()


@pytest.fixture
def commands(outbox: Outbox, identity: Identity, clock: HandClock) -> Commands:
    return Commands(outbox, identity, clock)


def listed(outbox: Outbox, identity: Identity) -> list[recalls.Recall]:
    with outbox.opened() as database:
        return recalls.listed(database, DeviceSecret(identity.sealing_key))


def test_a_picture_that_is_asked_for_again_is_kept_once_and_nothing_of_it_is_readable(
    outbox: Outbox, commands: Commands, identity: Identity, keys: Keys, tmp_path: Path
) -> None:
    message = command(keys, ASKED)
    assert opened(keys, commands.take(message))[1].outcome == "applied"
    assert commands.take(message) is not None
    (found,) = listed(outbox, identity)
    assert (found.kind, found.participant, found.finding_id) == ("picture", ASKED.participant, ASKED.finding_id)
    assert found.note == "Closer, and more light"
    for file in tmp_path.glob("outbox.db*"):
        assert ASKED.participant.encode() not in file.read_bytes()


def test_a_referral_that_a_reviewer_began_stands_as_accepted_and_takes_replies(
    outbox: Outbox, commands: Commands, identity: Identity, keys: Keys
) -> None:
    commands.take(command(keys, OPENED))
    reply = events.ReferralReply(at=messages.AT, referral_id=OPENED.referral_id, step="seen")
    assert opened(keys, commands.take(command(keys, reply, 2)))[1].outcome == "applied"
    with outbox.opened() as database:
        (found,) = referrals.listed(database, DeviceSecret(identity.sealing_key))
    assert (found.referral_id, found.step) == (OPENED.referral_id, "seen")
    assert [each.step for each in found.replies] == ["accepted", "seen"]
    (recall,) = listed(outbox, identity)
    assert (recall.kind, recall.place) == ("referral", "County hospital")


def test_with_a_withdrawal_nobody_is_called_back_now_or_later(
    outbox: Outbox, commands: Commands, identity: Identity, keys: Keys
) -> None:
    commands.take(command(keys, OPENED))
    commands.take(command(keys, events.Tombstone(at=messages.AT, participant=OPENED.participant), 2))
    assert listed(outbox, identity) == []
    with outbox.opened() as database:
        assert referrals.listed(database, DeviceSecret(identity.sealing_key)) == []
    _, body = opened(keys, commands.take(command(keys, ASKED, 3)))
    assert (body.outcome, body.detail) == ("refused", "this participant has withdrawn")
    assert listed(outbox, identity) == []
