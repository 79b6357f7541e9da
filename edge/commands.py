"""What the hub tells this device to do: verified, opened, done once, and answered.

A command is kept as it came, sealed to this device, beside the sealed response; the same command again is answered by
the same bytes. One that cannot be verified or opened is not answered: an answer would tell a forger something.
"""

from __future__ import annotations

import logging
from typing import Literal

from edge import events, wire
from edge.chain import Chain
from edge.clock import Clock
from edge.errors import SealError, WireError
from edge.identity import Identity
from edge.outbox import Outbox
from edge.outbox_database import fact, put_fact, transaction
from edge.repeats import Repeats
from edge.sealing import unseal, verify

_log = logging.getLogger(__name__)


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
        """The sealed response to a command's bytes; None where it is none of ours. Raises StoreError."""
        try:
            header, body = self._open(message)
        except (WireError, SealError) as error:
            self._repeats.tell(logging.ERROR, "refused", "a command was refused: %s", error)
            return None
        with self._outbox.opened() as database:
            known = database.execute(
                "SELECT message, response FROM commands WHERE command_id = ?", (header.event_id,)
            ).fetchone()
        if known is not None:
            if known[0] != message:
                text = "command %s came again with other bytes; it was refused"
                self._repeats.tell(logging.ERROR, "other bytes", text, header.event_id)
                return None
            return bytes(known[1])
        return self._apply(header, body, message)

    def _open(self, message: bytes) -> tuple[wire.Header, events.CommandBody]:
        envelope, header = wire.decode_sealed(message)
        if not isinstance(envelope, wire.Envelope) or header.kind != "command":
            raise WireError(f"expected a sealed command, got a {header.kind}")
        if header.device != self._identity.device:
            raise WireError(f"expected a command for {self._identity.device}, got one for {header.device}")
        verify(envelope, self._identity.hub.signer)
        body: events.CommandBody = wire.decode(unseal(envelope, header, self._identity.sealing_key), events.CommandBody)
        return header, body

    def _apply(self, header: wire.Header, body: events.CommandBody, message: bytes) -> bytes:
        if isinstance(body, events.Tombstone):
            # Not recorded, so that a version that can erase does so when the hub sends it again.
            return self._respond(header, "refused", "this version does not erase by consent yet", keep=None)
        detail = ""
        if isinstance(body, events.ResendFrom):
            if body.epoch != self._outbox.epoch:
                return self._respond(header, "refused", "this outbox has another epoch", keep=None)
            # Before the record, not with it: done twice, it does no more than done once.
            detail = f"{self._outbox.unacknowledge_from(body.seq)} events go again"
        return self._respond(header, "applied", detail, keep=message)

    def _respond(
        self, header: wire.Header, outcome: Literal["applied", "refused"], detail: str, *, keep: bytes | None
    ) -> bytes:
        """The sealed response; recorded with the command where `keep` is its bytes."""
        now = self._clock.now()
        body = events.CommandApplied(at=now, command_id=header.event_id, seq=header.seq, outcome=outcome, detail=detail)
        with self._outbox.opened() as database, transaction(database):
            seq = int(fact(database, "last_response_seq")) + 1
            link = self._chain.link(seq, fact(database, "last_response_hash"), body, "live", now)
            put_fact(database, "last_response_seq", str(seq))
            put_fact(database, "last_response_hash", link.ciphertext_sha256)
            if keep is not None:
                database.execute(
                    "INSERT INTO commands VALUES (?, ?, ?, ?)", (header.event_id, keep, link.message, now.isoformat())
                )
        return link.message
