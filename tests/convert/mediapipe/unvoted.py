"""A bundle as MediaPipe's variant of it answers: PostProcess holds no vote on where a box lies."""

from __future__ import annotations

import msgspec

from edge.bundle import Bundle


def unvoted(loaded: Bundle) -> Bundle:
    """The same, each box the best candidate's own."""
    replace, card = msgspec.structs.replace, loaded.card
    assert card.decode is not None
    return Bundle(loaded.path, replace(card, decode=replace(card.decode, vote_iou=0.0)), loaded.model)
