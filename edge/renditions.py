"""One rendition of a picture, cut into the events that carry it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from edge.encounter import Encounter
from edge.events import PicturePart
from edge.sealing import sha256
from edge.wire import PART_BYTES_MAX


def cut(
    encounter: Encounter,
    finding_id: str | None,
    rendition: Literal["full", "crop", "thumbnail"],
    jpeg: bytes,
    at: datetime,
) -> Sequence[PicturePart]:
    """The parts of a JPEG in their order, each small enough to travel; the whole is named by its SHA-256."""
    pieces = [jpeg[start : start + PART_BYTES_MAX] for start in range(0, len(jpeg), PART_BYTES_MAX)]
    return [
        PicturePart(
            at=at,
            encounter=encounter,
            finding_id=finding_id,
            rendition=rendition,
            picture_sha256=sha256(jpeg),
            media_type="image/jpeg",
            part=number,
            parts=len(pieces),
            content=piece,
        )
        for number, piece in enumerate(pieces)
    ]
