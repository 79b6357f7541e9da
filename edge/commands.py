"""What the hub tells this device to do: verified, opened, done once and in order, and answered.

Commands have an epoch and a seq, as events have; one is done when it is the next of its epoch, and what comes too early
is left, because the hub sends it again. Each is recorded with its sealed response, whatever the outcome; the same
command again is answered by the same bytes. One that cannot be verified or opened is not answered: an answer would tell
a forger something.
"""

from __future__ import annotations

import logging
from typing import Any, Literal, NamedTuple

from edge import events, failpoints, wire
from edge.chain import Chain
from edge.clock import Clock
from edge.errors import SealError, WireError
from edge.identity import Identity
from edge.outbox import Outbox
from edge.outbox_database import fact, last_seq, put_fact, transaction
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
        with outbox.opened() as database:
            epoch = fact(database, "response_epoch")
        self._chain = Chain("response", identity.device, epoch, identity.hub.recipients, identity.signing_key)

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
        # A hub that was set back seals under a new epoch what it does not know to be done.
        done = _Done(known[0][2], "it was done before, under another number") if known else self._do(text)
        failpoints.hit("commands.before_record")
        answer = self._respond(header, done, digest)
        failpoints.hit("commands.after_record")
        return answer

    def resume(self) -> bytes:
        """Sealed: where this device stands, for the hub to go on from. Raises StoreError."""
        with self._outbox.opened() as database, transaction(database):
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
            return self._seal(body)

    def _open(self, message: bytes) -> tuple[wire.Header, bytes]:
        envelope, header = wire.decode_sealed(message)
        if not isinstance(envelope, wire.Envelope) or header.kind != "command":
            raise WireError(f"expected a sealed command, got a {header.kind}")
        if header.device != self._identity.device:
            raise WireError(f"expected a command for {self._identity.device}, got one for {header.device}")
        verify(envelope, self._identity.hub.signer)
        return header, unseal(envelope, header, self._identity.sealing_key)

    def _do(self, text: bytes) -> _Done:
        """Before it is recorded: each of these does no more when done twice than when done once."""
        try:
            body: events.CommandBody = wire.decode(text, events.CommandBody)
        except WireError as error:
            # From a newer hub. Not to answer would hold up all that come after it.
            self._repeats.tell(logging.ERROR, "unknown", "a command of the hub is not understood: %s", error)
            return _Done("refused", "this version does not know such a command")
        if isinstance(body, events.Tombstone):
            return _Done("applied", f"{self._outbox.withdraw(body.participant)} events became voids")
        if isinstance(body, events.ResendFrom):
            if body.epoch != self._outbox.epoch:
                return _Done("refused", "this outbox has another epoch")
            changed, lacking = self._outbox.unacknowledge_from(body.seq, body.generation)
            return _Done("applied", f"{changed} events go again", lacking)
        return _Done("applied")

    def _respond(self, header: wire.Header, done: _Done, message_sha256: str) -> bytes:
        """The sealed response, recorded with the command."""
        now = self._clock.now()
        body = events.CommandApplied(at=now, command_id=header.event_id, seq=header.seq, **done._asdict())
        with self._outbox.opened() as database, transaction(database):
            response = self._seal(body)
            row = (header.event_id, header.epoch, header.seq, message_sha256, done.outcome, response, now.isoformat())
            database.execute("INSERT INTO commands VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row)
        return response

    def _seal(self, body: events.ResponseBody) -> bytes:
        """The next message of the responses' own chain; within a transaction."""
        with self._outbox.opened() as database:
            seq = int(fact(database, "last_response_seq")) + 1
            link = self._chain.link(seq, fact(database, "last_response_hash"), body, "live", body.at)
            put_fact(database, "last_response_seq", str(seq))
            put_fact(database, "last_response_hash", link.ciphertext_sha256)
        return link.message
