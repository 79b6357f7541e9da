"""What the fuzzer calls: one decoder on some bytes. Any exception but WireError and SealError is a finding."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from edge import wire
from edge.errors import SealError, WireError
from edge.sealing import unseal, verify
from tests.faults.mutations import golden_json, golden_sealed
from tests.golden.keys import read_keys
from tests.golden.test_wire import KINDS

CORPUS = Path(__file__).with_name("corpus")
KEYS = read_keys()
NAMES = sorted(KINDS)


def one(data: bytes) -> None:
    """The first byte says which decoder; sealed messages are opened and verified too."""
    if not data:
        return
    choice, rest = data[0] % (len(NAMES) + 1), data[1:]
    with suppress(WireError, SealError):
        if choice < len(NAMES):
            kind = KINDS[NAMES[choice]]
            message = wire.decode(rest, kind)
            assert wire.decode(wire.encode(message), kind) == message
            return
        sealed, header = wire.decode_sealed(rest)
        if isinstance(sealed, wire.Envelope):
            unseal(sealed, header, KEYS.hub_seal)
        verify(sealed, KEYS.device_sign.public_key())


def write_seeds(folder: Path) -> None:
    """The golden messages, each behind the byte of its decoder."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, value in golden_json().items():
        name = stem if stem in KINDS else stem.partition("-")[0]
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        (folder / f"seed-{stem}").write_bytes(bytes([NAMES.index(name)]) + text.encode())
    for stem, data in golden_sealed().items():
        (folder / f"seed-{stem}").write_bytes(bytes([len(NAMES)]) + data)
