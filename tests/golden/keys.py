"""The fixed keys of the golden messages; everybody has them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.identity import Identity
from edge.sealing import HubKeys

KEYS_FILE = Path(__file__).with_name("keys.json")
SITE, DEVICE = "village-3", "handheld-7"


@dataclass(frozen=True)
class Keys:
    hub: str
    hub_seal: X25519PrivateKey
    hub_sign: Ed25519PrivateKey
    escrow_seal: X25519PrivateKey
    device_seal: X25519PrivateKey
    device_sign: Ed25519PrivateKey

    @property
    def hub_keys(self) -> HubKeys:
        return HubKeys(
            v=1,
            hub=self.hub,
            seal_key=self.hub_seal.public_key().public_bytes_raw(),
            escrow_key=self.escrow_seal.public_key().public_bytes_raw(),
            sign_key=self.hub_sign.public_key().public_bytes_raw(),
        )

    def identity(self, device: str = DEVICE) -> Identity:
        return Identity(SITE, device, self.device_sign, self.device_seal, self.hub_keys)


def read_keys() -> Keys:
    raw = json.loads(KEYS_FILE.read_text(encoding="utf-8"))

    def sealing(name: str) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(bytes.fromhex(raw[name]))

    def signing(name: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(raw[name]))

    return Keys(
        hub=raw["hub"],
        hub_seal=sealing("hub_seal"),
        hub_sign=signing("hub_sign"),
        escrow_seal=sealing("escrow_seal"),
        device_seal=sealing("device_seal"),
        device_sign=signing("device_sign"),
    )
