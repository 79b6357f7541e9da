"""What a device keeps for itself alone, under keys derived (HKDF-SHA256, RFC 5869) from its private sealing key.

A row of the outbox is sealed to the hub, and its device cannot read it. Two things stand beside it all the same: whom
it is about, as a MAC that tells nothing without the key, and what to say when a picture has to be given up, sealed.
"""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edge.errors import SealError

MAC_BYTES = 16
_NONCE_BYTES = 12


class DeviceSecret:
    """One device's; made from its private key whenever it is needed, never stored."""

    def __init__(self, private: X25519PrivateKey) -> None:
        self._mac_key = _derive(private, b"participant")
        self._seal = AESGCM(_derive(private, b"own"))

    def mac(self, participant: str) -> bytes:
        """HMAC-SHA256 of a participant's pseudonym, cut to MAC_BYTES."""
        return hmac.digest(self._mac_key, participant.encode(), "sha256")[:MAC_BYTES]

    def seal(self, text: bytes, about: bytes) -> bytes:
        """Sealed so that only this device opens it, and only together with `about`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._seal.encrypt(nonce, text, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Raises SealError for what this device did not seal so."""
        try:
            return self._seal.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
        except (InvalidTag, ValueError) as error:
            raise SealError("expected what this device sealed for itself, got other bytes") from error


def _derive(private: X25519PrivateKey, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, b"dermedge/v1/device/" + purpose).derive(private.private_bytes_raw())
