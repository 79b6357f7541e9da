"""Random names for participants: nine symbols of Crockford's base 32 and a check symbol.

The check symbol is Crockford's own: the number modulo 37 (https://www.crockford.com/base32.html), which finds every
wrong symbol and every swap of two neighbours. Five of its 37 values need symbols that the alphabet does not have, so
numbers with those are not given out.
"""

from __future__ import annotations

from collections.abc import Callable

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SYMBOLS = 9
_PRIME = 37


def make(random_bytes: Callable[[int], bytes]) -> str:
    """A new pseudonym from 45 random bits, say of `os.urandom`."""
    while True:
        number = int.from_bytes(random_bytes(6), "big") & ((1 << 5 * SYMBOLS) - 1)
        if number % _PRIME < len(ALPHABET):
            digits = (number >> 5 * place & 31 for place in reversed(range(SYMBOLS)))
            return "".join(ALPHABET[digit] for digit in digits) + ALPHABET[number % _PRIME]


def is_valid(text: str) -> bool:
    """Whether the check symbol fits. Typed I, L and O are read as 1, 1 and 0, as Crockford proposes."""
    return normal(text) is not None


def normal(text: str) -> str | None:
    """A pseudonym as it is written, from how somebody typed it; None where the check symbol does not fit."""
    read = text.upper().replace("-", "").translate(str.maketrans("ILO", "110"))
    if len(read) < 2 or any(symbol not in ALPHABET for symbol in read):
        return None
    number = 0
    for symbol in read[:-1]:
        number = number * 32 + ALPHABET.index(symbol)
    return read if number % _PRIME == ALPHABET.index(read[-1]) else None
