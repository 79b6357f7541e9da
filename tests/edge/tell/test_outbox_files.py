"""Opening an outbox: files that are none, another device's, and what a device says of a finished day."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from edge import config, events, wire
from edge.errors import ConfigError, StoreError
from edge.outbox import Outbox, open_database
from edge.sealing import ciphertext_hash, unseal
from tests.edge.tell.conftest import HandClock, MakeOutbox
from tests.golden import messages
from tests.golden.keys import Keys

LINE = messages.EVENTS[-1]


def test_a_file_that_is_not_an_outbox_is_told(make_outbox: MakeOutbox, tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"this is a letter, not a database" * 200)
    with pytest.raises(StoreError, match="aside"):
        make_outbox()
    with closing(apsw.Connection(str(tmp_path / "other.db"))) as other:
        other.execute("CREATE TABLE letters(text)")
    with pytest.raises(StoreError, match="expected an outbox of version 2"):
        make_outbox(name="other.db")
    with pytest.raises(StoreError, match="expected an outbox that can be written"):
        open_database(tmp_path)


def test_a_damaged_outbox_is_told(make_outbox: MakeOutbox, tmp_path: Path) -> None:
    outbox = make_outbox()
    for _ in range(50):
        outbox.append(LINE)
    outbox.close()
    path = tmp_path / "outbox.db"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="aside"):
        make_outbox().pending(0, 100)


def test_another_devices_outbox_and_a_tiny_quota_are_config_errors(
    make_outbox: MakeOutbox, keys: Keys, clock: HandClock, tmp_path: Path
) -> None:
    make_outbox().close()
    database = open_database(tmp_path / "outbox.db")
    with pytest.raises(ConfigError, match="got that of 'handheld-7'"):
        Outbox(database, keys.identity("handheld-8"), clock, config.Outbox())
    database.close()
    with pytest.raises(ConfigError, match=r"outbox\.max_bytes of at least"):
        make_outbox(max_bytes=1000)


def test_once_a_day_the_hub_is_told_what_was_committed(make_outbox: MakeOutbox, clock: HandClock, keys: Keys) -> None:
    outbox = make_outbox()
    outbox.append_many([LINE] * 3)
    assert not outbox.reconcile(), "the first day has just begun"
    clock.forward(86_400)
    assert outbox.reconcile()
    assert not outbox.reconcile()
    outbox.append(LINE)
    clock.forward(86_400)
    outbox.close()
    outbox = make_outbox()
    assert outbox.reconcile()
    rows = outbox.pending(0, 10)
    hashes = [ciphertext_hash(wire.decode_sealed(row.message)[0]) for row in rows]
    told = [
        wire.decode(unseal(message, header, keys.hub_seal), events.EventBody)
        for message, header in (wire.decode_sealed(rows[index].message) for index in (3, 5))
        if isinstance(message, wire.Envelope)
    ]
    assert [(each.first_seq, each.last_seq, each.last_hash) for each in told if isinstance(each, events.Reconcile)] == [
        (1, 3, hashes[2]),
        (4, 5, hashes[4]),
    ]
    clock.forward(86_400)
    assert not outbox.reconcile(), "nothing came but the last reconciliation"
    assert outbox.status().last_seq == 6
