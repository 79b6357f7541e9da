"""Whether a public key is one that somebody can hold the private half of; checked once, when a device is registered.

The library takes any 32 bytes. To seal to an X25519 point of small order fails each time; under an Ed25519 point of
small order anybody's signature may pass, and under bytes that are no point nobody's does.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

KEY_BYTES = 32
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)


def is_sealing_key(raw: bytes) -> bool:
    """Whether a secret can be shared with this X25519 key: RFC 7748, section 6.1, refuses a result of all zeros."""
    if len(raw) != KEY_BYTES:
        return False
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(raw))
    except ValueError:
        return False
    return True


def is_signing_key(raw: bytes) -> bool:
    """Whether this is a point of Ed25519 (decoded as RFC 8032, section 5.1.3, says) and not of small order."""
    if len(raw) != KEY_BYTES:
        return False
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P:
        return False
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(x_squared, (_P + 3) // 8, _P)
    if x * x % _P != x_squared:
        x = x * _ROOT_OF_MINUS_1 % _P
    if x * x % _P != x_squared:
        return False
    for _ in range(3):  # the small orders are 1, 2, 4 and 8
        product = _D * x * x * y * y % _P
        x, y = 2 * x * y * pow(1 + product, -1, _P) % _P, (y * y + x * x) * pow(1 - product, -1, _P) % _P
    return (x, y) != (0, 1)
