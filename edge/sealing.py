"""Seal to public keys, sign, verify, open.

A body is AES-256-GCM under a fresh content key; HPKE (RFC 9180) wraps that key for every recipient. The header without
the wrapped keys is HPKE's info, the whole header is GCM's associated data, and the signature covers header and
ciphertext: a message moved to another device, epoch or sequence neither verifies nor opens. The signature stands
outside the seal, so that a forgery is refused before a private key is touched.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from edge.errors import SealError
from edge.wire import Envelope, Header, Name, Recipient, Signed, Void, VoidReason, encode

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_NONCE = bytes(12)
"""Every content key seals exactly one body, so its nonce may be constant."""

Purpose = Literal["acknowledgement", "offer"]


@dataclass(frozen=True)
class RecipientKey:
    """A public key that messages are sealed to."""

    key_id: str
    public: X25519PublicKey


class HubKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hub's public keys, as `dermedge hub init` writes them for provisioning. Raw keys, 32 bytes each.

    escrow_key: a second recipient whose private half is kept offline, so that a lost hub key loses no data.
    """

    v: Literal[1]
    hub: str
    seal_key: bytes
    escrow_key: bytes
    sign_key: bytes

    @property
    def recipients(self) -> tuple[RecipientKey, ...]:
        """Whom events are sealed to."""
        keys = (X25519PublicKey.from_public_bytes(raw) for raw in (self.seal_key, self.escrow_key))
        return tuple(RecipientKey(key_id(public), public) for public in keys)

    @property
    def signer(self) -> Ed25519PublicKey:
        """Who signs acknowledgements, commands and offers."""
        return Ed25519PublicKey.from_public_bytes(self.sign_key)


class DeviceKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device's public keys, as `dermedge provision` writes them for `dermedge hub device add`."""

    v: Literal[1]
    site: Name
    device: Name
    seal_key: bytes
    sign_key: bytes

    @property
    def recipient(self) -> RecipientKey:
        """Whom commands to this device are sealed to."""
        public = X25519PublicKey.from_public_bytes(self.seal_key)
        return RecipientKey(key_id(public), public)

    @property
    def signer(self) -> Ed25519PublicKey:
        """Who signs this device's events."""
        return Ed25519PublicKey.from_public_bytes(self.sign_key)


def key_id(public: X25519PublicKey | Ed25519PublicKey) -> str:
    """The first 16 hex digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def sha256(data: bytes) -> str:
    """Hex."""
    return hashlib.sha256(data).hexdigest()


def seal(header: Header, body: bytes, recipients: Sequence[RecipientKey], signer: Ed25519PrivateKey) -> Envelope:
    """Seal a body for all recipients under a header that names none yet."""
    content_key = os.urandom(32)
    info = encode(header)
    wrapped = tuple(
        Recipient(key_id=each.key_id, wrapped_key=_SUITE.encrypt(content_key, each.public, info)) for each in recipients
    )
    full = encode(msgspec.structs.replace(header, recipients=wrapped))
    ciphertext = AESGCM(content_key).encrypt(_NONCE, body, full)
    return Envelope(header=full, ciphertext=ciphertext, signature=signer.sign(_envelope_text(full, ciphertext)))


def void(envelope: Envelope, reason: VoidReason, signer: Ed25519PrivateKey) -> Void:
    """What stands in for an envelope whose ciphertext is given up."""
    digest = sha256(envelope.ciphertext)
    signature = signer.sign(_void_text(envelope.header, reason, digest))
    return Void(header=envelope.header, reason=reason, ciphertext_sha256=digest, signature=signature)


def verify(message: Envelope | Void, signer: Ed25519PublicKey) -> None:
    """Raises SealError where the signature is not this signer's over these very bytes."""
    if isinstance(message, Envelope):
        text = _envelope_text(message.header, message.ciphertext)
    else:
        text = _void_text(message.header, message.reason, message.ciphertext_sha256)
    _verify(signer, message.signature, text, "message")


def ciphertext_hash(message: Envelope | Void) -> str:
    """What the next message's prev_hash must be."""
    return sha256(message.ciphertext) if isinstance(message, Envelope) else message.ciphertext_sha256


def unseal(envelope: Envelope, header: Header, private: X25519PrivateKey) -> bytes:
    """The body. `header` is the decoded envelope.header. Raises SealError where it is not sealed to this key."""
    own = key_id(private.public_key())
    wrapped = next((each.wrapped_key for each in header.recipients if each.key_id == own), None)
    if wrapped is None:
        raise SealError(f"expected a message sealed to key {own}, got {[each.key_id for each in header.recipients]}")
    info = encode(msgspec.structs.replace(header, recipients=()))
    try:
        content_key = _SUITE.decrypt(wrapped, private, info)
        return AESGCM(content_key).decrypt(_NONCE, envelope.ciphertext, envelope.header)
    except (InvalidTag, ValueError) as error:
        raise SealError(f"message {header.event_id} does not open: it was altered after it was sealed") from error


def sign(purpose: Purpose, payload: bytes, signer: Ed25519PrivateKey) -> bytes:
    """A Signed as JSON; the purpose is part of what is signed, so that one kind never passes as another."""
    signature = signer.sign(_signed_text(purpose, payload))
    return encode(Signed(payload=payload.decode(), key_id=key_id(signer.public_key()), signature=signature))


def verify_signed(purpose: Purpose, signed: Signed, signer: Ed25519PublicKey) -> bytes:
    """The payload. Raises SealError where it is not this signer's for this purpose."""
    payload = signed.payload.encode()
    _verify(signer, signed.signature, _signed_text(purpose, payload), purpose)
    return payload


def _verify(signer: Ed25519PublicKey, signature: bytes, text: bytes, what: str) -> None:
    try:
        signer.verify(signature, text)
    except InvalidSignature as error:
        raise SealError(f"expected a {what} signed by key {key_id(signer)}, got another signature") from error


def _envelope_text(header: bytes, ciphertext: bytes) -> bytes:
    return b"dermedge/v1/envelope\0" + len(header).to_bytes(4, "big") + header + ciphertext


def _void_text(header: bytes, reason: str, ciphertext_sha256: str) -> bytes:
    return b"dermedge/v1/void\0" + len(header).to_bytes(4, "big") + header + f"{reason}\0{ciphertext_sha256}".encode()


def _signed_text(purpose: Purpose, payload: bytes) -> bytes:
    return b"dermedge/v1/" + purpose.encode() + b"\0" + payload
