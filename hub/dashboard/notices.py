"""What stands over every page: what the models are for, and what needs a person."""

from __future__ import annotations

from edge.words import Language
from hub.dashboard.feed import Coverage, Reading, is_research
from hub.dashboard.templating import render


def notices(reading: Reading, coverage: Coverage | None, language: Language, *, full: bool) -> str:
    """full: with quarantine and alarms, as on the live page; elsewhere only what bears on every page."""
    return render(
        "notices",
        language,
        live=reading.live,
        research=is_research(reading.live, coverage),
        database_away=reading.database_away,
        is_read=reading.is_read,
        full=full,
    )
