"""Which devices the hub knows, under which keys and at which site. The site is the registry's, never the topic's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.clock import Clock
from edge.errors import ConfigError, WireError
from edge.sealing import DeviceKeys, key_id
from edge.wire import decode
from hub.points import KEY_BYTES, is_sealing_key, is_signing_key
from hub.schema import devices

RELOAD_AFTER_NS = 500_000_000


@dataclass(frozen=True)
class Device:
    """A registered device."""

    device: str
    site: str
    signer: Ed25519PublicKey


def read_device_keys(path: Path) -> DeviceKeys:
    """The public keys that `dermedge provision` wrote. Raises ConfigError."""
    try:
        keys: DeviceKeys = decode(path.read_bytes(), DeviceKeys)
    except OSError as error:
        raise ConfigError(
            f"expected a device's public keys at {path}, got {error.strerror}; run `dermedge provision` on the device "
            "and name the device.json that it wrote"
        ) from error
    except WireError as error:
        raise ConfigError(
            f"expected a device's public keys at {path}; {error}; use the device.json that `dermedge provision` wrote"
        ) from error
    for name, is_sound in (("seal_key", is_sealing_key), ("sign_key", is_signing_key)):
        if not is_sound(raw := getattr(keys, name)):
            raise ConfigError(
                f"expected a public key of {KEY_BYTES} bytes as {name} in {path}, got {len(raw)} bytes that are none; "
                "use the device.json that `dermedge provision` wrote"
            )
    return keys


def add(engine: sa.Engine, keys: DeviceKeys, clock: Clock) -> bool:
    """Register a device; False where this very device was registered before.

    Raises ConfigError where the name belongs to other keys or to another site: two devices under one name would have
    their events mixed.
    """
    row = {"site": keys.site, "seal_key": keys.seal_key, "sign_key": keys.sign_key}
    with engine.begin() as connection:
        known = connection.execute(sa.select(devices).where(devices.c.device == keys.device)).mappings().one_or_none()
        if known is None:
            connection.execute(sa.insert(devices).values(device=keys.device, added_at=clock.now(), **row))
            return True
    if any(known[name] != value for name, value in row.items()):
        raise ConfigError(
            f"expected a new device name, {keys.device!r} is registered at site {known['site']!r} with signing key "
            f"{key_id(Ed25519PublicKey.from_public_bytes(known['sign_key']))}; provision this device under another name"
        )
    return False


def listed(engine: sa.Engine) -> Sequence[sa.RowMapping]:
    """device, site, sign_key, added_at of every device, by site and name."""
    with engine.connect() as connection:
        return connection.execute(sa.select(devices).order_by(devices.c.site, devices.c.device)).mappings().all()


class Registry:
    """The registered devices in memory; read again when a name is unknown, since `hub device add` is another process.

    Used from one thread.
    """

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._devices: dict[str, Device] = {}
        self._read_at_ns: int | None = None

    def find(self, device: str) -> Device | None:
        """None where nobody registered this name. Raises what the database raises."""
        found = self._devices.get(device)
        if found is None and self._is_old():
            self._read()
            found = self._devices.get(device)
        return found

    def forget(self) -> None:
        """Read the database again, which may be another one."""
        self._devices, self._read_at_ns = {}, None

    def _is_old(self) -> bool:
        # A flood of unknown names must not become a flood of queries.
        return self._read_at_ns is None or self._clock.monotonic_ns() - self._read_at_ns >= RELOAD_AFTER_NS

    def _read(self) -> None:
        rows = listed(self._engine)
        self._devices = {
            row["device"]: Device(row["device"], row["site"], Ed25519PublicKey.from_public_bytes(row["sign_key"]))
            for row in rows
        }
        self._read_at_ns = self._clock.monotonic_ns()
