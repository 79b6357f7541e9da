"""What the commands of an episode did, counted again from what the device and the hub have on their disks.

`dermedge witness` counts that each command was recorded and answered once; this looks for what it should have changed.
It has the keys of both ends, so it opens every event that is left in the outbox and every reply.

undone    answered as applied, and what it should have changed is not so; or applied where it was to be refused, or the
          other way round
doubled   an effect that is there more than once, or that no applied command explains
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import witness
from edge import identity, wire
from edge.device_secret import DeviceSecret
from edge.events import EventBody
from edge.outbox_database import open_reader
from edge.referrals import listed
from edge.sealing import unseal
from hub import keys
from tests.faults import orders

TYPES = ("referral_reply", "tombstone", "resend_from")


@dataclass
class Effects:
    """done: by type, those that were applied; refused: those that were rightly so. voids: in the outbox, by tombstones.

    wrong: the first few of what was found, in words.
    """

    done: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    voids: int = 0
    undone: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """As a line of the run's file."""
        return {
            **self.done,
            "refused": self.refused,
            "voids": self.voids,
            "undone": self.undone,
            "doubled": self.doubled,
        }

    def blame(self, what: str, fault: str) -> None:
        setattr(self, what, getattr(self, what) + 1)
        if len(self.wrong) < 20:
            self.wrong.append(f"{what}: {fault}")


class _Scene:
    """Both ends' files. number: of each command at the device, in the order in which they were done."""

    def __init__(self, folder: Path) -> None:
        outbox, hub = folder / "device" / witness.OUTBOX, folder / "hub" / witness.HUB
        self.who = identity.load(folder / "device")
        self.secret = DeviceSecret(self.who.sealing_key)
        rows = _rows(outbox, "SELECT command_id, number, outcome FROM commands")
        self.number = {row[0]: row[1] for row in rows}
        self.outcome = {row[0]: row[2] for row in rows}
        self.commands = [
            (row[0], row[1], json.loads(row[2])) for row in _rows(hub, "SELECT command_id, type, body FROM commands")
        ]
        noted = folder / orders.LEDGER
        lines = noted.read_bytes().split(b"\n")[:-1] if noted.exists() else []
        self.about = {line["command_id"]: line["about"] for line in map(json.loads, lines)}
        query = "SELECT command_id, referral_id, step, at FROM referral_replies"
        self.replies = [(*row[:3], datetime.fromisoformat(row[3])) for row in _rows(outbox, query)]
        self.asked = {row[0]: row[1] for row in _rows(outbox, "SELECT referral_id, participant_mac FROM referrals")}
        self.macs = Counter(row[0] for row in _rows(outbox, "SELECT participant_mac FROM tombstones"))
        ((generation,),) = _rows(outbox, "SELECT value FROM facts WHERE name = 'generation'")
        self.generation = int(generation)
        ((self.voids,),) = _rows(outbox, "SELECT count(*) FROM events WHERE void_reason = 'consent_withdrawn'")
        rows = _rows(hub, "SELECT epoch, seq, received_count FROM events")
        self.received = {(row[0], row[1]): row[2] for row in rows}
        self.at_hub = {row[0] for row in _rows(hub, "SELECT DISTINCT participant FROM events")}
        self.at_device = self._people(outbox, keys.load(folder / "hub").sealing_key)
        with closing(open_reader(outbox, self.who.device)) as connection:
            self.listed = {each.referral_id: each for each in listed(connection, self.secret)}
        self.withdrawn_at: dict[str, int] = {}
        for command_id, kind, body in self.commands:
            if kind == "tombstone" and command_id in self.number:
                name, number = body["participant"], self.number[command_id]
                self.withdrawn_at[name] = min(number, self.withdrawn_at.get(name, number))

    @staticmethod
    def _people(outbox: Path, private: Any) -> Counter[str]:
        """Of whom the outbox still has something to say, by who opens the seals."""
        found: Counter[str] = Counter()
        for (message,) in _rows(outbox, "SELECT message FROM events"):
            sealed, header = wire.decode_sealed(message)
            if isinstance(sealed, wire.Envelope):
                body: Any = wire.decode(unseal(sealed, header, private), EventBody)
                if (seen := getattr(body, "encounter", None)) is not None and seen.participant is not None:
                    found[seen.participant] += 1
        return found


def judge(folder: Path) -> Effects:
    """Of an episode that has come to its quiet end."""
    scene, effects = _Scene(folder), Effects()
    effects.voids = scene.voids
    for command_id, kind, body in scene.commands:
        outcome = scene.outcome.get(command_id)
        if kind == "referral_reply":
            _judge_reply(effects, scene, command_id, body)
        elif outcome == "applied" and kind == "tombstone":
            _judge_tombstone(effects, scene, body["participant"])
        elif outcome == "applied" and kind == "resend_from":
            _judge_resend(effects, scene, body)
        elif outcome is not None:
            effects.blame("undone", f"{kind} {command_id} was {outcome}")
        if outcome == "applied":
            effects.done[kind] += 1
    _judge_repetitions(effects, scene)
    return effects


def _judge_repetitions(effects: Effects, scene: _Scene) -> None:
    applied = {each for each, outcome in scene.outcome.items() if outcome == "applied"}
    for reply in scene.replies:
        if reply[0] not in applied:
            effects.blame("doubled", f"a reply {reply[0]} that no command has brought")
    for what, count in Counter(each[1:] for each in scene.replies).items():
        for _ in range(count - 1):
            effects.blame("doubled", f"the reply {what} stands {count} times")


def _judge_reply(effects: Effects, scene: _Scene, command_id: str, body: dict[str, Any]) -> None:
    number, outcome = scene.number.get(command_id), scene.outcome.get(command_id)
    if number is None or outcome is None:
        return  # it waits, which the witness counts
    participant = scene.about.get(command_id, "")
    gone_at = scene.withdrawn_at.get(participant)
    is_owed = bool(participant) and (gone_at is None or gone_at > number)
    if (outcome == "applied") != is_owed:
        effects.blame("undone", f"reply {command_id} was {outcome}")
    effects.refused += outcome == "refused" and not is_owed
    kept = [each for each in scene.replies if each[0] == command_id]
    wanted = (command_id, body["referral_id"], body["step"], datetime.fromisoformat(body["at"]))
    if is_owed and gone_at is None:
        told = scene.listed.get(body["referral_id"])
        words = {(each.step, each.at, each.place, each.note) for each in told.replies} if told else set()
        if kept != [wanted] or (*wanted[2:], body["place"], body["note"]) not in words:
            effects.blame("undone", f"reply {command_id} should stand as {wanted}, and there is {kept}")
    elif kept or (participant and body["referral_id"] in scene.asked):
        effects.blame("undone", f"reply {command_id} should be gone or refused, and there is {kept}")


def _judge_tombstone(effects: Effects, scene: _Scene, participant: str) -> None:
    mac = scene.secret.mac(participant)
    is_erased = not scene.at_device[participant] and mac not in scene.asked.values() and participant not in scene.at_hub
    if not is_erased or scene.macs[mac] != 1:
        effects.blame("undone", f"{participant} has withdrawn: {scene.at_device[participant]} events are left")


def _judge_resend(effects: Effects, scene: _Scene, body: dict[str, Any]) -> None:
    """The hub had the event when it asked; so it has come twice since."""
    times = scene.received.get((body["epoch"], body["seq"]), 0)
    if times < 2 or scene.generation < body["generation"]:
        effects.blame("undone", f"from {body['seq']} on was to come again: {times} times, {scene.generation}")


def _rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()
