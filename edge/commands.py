"""What the hub tells this device to do: verified, opened, done once and in order, and answered.

Commands have an epoch and a seq, as events have; one is done when it is the next of its epoch, and what comes too early
is left, because the hub sends it again. Each is done and recorded with its sealed response in one transaction, whatever
the outcome; the same command again is answered by the same bytes. One that cannot be verified or opened is not
answered: an answer would tell a forger something.
"""

from __future__ import annotations

import logging
import os
from typing import Any, Literal, NamedTuple

import apsw

from edge import events, failpoints, recalls, referrals, wire
from edge.chain import Chain, Link
from edge.clock import Clock
from edge.device_secret import DeviceSecret
from edge.errors import SealError, WireError
from edge.identity import Identity
from edge.outbox import Outbox
from edge.outbox_database import fact, last_seq
from edge.outbox_rows import first_unacknowledged
from edge.repeats import Repeats
from edge.sealing import sha256, unseal, verify

_log = logging.getLogger(__name__)


class _Done(NamedTuple):
    """What came of a command."""

    outcome: Literal["applied", "refused"]
    detail: str = ""
    lacking: tuple[tuple[int, int], ...] = ()


class Commands:
    """The device's side of commands; used by one thread."""

    def __init__(self, outbox: Outbox, identity: Identity, clock: Clock) -> None:
        self._outbox = outbox
        self._identity = identity
        self._clock = clock
        self._repeats = Repeats(_log, clock)
        self._secret = DeviceSecret(identity.sealing_key)
        # A chain of its own for each start. Kept in the file it would go back with a file that was put back, and the
        # hub, which takes no response twice, would take what such a device says for a replay.
        epoch = os.urandom(16).hex()
        self._chain = Chain("response", identity.device, epoch, identity.hub.recipients, identity.signing_key)
        self._said = 0, wire.FIRST_PREVIOUS

    def take(self, message: bytes) -> bytes | None:
        """The sealed response to a command's bytes; None where it is none of ours, or too early. Raises StoreError."""
        try:
            header, text = self._open(message)
        except (WireError, SealError) as error:
            self._repeats.tell(logging.ERROR, "refused", "a command was refused: %s", error)
            return None
        digest = sha256(message)
        with self._outbox.opened() as database:
            query = "SELECT message_sha256, response, outcome FROM commands WHERE command_id = ?"
            known: list[Any] = database.execute(query, (header.event_id,)).fetchall()
            query = "SELECT coalesce(max(seq), 0) FROM commands WHERE epoch = ?"
            done_to: int = database.execute(query, (header.epoch,)).get
        for done_sha256, response, _ in known:
            if done_sha256 == digest:
                return bytes(response)
        if header.seq <= done_to:
            text_of = "command %s has the place, %d, of another that was done; it was refused"
            self._repeats.tell(logging.ERROR, "other bytes", text_of, header.event_id, header.seq)
            return None
        if header.seq > done_to + 1:
            _log.info("command %d came before command %d; the hub sends both again", header.seq, done_to + 1)
            return None
        link = self._outbox.change(lambda database: self._deal(database, header, text, digest, known))
        self._said = link.seq, link.ciphertext_sha256
        failpoints.hit("commands.after_record")
        return link.message

    def resume(self) -> bytes:
        """Sealed: where this device stands, for the hub to go on from. It writes nothing. Raises StoreError."""
        with self._outbox.opened() as database:
            query = "SELECT epoch, seq, message_sha256 FROM commands ORDER BY number DESC LIMIT 1"
            command_epoch, command_seq, command_sha256 = database.execute(query).fetchone() or (None, 0, None)
            last, first_pending = last_seq(database), first_unacknowledged(database)
            body = events.Resume(
                at=self._clock.now(),
                command_epoch=command_epoch,
                command_seq=command_seq,
                command_sha256=command_sha256,
                epoch=self._outbox.epoch,
                last_seq=last,
                acknowledged_to=last if first_pending is None else first_pending - 1,
                generation=int(fact(database, "generation")),
            )
        link = self._link(body)
        self._said = link.seq, link.ciphertext_sha256
        return link.message

    def _open(self, message: bytes) -> tuple[wire.Header, bytes]:
        envelope, header = wire.decode_sealed(message)
        if not isinstance(envelope, wire.Envelope) or header.kind != "command":
            raise WireError(f"expected a sealed command, got a {header.kind}")
        if header.device != self._identity.device:
            raise WireError(f"expected a command for {self._identity.device}, got one for {header.device}")
        verify(envelope, self._identity.hub.signer)
        return header, unseal(envelope, header, self._identity.sealing_key)

    def _deal(
        self, database: apsw.Connection, header: wire.Header, text: bytes, message_sha256: str, known: list[Any]
    ) -> Link:
        """The command's effect, its record and its answer, in one transaction: none is ever there without the others.

        known: what was recorded under this id before, by a hub that was set back and does not know it to be done.
        """
        if known:
            done = _Done(known[0][2], "it was done before, under another number")
        else:
            done = self._do(database, header.event_id, text)
        failpoints.hit("commands.before_record")
        now = self._clock.now()
        body = events.CommandApplied(at=now, command_id=header.event_id, seq=header.seq, **done._asdict())
        link = self._link(body)
        row = (header.event_id, header.epoch, header.seq, message_sha256, done.outcome, link.message, now.isoformat())
        database.execute("INSERT INTO commands VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row)
        return link

    def _do(self, database: apsw.Connection, command_id: str, text: bytes) -> _Done:
        try:
            body: events.CommandBody = wire.decode(text, events.CommandBody)
        except WireError as error:
            # From a newer hub. Not to answer would hold up all that come after it.
            self._repeats.tell(logging.ERROR, "unknown", "a command of the hub is not understood: %s", error)
            return _Done("refused", "this version does not know such a command")
        match body:
            case events.Tombstone():
                return _Done("applied", f"{self._outbox.withdraw(body.participant)} events became voids")
            case events.ResendFrom():
                if body.epoch != self._outbox.epoch:
                    return _Done("refused", "this outbox has another epoch")
                changed, lacking = self._outbox.unacknowledge_from(body.seq, body.generation)
                return _Done("applied", f"{changed} events go again", lacking)
            case events.ReferralReply():
                if referrals.take(database, self._secret, command_id, body, self._clock.now()):
                    return _Done("applied")
                return _Done("refused", "this device did not ask for such a referral, or has erased it")
            case events.ReferralOpened() | events.PictureRequest():
                if recalls.take(database, self._secret, command_id, body, self._clock.now()):
                    return _Done("applied")
                return _Done("refused", "this participant has withdrawn")

    def _link(self, body: events.ResponseBody) -> Link:
        """The next message of the responses' chain; it counts once it is known to be told."""
        seq, previous = self._said
        return self._chain.link(seq + 1, previous, body, "live", body.at)
