"""What people say of a visit, by one tap each: site, role, question, value. Of nobody in particular."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from edge.errors import UsageError
from hub.database import upsert
from hub.queries_quality import QUESTIONS, ROLES
from hub.schema_desk import feedback

VALUES = range(1, 6)


def give(
    connection: sa.Connection, feedback_id: str, site: str, role: str, question: str, value: int, now: datetime
) -> None:
    """feedback_id: of the page that was shown; a second tap to one question changes the first. Raises UsageError."""
    if role not in ROLES or question not in QUESTIONS or value not in VALUES:
        raise UsageError(f"expected a role, a question and a value of 1 to 5; got {role!r}, {question!r}, {value!r}")
    key = {"feedback_id": feedback_id, "role": role, "question": question}
    row = {"at": now, "site": site, "value": value}
    statement = upsert(connection, feedback).values(key | row)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=row))
