"""The way without a network, from the device's side: events into a file, and the hub's receipts from one."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path

from edge import wire
from edge.errors import StoreError
from edge.identity import Identity
from edge.outbox import Outbox
from edge.outbox_database import fact, open_reader
from edge.parcel import Contents, write_parcel
from edge.sealing import verify_signed

_WANTED = "FROM events WHERE acknowledged_at IS NULL OR ?"


def export(path: Path, device: str, file: Path, now: datetime, *, with_acknowledged: bool) -> int:
    """Write the sealed events of this device's outbox into a new file; how many. Raises StoreError, ConfigError."""
    with closing(open_reader(path, device)) as connection:
        count: int = connection.execute(f"SELECT count(*) {_WANTED}", (with_acknowledged,)).get
        contents = Contents(device=device, epoch=fact(connection, "epoch"), ts=now, count=count)
        rows = connection.execute(f"SELECT message {_WANTED} ORDER BY seq", (with_acknowledged,))
        write_parcel(file, contents, (row[0] for row in rows))
    return count


def acknowledge(outbox: Outbox, identity: Identity, file: Path) -> int:
    """Mark what the hub's signed receipts in this file name; how many. Raises StoreError, WireError, SealError."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise StoreError(f"expected the receipts of `dermedge hub import` at {file}; {error}") from error
    marked = 0
    for line in lines:
        signed: wire.Signed = wire.decode(line, wire.Signed)
        text = verify_signed("acknowledgement", signed, identity.hub.signer)
        marked += outbox.acknowledge(wire.decode(text, wire.Acknowledgement))
    return marked
