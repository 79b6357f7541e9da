"""What became of the referrals that this device asked for: the hub's replies, kept until their participant withdraws.

A request notes whose it is, as a MAC, in the transaction that appends it; a reply is kept in the transaction that
records its command. Where a referral stands is worked out from all its replies in the order in which the hub gave them,
so that it does not matter in which order they came, nor how often. What a reply says in words is sealed to this device.
Each function works within its caller's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import apsw
import msgspec

from edge.device_secret import DeviceSecret
from edge.events import ReferralReply, ReferralRequest, ReferralStep
from edge.outbox_database import errors_told

FIRST: ReferralStep = "requested"
NEXT: Mapping[ReferralStep, frozenset[ReferralStep]] = {
    "requested": frozenset({"accepted", "seen", "returned", "declined", "expired", "down_referral"}),
    "accepted": frozenset({"seen", "returned", "declined", "expired", "down_referral"}),
    "declined": frozenset({"accepted", "seen", "returned", "down_referral"}),
    "expired": frozenset({"accepted", "seen", "returned", "down_referral"}),
    "seen": frozenset({"returned", "down_referral"}),
    "returned": frozenset({"down_referral"}),
    "down_referral": frozenset(),
}
"""What may follow. Steps may be passed over, as nobody is made to report each. Who was declined, or did not come in
time, may be accepted after all; who was seen is never again not seen. What may not follow stays in the history and
changes nothing."""


class _Words(msgspec.Struct, frozen=True, array_like=True):
    """Of a reply, as sealed."""

    place: str
    note: str


class Reply(NamedTuple):
    """at: when the hub gave it, received_at: when it was recorded here."""

    referral_id: str
    step: ReferralStep
    place: str
    note: str
    at: datetime
    received_at: datetime


class Referral(NamedTuple):
    """step: where it stands. replies: in the order in which the hub gave them, each once."""

    referral_id: str
    requested_at: datetime
    step: ReferralStep
    replies: tuple[Reply, ...]


def ask(connection: apsw.Connection, request: ReferralRequest, mac: bytes) -> None:
    """A request is appended: from now on replies to it are this device's."""
    row = (request.referral_id, mac, request.at.isoformat())
    connection.execute("INSERT OR IGNORE INTO referrals VALUES (?, ?, ?)", row)


def take(
    connection: apsw.Connection, secret: DeviceSecret, command_id: str, reply: ReferralReply, now: datetime
) -> bool:
    """Keep a reply; False for one to a referral that this device did not ask for, or has erased since."""
    query = "SELECT 1 FROM referrals WHERE referral_id = ?"
    if connection.execute(query, (reply.referral_id,)).get is None:
        return False
    words = secret.seal(msgspec.json.encode(_Words(reply.place, reply.note)), _about(command_id))
    row = (command_id, reply.referral_id, reply.step, reply.at.isoformat(), words, now.isoformat())
    connection.execute("INSERT OR IGNORE INTO referral_replies VALUES (?, ?, ?, ?, ?, ?)", row)
    return True


def erase(connection: apsw.Connection, mac: bytes) -> None:
    """A consent was withdrawn: nothing is known any more of this participant's referrals."""
    query = """DELETE FROM referral_replies
        WHERE referral_id IN (SELECT referral_id FROM referrals WHERE participant_mac = ?)"""
    connection.execute(query, (mac,))
    connection.execute("DELETE FROM referrals WHERE participant_mac = ?", (mac,))


def standing(steps: Iterable[ReferralStep]) -> ReferralStep:
    """Where a referral stands after these, in the order in which the hub gave them."""
    now = FIRST
    for step in steps:
        if step in NEXT[now]:
            now = step
    return now


def listed(connection: apsw.Connection, secret: DeviceSecret) -> list[Referral]:
    """All of them, the newest request first. Raises StoreError; SealError for a file of another device's keys."""
    with errors_told(connection.filename):
        query = "SELECT command_id, referral_id, step, at, words, received_at FROM referral_replies"
        kept: list[Any] = connection.execute(query).fetchall()
        query = "SELECT referral_id, requested_at FROM referrals ORDER BY requested_at DESC, referral_id"
        rows: list[Any] = connection.execute(query).fetchall()
    replies: dict[str, list[Reply]] = defaultdict(list)
    for command_id, referral_id, step, at, words, received_at in kept:
        said = msgspec.json.decode(secret.open(words, _about(command_id)), type=_Words)
        times = datetime.fromisoformat(at), datetime.fromisoformat(received_at)
        replies[referral_id].append(Reply(referral_id, step, said.place, said.note, *times))
    found = []
    for referral_id, requested_at in rows:
        given = _in_order(replies[referral_id])
        step = standing(reply.step for reply in given)
        found.append(Referral(referral_id, datetime.fromisoformat(requested_at), step, given))
    return found


def _in_order(replies: Iterable[Reply]) -> tuple[Reply, ...]:
    """By when the hub gave them; of one moment the lesser step first, and what a hub said twice counts once."""
    places = {step: number for number, step in enumerate(NEXT)}
    found: dict[tuple[datetime, int, str, str], Reply] = {}
    for reply in sorted(replies, key=lambda each: each.received_at):
        found.setdefault((reply.at, places[reply.step], reply.place, reply.note), reply)
    return tuple(found[key] for key in sorted(found))


def _about(command_id: str) -> bytes:
    return f"referral reply {command_id}".encode()
