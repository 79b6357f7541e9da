"""Voids: what stands in the place of an event that is given up. Each function works within its caller's transaction.

The header stays, with the ciphertext's hash, under a new signature; the content goes. So the chain stays whole, and the
hub can tell what was given up from what was lost. A picture is given up for room, the largest rendition first; what is
about a person is given up when the person says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import wire
from edge.ledger import Ledger, Voided
from edge.sealing import sha256, void


class Voids:
    """Makes them, and notes them in the ledger before they are committed."""

    def __init__(self, signer: Ed25519PrivateKey, ledger: Ledger | None) -> None:
        self._signer = signer
        self._ledger = ledger

    def of_rendition(self, connection: apsw.Connection, rendition: int) -> int:
        """Give up what the hub has not acknowledged of a rendition, and forget what it was; how many rows."""
        query = "SELECT seq FROM events WHERE rendition = ? AND acknowledged_at IS NULL"
        seqs = [row[0] for row in connection.execute(query, (rendition,))]
        changed = self._replace(connection, seqs, "picture_degraded")
        connection.execute("UPDATE events SET rendition = NULL WHERE rendition = ?", (rendition,))
        connection.execute("DELETE FROM renditions WHERE rendition = ?", (rendition,))
        return changed

    def of_participant(self, connection: apsw.Connection, mac: bytes) -> int:
        """Give up all that is about a participant, acknowledged or not; how many rows."""
        connection.execute(
            "DELETE FROM renditions WHERE rendition IN (SELECT rendition FROM events WHERE participant_mac = ?)", (mac,)
        )
        seqs = [row[0] for row in connection.execute("SELECT seq FROM events WHERE participant_mac = ?", (mac,))]
        changed = self._replace(connection, seqs, "consent_withdrawn")
        connection.execute(
            "UPDATE events SET participant_mac = NULL, rendition = NULL WHERE participant_mac = ?", (mac,)
        )
        return changed

    def of_seqs(self, connection: apsw.Connection, seqs: Sequence[int]) -> None:
        """Give up what has just been appended about somebody whose consent is withdrawn."""
        self._replace(connection, seqs, "consent_withdrawn")

    def _replace(self, connection: apsw.Connection, seqs: Sequence[int], reason: wire.VoidReason) -> int:
        noted, changed = [], 0
        for seq in seqs:
            event_id, message = connection.execute("SELECT event_id, message FROM events WHERE seq = ?", (seq,)).get
            envelope, _ = wire.decode_sealed(message)
            if not isinstance(envelope, wire.Envelope):
                continue  # given up before, for another reason
            replacement = wire.encode_sealed(void(envelope, reason, self._signer))
            digest = sha256(replacement)
            connection.execute(
                "UPDATE events SET message = ?, message_sha256 = ?, void_reason = ? WHERE seq = ?",
                (replacement, digest, reason, seq),
            )
            noted.append(Voided(event_id, digest, reason))
            changed += 1
        if self._ledger is not None and noted:
            self._ledger.voided(noted)
        return changed


def largest_rendition(connection: apsw.Connection, over_bytes: int) -> tuple[int, bytes] | None:
    """Of the renditions over this size with parts that still wait, the largest, and what to say in its place."""
    query = """SELECT rendition, degraded FROM renditions WHERE bytes > ? AND EXISTS (SELECT 1 FROM events
        WHERE events.rendition = renditions.rendition AND acknowledged_at IS NULL)
        ORDER BY bytes DESC, rendition LIMIT 1"""
    found: tuple[int, bytes] | None = connection.execute(query, (over_bytes,)).fetchone()
    return found
