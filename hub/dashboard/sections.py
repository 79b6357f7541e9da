"""A reading in words → the page's sections as HTML. Every value passes through the templates' own escaping."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from msgspec import UNSET

from edge.terms import label_text
from edge.words import Language
from hub.dashboard.feed import Coverage
from hub.dashboard.templating import NOTHING, listed, render
from hub.queries import DeviceRow, FindingRow, Live
from hub.queries_live import SiteRow, troubles
from hub.words import ago, clock_time, lasting, word, word_or

DEVICES_SHOWN = 20
SITES_SHOWN = 40
LATE_AFTER = timedelta(minutes=2)
TIERS = ("urgent", "routine", "person", "self_care")


class Sections:
    """For one language."""

    def __init__(self, language: Language, coverage: Coverage | None) -> None:
        self._language = language
        self._coverage = coverage

    def numbers(self, live: Live) -> str:
        return self._render("numbers", live=live, urgent=live.of_tier("urgent"))

    def sites(self, sites: Sequence[SiteRow], chosen: str) -> str:
        """Added up by site: five thousand devices are no list to read."""
        shown = sites[:SITES_SHOWN]
        longest = {row.site: lasting(row.oldest_unsent_s, self._language) for row in shown if row.backlog}
        return self._render("sites", sites=shown, chosen=chosen, longest=longest, more=max(0, len(sites) - SITES_SHOWN))

    def devices(self, live: Live, site: str) -> str:
        """Of one site, or of all; those where somebody should look come first."""
        mine = [row for row in live.devices if row.site == site] if site else live.devices
        rows = [self._device(row, live) for row in mine[:DEVICES_SHOWN]]
        return self._render("devices", rows=rows, site=site, more=max(0, len(mine) - DEVICES_SHOWN))

    def findings(self, live: Live) -> str:
        rows = [self._finding(row, live) for row in live.findings]
        return self._render("findings", live=live, rows=rows, coverage=self._covers(live))

    def tiers(self, live: Live) -> str:
        total = live.total_findings or 1
        rows = [
            SimpleNamespace(
                name=tier,
                text=self._word(f"tier.{tier}"),
                count=live.of_tier(tier),
                percent=round(100 * live.of_tier(tier) / total, 1),
            )
            for tier in TIERS
        ]
        return self._render("tiers", tiers=rows)

    def model(self, live: Live) -> str:
        covered = self._coverage
        not_covered = ""
        if covered is not None and covered.not_covered:
            not_covered = self._word("model.not_covered", labels=listed(covered.not_covered, self._language))
        status = {f"{row.name} {row.version}": row.status for row in live.models}
        if covered is not None:
            status.setdefault(covered.model, covered.status)
        models = [SimpleNamespace(text=name, status=status.get(name, "")) for name in models_in_use(live)]
        return self._render("model", models=models, coverage=self._covers(live), not_covered=not_covered)

    def _covers(self, live: Live) -> str:
        """The only way in which this page says "nothing found"."""
        if self._coverage is None or not set(models_in_use(live)) <= {self._coverage.model}:
            return self._word("model.unknown")
        labels = listed(self._coverage.labels, self._language)
        return self._word("model.nothing", count=live.people.nothing_found, labels=labels)

    def _device(self, row: DeviceRow, live: Live) -> SimpleNamespace:
        state = row.state
        told: dict[str, Any] = dict.fromkeys(("backlog", "oldest", "fps", "p90", "model"), NOTHING)
        problem = ""
        if state is not None:
            told["backlog"] = f"{state.backlog:,}"
            if state.backlog:
                told["oldest"] = lasting(state.oldest_s, self._language)
            if state.fps is not UNSET:
                told["fps"] = f"{state.fps:.1f}"
            if state.p90_ms is not UNSET:
                told["p90"] = f"{state.p90_ms:.1f} ms"
            if state.model is not UNSET:
                told["model"] = state.model
            problem = self._problem(row)
        seen = ago(row.last_seen_at, live.at, self._language) if row.last_seen_at else NOTHING
        presence_text = self._word(f"presence.{row.presence}")
        return SimpleNamespace(
            device=row.device,
            site=row.site,
            presence=row.presence,
            presence_text=presence_text,
            seen=seen,
            problem=problem,
            attention=row.needs_attention or bool(problem),
            **told,
        )

    def _problem(self, row: DeviceRow) -> str:
        state = row.state
        assert state is not None
        if state.outbox_full:
            return self._word("problem.full")
        if state.problem is not UNSET and state.problem:
            return state.problem
        if not state.capturing and row.presence == "online":
            return self._word("problem.stopped")
        return ", ".join(self._word(f"trouble.{name}") for name in troubles(row) if name != "silent")

    def _finding(self, row: FindingRow, live: Live) -> SimpleNamespace:
        language = self._language
        late = row.received_at - row.captured_at > LATE_AFTER
        arrived = clock_time(row.received_at, live.at, language)
        return SimpleNamespace(
            finding_id=row.finding_id,
            label=label_text(row.label, language),
            tier=row.tier,
            tier_text=self._or(f"tier.{row.tier}", row.tier),
            body_site=self._or(f"body.{row.body_site}", row.body_site),
            site=row.site,
            device=row.device,
            score=f"{row.score:.2f}",
            time=clock_time(row.captured_at, live.at, language),
            late=self._word("findings.late", time=arrived) if late else "",
        )

    def _word(self, key: str, **fields: object) -> str:
        return word(key, self._language, **fields)

    def _or(self, key: str, otherwise: str) -> str:
        return word_or(key, otherwise, self._language)

    def _render(self, name: str, **values: Any) -> str:
        return render(name, self._language, **values)


def models_in_use(live: Live) -> list[str]:
    """Name and version of every model that a device names or a finding came from."""
    named = {row.state.model for row in live.devices if row.state is not None and row.state.model is not UNSET}
    return sorted({str(name) for name in named} | {f"{row.name} {row.version}" for row in live.models})
