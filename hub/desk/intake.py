"""An event → rows of the desk, in the event's transaction. A few statements an event, whatever else is there."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from edge.events import Consent, EncounterClosed, Finding, PictureDegraded, PicturePart, ReferralRequest, ReferralState
from hub.database import upsert
from hub.desk import items, models, referring, sampling
from hub.desk.urgency import counted_tier
from hub.opening import Opened
from hub.quarantine import alarm
from hub.schema_desk import picture_parts, pictures


def take_finding(connection: sa.Connection, opened: Opened, body: Finding) -> None:
    """Of a finding that is new here: the caller knows."""
    tier = counted_tier(body.tier, models.labels_of(connection, body.model.card_sha256))
    if tier != body.tier:
        detail = f"{body.model.name} {body.model.version} is not registered here as one that covers all six groups"
        alarm(connection, "self_care_not_taken", opened.device.device, opened.arrival.received_at, detail)
    row = items.open_item(connection, opened, body.encounter)
    items.take_finding(connection, row, body.label, body.score, tier, body.model.card_sha256)


def take(connection: sa.Connection, opened: Opened) -> None:
    """Whatever else people work with."""
    match opened.body:
        case Consent() as body if body.sample_share is not None:
            _draw(connection, opened, body, body.sample_share)
        case PicturePart() as body:
            _picture_part(connection, opened, body)
        case PictureDegraded() as body:
            _given_up(connection, opened, body)
        case ReferralRequest() as body:
            referring.take_request(connection, opened, body)
        case ReferralState() as body:
            referring.take_state(connection, opened, body)
        case EncounterClosed() as body if not body.shots:
            items.give_up_view(connection, opened.device.device, body.encounter.encounter_id)
        case _:
            return


def _draw(connection: sa.Connection, opened: Opened, body: Consent, device_share: float) -> None:
    device, at, encounter_id = opened.device.device, opened.arrival.received_at, body.encounter.encounter_id
    probability = sampling.draw(connection, device, encounter_id, device_share, at)
    if probability is not None:
        items.take_draw(connection, items.open_item(connection, opened, body.encounter), probability, at)


def _picture_part(connection: sa.Connection, opened: Opened, body: PicturePart) -> None:
    key = _key(opened, body)
    picture = {**key, "finding_id": body.finding_id, "rendition": body.rendition, "parts": body.parts, "parts_here": 0}
    statement = upsert(connection, pictures).values(picture)
    known = {"parts": body.parts}
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=known))
    part = upsert(connection, picture_parts).values(**key, part=body.part, event_id=opened.header.event_id)
    if connection.execute(part.on_conflict_do_nothing().returning(picture_parts.c.part)).first() is None:
        return
    mine = [pictures.c[name] == value for name, value in key.items()]
    connection.execute(sa.update(pictures).where(*mine).values(parts_here=pictures.c.parts_here + 1))
    if body.finding_id is None and items.whole_view(connection, opened.device.device, body.encounter.encounter_id):
        items.take_view(connection, opened.device.device, body.encounter.encounter_id)


def _given_up(connection: sa.Connection, opened: Opened, body: PictureDegraded) -> None:
    key = _key(opened, body)
    values = {"finding_id": body.finding_id, "rendition": body.rendition, "given_up": body.reason}
    statement = upsert(connection, pictures).values(**key, **values, parts=0, parts_here=0)
    known = {"given_up": body.reason}
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=known))
    if body.finding_id is None:
        items.give_up_view(connection, opened.device.device, body.encounter.encounter_id)


def _key(opened: Opened, body: PicturePart | PictureDegraded) -> Mapping[str, str]:
    return {
        "device": opened.device.device,
        "encounter_id": body.encounter.encounter_id,
        "picture_sha256": body.picture_sha256,
    }
