"""A sender's chain of sealed messages: seq counts up within an epoch, each message names the hash of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import wire
from edge.clock import uuid7
from edge.errors import WireError
from edge.events import Body
from edge.sealing import RecipientKey, ciphertext_hash, seal, sha256


class Link(NamedTuple):
    """One sealed message. type: the tag of what is inside. The hashes are as edge/outbox_database.py tells."""

    seq: int
    event_id: str
    type: str
    message: bytes
    message_sha256: str
    ciphertext_sha256: str


class Chain(NamedTuple):
    """Whose chain this is, and whom it is sealed to."""

    kind: wire.Kind
    device: str
    epoch: str
    recipients: Sequence[RecipientKey]
    signer: Ed25519PrivateKey

    def link(
        self, seq: int, prev_hash: str, body: Body, priority: wire.Priority, now: datetime, event_id: str = ""
    ) -> Link:
        """Seal a body as message `seq`; under a new id, unless it has one.

        Raises WireError for one that its reader would refuse, or that is too large to travel: found out later, it
        would be lost.
        """
        text = wire.encode(body)
        wire.decode(text, type(body))
        header = wire.Header(
            kind=self.kind,
            device=self.device,
            epoch=self.epoch,
            seq=seq,
            event_id=event_id or uuid7(now),
            priority=priority,
            prev_hash=prev_hash,
        )
        envelope = seal(header, text, self.recipients, self.signer)
        message = wire.encode_sealed(envelope)
        tag = str(body.__struct_config__.tag)
        if len(message) > wire.MESSAGE_BYTES_MAX:
            raise WireError(
                f"expected at most {wire.MESSAGE_BYTES_MAX} bytes sealed, got a {tag} of {len(message)}: send it in "
                "smaller parts"
            )
        return Link(seq, header.event_id, tag, message, sha256(message), ciphertext_hash(envelope))
