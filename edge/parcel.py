"""A file of sealed messages, for the way without a network: what a device exports and a hub imports.

    one line of JSON      Contents
    then, a message each  4 bytes of length, big-endian; the message as it would travel
    at the end            4 zero bytes; 32 bytes of SHA-256 over all that stands before them

The messages are sealed and signed one by one, so the file itself needs no trust; the hash says whether it is whole. Of
a file that was torn everything up to there can be read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from edge import wire
from edge.durable import sync_folder
from edge.errors import StoreError, WireError

LINE_BYTES_MAX = 4096


class Contents(wire.Message, frozen=True, kw_only=True):
    """Whose messages these are, as the file says: a convenience for people, not signed."""

    v: Literal[1] = 1
    kind: Literal["dermedge-events"] = "dermedge-events"
    device: wire.Name
    epoch: wire.Epoch
    ts: wire.Time
    count: wire.Count


def write_parcel(path: Path, contents: Contents, messages: Iterable[bytes]) -> None:
    """A new file, whole and on the disk when this returns, or none. Raises StoreError, also where one is there."""
    part = path.with_name(path.name + ".part")
    try:
        if path.exists():
            raise FileExistsError(f"{path} is there already")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            digest = hashlib.sha256()
            for piece in _pieces(contents, messages):
                digest.update(piece)
                file.write(piece)
            file.write(bytes(4) + digest.digest())
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"expected to write a new file at {path}; {error}") from error


def read_parcel(path: Path) -> Iterator[bytes]:
    """The messages, one by one. Raises StoreError for a file that cannot be read, WireError where it is not whole.

    What was given out before the WireError is good: each message proves itself.
    """
    try:
        with path.open("rb") as file:
            yield from _messages(path, file)
    except OSError as error:
        raise StoreError(f"expected a file of `dermedge outbox export` at {path}; {error}") from error


def _pieces(contents: Contents, messages: Iterable[bytes]) -> Iterator[bytes]:
    yield wire.encode(contents) + b"\n"
    for message in messages:
        yield len(message).to_bytes(4, "big")
        yield message


def _messages(path: Path, file: BinaryIO) -> Iterator[bytes]:
    line = file.readline(LINE_BYTES_MAX)
    try:
        msgspec.json.decode(line, type=Contents)
    except msgspec.DecodeError as error:
        raise WireError(f"expected a file of `dermedge outbox export` at {path}, got another: {error}") from error
    digest = hashlib.sha256(line)
    while True:
        prefix = file.read(4)
        size = int.from_bytes(prefix, "big")
        if len(prefix) < 4 or size > wire.MESSAGE_BYTES_MAX:
            raise WireError(f"expected a whole file at {path}, got one that is torn: copy it again")
        if size == 0:
            if file.read(33) != digest.digest():
                raise WireError(f"expected a whole file at {path}, got one that was altered: copy it again")
            return
        message = file.read(size)
        if len(message) < size:
            raise WireError(f"expected a whole file at {path}, got one that is torn: copy it again")
        digest.update(prefix + message)
        yield message
