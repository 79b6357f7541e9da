"""An opened body → rows that pages can count, and the desk's (hub/desk/intake.py). In the event's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from edge.encounter import Encounter
from edge.events import CommandApplied, Consent, EncounterClosed, EncounterOpened, Finding, Reconcile, Refusal, Resume
from hub import chains, commanding, replay
from hub.database import upsert
from hub.desk import intake
from hub.opening import Opened
from hub.quarantine import alarm
from hub.schema import encounters, findings, refusals, responses


def project(connection: sa.Connection, opened: Sequence[Opened]) -> None:
    """Each event once: the caller passes only what it has just stored."""
    for each in opened:
        match each.body:
            case Finding() as finding if _finding(connection, each, finding):
                intake.take_finding(connection, each, finding)
            case Consent() as event:
                _encounter(connection, each, event.encounter, _agreed(event))
            case EncounterOpened() as event:
                _encounter(connection, each, event.encounter, {"opened_at": event.at})
            case EncounterClosed() as event:
                _encounter(connection, each, event.encounter, _closing(event))
            case Refusal() as refusal:
                _refusal(connection, each, refusal)
            case Reconcile() as body:
                chains.note_reconciliation(connection, each.device.device, each.header.epoch, body)
            case _:
                pass
        intake.take(connection, each)


def store_responses(connection: sa.Connection, opened: Sequence[Opened]) -> None:
    """What devices answered to commands, once, however often it comes; and where they stand."""
    for each in opened:
        body, device, at = each.body, each.device.device, each.arrival.received_at
        is_news = replay.is_news(connection, device, each.header)
        if isinstance(body, Resume) and is_news:
            commanding.resumed(connection, device, body, at)
        if not isinstance(body, CommandApplied):
            continue
        commanding.answered(connection, device, body, at)
        row = {
            "event_id": each.header.event_id,
            "device": device,
            "command_id": body.command_id,
            "outcome": body.outcome,
            "detail": body.detail,
            "received_at": at,
        }
        connection.execute(upsert(connection, responses).values(row).on_conflict_do_nothing())


def _finding(connection: sa.Connection, opened: Opened, finding: Finding) -> bool:
    """Whether it is new."""
    row = {
        "finding_id": finding.finding_id,
        "event_id": opened.header.event_id,
        "encounter_id": finding.encounter.encounter_id,
        "site": opened.device.site,
        "device": opened.device.device,
        "label": finding.label,
        "score": finding.score,
        "tier": finding.tier,
        "rules": finding.rules,
        "captured_at": finding.captured_at,
        "received_at": opened.arrival.received_at,
        "model_name": finding.model.name,
        "model_version": finding.model.version,
        "model_status": finding.model.status,
        "card_sha256": finding.model.card_sha256,
        "body_site": finding.body_site,
        "box_px": list(finding.box_px),
        "frame_size_px": list(finding.frame_size_px),
        "frame_sequence": finding.frame_sequence,
        "observations": finding.observations,
    }
    statement = upsert(connection, findings).values(row).on_conflict_do_nothing().returning(findings.c.finding_id)
    if connection.execute(statement).first() is None:
        detail = f"finding {finding.finding_id} came in a second event, {opened.header.event_id}; it counts once"
        alarm(connection, "finding_repeated", opened.device.device, opened.arrival.received_at, detail)
        return False
    return True


def _encounter(connection: sa.Connection, opened: Opened, encounter: Encounter, known: dict[str, Any]) -> None:
    row = {
        "encounter_id": encounter.encounter_id,
        "device": opened.device.device,
        "site": opened.device.site,
        "cohort": encounter.cohort,
        "wave": encounter.wave,
    }
    if encounter.participant is not None:
        known = {**known, "participant": encounter.participant}
    statement = upsert(connection, encounters).values(row | known)
    keys = [encounters.c.encounter_id, encounters.c.device]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=known))


def _agreed(event: Consent) -> dict[str, Any]:
    return {
        "pictures_agreed": "pictures" in event.scope,
        "follow_up_agreed": "follow_up" in event.scope,
    }


def _closing(event: EncounterClosed) -> dict[str, Any]:
    return {
        "closed_at": event.at,
        "outcome": event.outcome,
        "shots": event.shots,
        "findings": event.findings,
        "duration_ms": event.duration_ms,
        "retakes": event.retakes,
        "tier": event.tier,
    }


def _refusal(connection: sa.Connection, opened: Opened, refusal: Refusal) -> None:
    row = {
        "event_id": opened.header.event_id,
        "encounter_id": refusal.encounter_id,
        "device": opened.device.device,
        "site": opened.device.site,
        "cohort": refusal.cohort,
        "reason": refusal.reason,
        "at": refusal.at,
    }
    connection.execute(upsert(connection, refusals).values(row).on_conflict_do_nothing())
