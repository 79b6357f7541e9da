"""The hub's keys: made once by `dermedge hub init`, read by `hub ingest` alone.

hub-keys.json      public; goes to every device that is provisioned
hub-private.json   mode 0600; opens events, signs acknowledgements; only `hub ingest` reads it
escrow-private.json mode 0600; opens events if the hub's own key is lost (`dermedge hub import --escrow`); kept offline
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.clock import Clock, uuid7
from edge.errors import ConfigError, StoreError
from edge.sealing import HubKeys, key_id
from edge.wire import Id
from hub.disk import to_disk

PUBLIC_FILE = "hub-keys.json"
PRIVATE_FILE = "hub-private.json"
ESCROW_FILE = "escrow-private.json"
KEY_FILES = (PUBLIC_FILE, PRIVATE_FILE, ESCROW_FILE)


class _HubPrivate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Raw private keys, 32 bytes each."""

    v: Literal[1]
    hub: Id
    seal_key: bytes
    sign_key: bytes


class _EscrowPrivate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    hub: Id
    escrow_key: bytes


@dataclass(frozen=True)
class HubIdentity:
    """What `hub ingest` needs to open what devices sealed, and to sign what it did with it.

    escrow_key: of a hub whose own key was lost, where somebody has brought it to `hub import`.
    """

    hub: str
    sealing_key: X25519PrivateKey = field(repr=False)
    signing_key: Ed25519PrivateKey = field(repr=False)
    escrow_key: X25519PrivateKey | None = field(repr=False, default=None)

    @property
    def key_id(self) -> str:
        """Of the key that signs acknowledgements."""
        return key_id(self.signing_key.public_key())

    @property
    def opening_keys(self) -> Sequence[X25519PrivateKey]:
        """What may open an event, the hub's own key first."""
        return [self.sealing_key, *([] if self.escrow_key is None else [self.escrow_key])]


def create(directory: Path, clock: Clock) -> Sequence[Path]:
    """Make all keys in a new or empty folder; the paths written, public ones first.

    Raises ConfigError where the folder holds keys already, StoreError where it cannot be written.
    """
    refuse_existing(directory, KEY_FILES)
    hub = uuid7(clock.now())
    sealing, escrow, signing = X25519PrivateKey.generate(), X25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = HubKeys(
        v=1,
        hub=hub,
        seal_key=sealing.public_key().public_bytes_raw(),
        escrow_key=escrow.public_key().public_bytes_raw(),
        sign_key=signing.public_key().public_bytes_raw(),
    )
    private = _HubPrivate(1, hub, sealing.private_bytes_raw(), signing.private_bytes_raw())
    files = (
        (directory / PUBLIC_FILE, public, 0o644),
        (directory / PRIVATE_FILE, private, 0o600),
        (directory / ESCROW_FILE, _EscrowPrivate(1, hub, escrow.private_bytes_raw()), 0o600),
    )
    written: list[Path] = []
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, keys, mode in files:
            _write_new(path, keys, mode)
            written.append(path)
        for folder in (directory, directory.parent):
            to_disk(folder)
    except OSError as error:
        remove(written)
        raise StoreError(f"expected a folder that can be written at {directory}; {error}") from error
    return written


def remove(written: Sequence[Path]) -> None:
    """Takes back what `create` has just written, so that a next try finds a folder without a hub."""
    for path in written:
        path.unlink(missing_ok=True)


def refuse_existing(directory: Path, names: Sequence[str]) -> None:
    """Raises ConfigError where one of these files is there: a hub's keys are never written over."""
    found = [name for name in names if (directory / name).exists()]
    if found:
        raise ConfigError(
            f"expected a folder without a hub at {directory}, found {', '.join(found)}: "
            "devices seal to those keys; choose another folder"
        )


def load(directory: Path) -> HubIdentity:
    """Raises ConfigError where the private keys are missing, damaged, or readable by others than their owner."""
    path = directory / PRIVATE_FILE
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigError(
                f"expected {path} to be readable by its owner only, got mode {mode:04o}: whoever has read it can open "
                f"every event; run `chmod 600 {path}`, and make a new hub where you do not trust those who could"
            )
        keys = msgspec.json.decode(path.read_bytes(), type=_HubPrivate)
        sealing = X25519PrivateKey.from_private_bytes(keys.seal_key)
        signing = Ed25519PrivateKey.from_private_bytes(keys.sign_key)
    except OSError as error:
        raise ConfigError(
            f"expected a hub's private keys at {path}, got {error.strerror}: make a hub with `dermedge hub init DIR`"
        ) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(
            f"expected a hub's private keys at {path}; {error}; copy the file again from its backup"
        ) from error
    return HubIdentity(keys.hub, sealing, signing)


def load_escrow(file: Path) -> X25519PrivateKey:
    """From where it was kept, a stick for example. Raises ConfigError where it is none, or damaged."""
    try:
        keys = msgspec.json.decode(file.read_bytes(), type=_EscrowPrivate)
        return X25519PrivateKey.from_private_bytes(keys.escrow_key)
    except OSError as error:
        raise ConfigError(
            f"expected an escrow key at {file}, got {error.strerror}; name the {ESCROW_FILE} that `dermedge hub init` "
            "wrote for the hub whose key was lost"
        ) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(
            f"expected an escrow key at {file}; {error}; copy the file again from where it is kept"
        ) from error


def _write_new(path: Path, keys: msgspec.Struct, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)  # a disk that is full leaves an empty file, which would refuse the next try
        raise
