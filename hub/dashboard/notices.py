"""What stands over every page: what the models are for, and what needs a person."""

from __future__ import annotations

from edge.words import Language
from hub.dashboard.feed import Reading
from hub.dashboard.templating import render
from hub.queries_models import is_research


def notices(reading: Reading, language: Language, *, full: bool) -> str:
    """full: with quarantine and alarms, as on the live page; elsewhere only what bears on every page."""
    return render(
        "notices",
        language,
        live=reading.live,
        research=is_research(reading.models),
        database_away=reading.database_away,
        is_read=reading.is_read,
        full=full,
    )
