"""Whom the hub's reviewers ask this device to call back: for another picture, or because they refer somebody.

Kept in the transaction that records the command, and until the participant withdraws. What it says is sealed to this
device, whose operator has to know whom to ask for. Each function works within its caller's transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, NamedTuple

import apsw
import msgspec

from edge import referrals
from edge.device_secret import DeviceSecret
from edge.events import PictureRequest, ReferralOpened, ReferralReply
from edge.outbox_database import errors_told


class _Words(msgspec.Struct, frozen=True, array_like=True):
    """Of a recall, as sealed."""

    kind: Literal["picture", "referral"]
    participant: str
    encounter_id: str
    finding_id: str | None
    referral_id: str | None
    place: str
    note: str


class Recall(NamedTuple):
    """One person to be called back. finding_id: the picture that is to be taken again, None for the whole view."""

    kind: Literal["picture", "referral"]
    participant: str
    encounter_id: str
    finding_id: str | None
    referral_id: str | None
    place: str
    note: str
    at: datetime
    received_at: datetime


def take(
    connection: apsw.Connection,
    secret: DeviceSecret,
    command_id: str,
    body: PictureRequest | ReferralOpened,
    now: datetime,
) -> bool:
    """Keep it, and the referral that a reviewer began; False for a participant who has withdrawn."""
    mac = secret.mac(body.participant)
    if connection.execute("SELECT 1 FROM tombstones WHERE participant_mac = ?", (mac,)).get is not None:
        return False
    if isinstance(body, PictureRequest):
        words = _Words("picture", body.participant, body.encounter_id, body.finding_id, None, "", body.note)
    else:
        of = body.referral_id
        words = _Words("referral", body.participant, body.encounter_id, None, of, body.place, body.note)
        row = (body.referral_id, mac, body.at.isoformat())
        connection.execute("INSERT OR IGNORE INTO referrals VALUES (?, ?, ?)", row)
        accepted = ReferralReply(at=body.at, referral_id=of, step="accepted", place=body.place, note=body.note)
        referrals.take(connection, secret, command_id, accepted, now)
    sealed = secret.seal(msgspec.json.encode(words), _about(command_id))
    kept = (command_id, mac, body.at.isoformat(), sealed, now.isoformat())
    connection.execute("INSERT OR IGNORE INTO recalls VALUES (?, ?, ?, ?, ?)", kept)
    return True


def erase(connection: apsw.Connection, mac: bytes) -> None:
    """A consent was withdrawn: nobody is to be called back."""
    connection.execute("DELETE FROM recalls WHERE participant_mac = ?", (mac,))


def listed(connection: apsw.Connection, secret: DeviceSecret) -> list[Recall]:
    """All of them, the newest first. Raises StoreError; SealError for a file of another device's keys."""
    with errors_told(connection.filename):
        query = "SELECT command_id, at, words, received_at FROM recalls ORDER BY at DESC, command_id"
        rows: list[Any] = connection.execute(query).fetchall()
    found = []
    for command_id, at, words, received_at in rows:
        said = msgspec.json.decode(secret.open(words, _about(command_id)), type=_Words)
        times = datetime.fromisoformat(at), datetime.fromisoformat(received_at)
        found.append(Recall(**msgspec.structs.asdict(said), at=times[0], received_at=times[1]))
    return found


def _about(command_id: str) -> bytes:
    return f"recall {command_id}".encode()
