"""Who this device is: its site, its name, its two private keys and the public keys of its hub.

    device-private.json   0600; never leaves the device
    device.json           sealing.DeviceKeys, public; goes to `dermedge hub device add`
    hub-keys.json         sealing.HubKeys, public; came from `dermedge hub init`

device.json is written last: a directory without it is not an identity.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.durable import make_folder, sync_folder
from edge.errors import ConfigError, StoreError
from edge.sealing import DeviceKeys, HubKeys

PRIVATE_FILE = "device-private.json"
PUBLIC_FILE = "device.json"
HUB_FILE = "hub-keys.json"

S = TypeVar("S", bound=msgspec.Struct)


class PrivateKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Raw private keys, 32 bytes each."""

    v: Literal[1]
    seal_key: bytes
    sign_key: bytes


@dataclass(frozen=True)
class Identity:
    """A provisioned device. signing_key signs what it sends; sealing_key opens the commands sealed to it."""

    site: str
    device: str
    signing_key: Ed25519PrivateKey = field(repr=False)
    sealing_key: X25519PrivateKey = field(repr=False)
    hub: HubKeys

    @property
    def public(self) -> DeviceKeys:
        """What the hub's registry holds of this device."""
        return DeviceKeys(
            v=1,
            site=self.site,
            device=self.device,
            seal_key=self.sealing_key.public_key().public_bytes_raw(),
            sign_key=self.signing_key.public_key().public_bytes_raw(),
        )


def create(directory: Path, site: str, device: str, hub_keys: Path) -> Path:
    """Make this device's keys in `directory`, beside a copy of the hub's; returns the file for `hub device add`.

    Raises ConfigError for a name that is not one, hub keys that are none, or a directory that already holds keys;
    StoreError where the directory cannot be written, and then nothing of it is left.
    """
    hub = read_hub_keys(hub_keys, remedy=_HUB_REMEDY)
    identity = Identity(site, device, Ed25519PrivateKey.generate(), X25519PrivateKey.generate(), hub)
    public = identity.public
    try:
        msgspec.convert(msgspec.to_builtins(public), DeviceKeys)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"expected site and device as 1 to 32 of a-z, 0-9 and '-', got {site!r} and {device!r}; {error}"
        ) from error
    private = PrivateKeys(
        v=1,
        seal_key=identity.sealing_key.private_bytes_raw(),
        sign_key=identity.signing_key.private_bytes_raw(),
    )
    try:
        make_folder(directory, mode=0o700)
        with ExitStack() as undoing:
            for name, keys, mode in (
                (PRIVATE_FILE, private, 0o600),
                (HUB_FILE, hub, 0o644),
                (PUBLIC_FILE, public, 0o644),
            ):
                _write(directory / name, msgspec.json.encode(keys), mode, undoing)
            sync_folder(directory)
            undoing.pop_all()
    except FileExistsError as error:
        raise ConfigError(
            f"expected a directory without keys, got {directory} with {Path(error.filename).name}: keys are never "
            "overwritten; name another directory, or move this one aside"
        ) from error
    except OSError as error:
        raise StoreError(f"expected to write the keys into {directory}; {error}") from error
    return directory / PUBLIC_FILE


def load(directory: Path) -> Identity:
    """The identity in this directory.

    Raises ConfigError where a file is missing, damaged or of another device, or others may read the private keys.
    """
    private = _read(directory / PRIVATE_FILE, PrivateKeys)
    _require_private(directory / PRIVATE_FILE)
    hub = read_hub_keys(directory / HUB_FILE)
    public = _read(directory / PUBLIC_FILE, DeviceKeys)
    try:
        signing_key = Ed25519PrivateKey.from_private_bytes(private.sign_key)
        sealing_key = X25519PrivateKey.from_private_bytes(private.seal_key)
    except ValueError as error:
        raise ConfigError(f"expected keys of 32 bytes in {directory / PRIVATE_FILE}; {error}; {_REMEDY}") from error
    identity = Identity(public.site, public.device, signing_key, sealing_key, hub)
    if identity.public != public:
        raise ConfigError(
            f"expected {PUBLIC_FILE} and {PRIVATE_FILE} of one device in {directory}, got keys that do not belong "
            f"together; {_REMEDY}"
        )
    return identity


_REMEDY = "restore it from a copy, or provision the device again"
_HUB_REMEDY = "use the hub-keys.json that `dermedge hub init` wrote"


def read_hub_keys(path: Path, remedy: str = _REMEDY) -> HubKeys:
    """A hub's public keys. Raises ConfigError where the file is not what `dermedge hub init` wrote."""
    keys = _read(path, HubKeys, remedy)
    try:
        _ = keys.recipients, keys.signer
    except ValueError as error:
        raise ConfigError(f"expected three public keys of 32 bytes in {path}; {error}; {remedy}") from error
    return keys


def _read(path: Path, kind: type[S], remedy: str = _REMEDY) -> S:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        remedy = "`dermedge provision` writes it" if remedy == _REMEDY else remedy
        raise ConfigError(f"expected a readable {path}; {error}; {remedy}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"expected {kind.__name__} as JSON in {path}; {error}; {remedy}") from error


def _require_private(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"expected {path} for its owner alone, got mode {mode:04o}: who has read it can speak as this device; run "
            f"`chmod 600 {path}`, and provision the device again where you do not trust those who could"
        )


def _write(path: Path, data: bytes, mode: int, undoing: ExitStack) -> None:
    """A new file, on the disk before this returns; `undoing` would remove it. Raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    undoing.callback(path.unlink, missing_ok=True)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
