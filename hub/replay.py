"""Whether a response is news. It is signed, and genuine for ever: whoever has recorded one can send it again.

A `resume` counts while it is the newest response of its chain, by (epoch, seq) of its signed header, and so at most
once. A device begins a new chain of responses each time that it opens its outbox. So one whose outbox was set back is
heard, for nobody has heard its chain before; and one that was recorded is not. What a device answered to a command
counts whenever it comes: it is about that command alone, and said again it changes nothing.
"""

from __future__ import annotations

import sqlalchemy as sa

from edge.wire import Header
from hub.database import upsert
from hub.schema import heard


def is_news(connection: sa.Connection, device: str, header: Header) -> bool:
    """Whether no response of this chain with this number or a later one was taken yet; from now on it was."""
    row = {"device": device, "epoch": header.epoch, "seq": header.seq}
    statement = upsert(connection, heard).values(row)
    newer = statement.on_conflict_do_update(
        index_elements=[heard.c.device, heard.c.epoch], set_={"seq": header.seq}, where=heard.c.seq < header.seq
    )
    return connection.execute(newer.returning(heard.c.seq)).first() is not None
