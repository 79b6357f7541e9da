"""The demonstration's own counts, on frames and findings that can be worked out by hand."""

from __future__ import annotations

from typing import Any

from benchmarks.planted import recount

BOX = [100.0, 100.0, 300.0, 300.0]


def rows(accepted: int, total: int = 20, **lesion: Any) -> list[dict[str, Any]]:
    shown = {"lesion_id": "p0l0", "box_px": BOX, "visible": True} | lesion
    return [
        {"sequence": number, "accepted": number < accepted, "frame_size_px": [1280, 720], "lesions": [shown]}
        for number in range(total)
    ]


def finding(**changes: Any) -> dict[str, Any]:
    return {"label": "cutaneous_tumour", "box_px": BOX, "frame_sequence": 3} | changes


def test_a_lesion_in_fifteen_accepted_frames_is_planted_and_found_by_a_box_on_it() -> None:
    counted = recount(rows(15), [finding()])
    assert (counted.planted, counted.found, counted.unmatched) == ({"p0l0"}, {"p0l0"}, 0)


def test_fourteen_frames_a_hidden_lesion_or_one_too_small_are_not_planted() -> None:
    assert not recount(rows(14), []).planted
    assert not recount(rows(20, visible=False), []).planted
    assert not recount(rows(20, box_px=[0.0, 0.0, 60.0, 60.0]), []).planted


def test_a_second_finding_another_label_or_a_box_beside_it_is_unmatched() -> None:
    assert recount(rows(20), [finding(), finding(frame_sequence=9)]).unmatched == 1
    for wrong in (finding(label="acne_rosacea"), finding(box_px=[250.0, 250.0, 450.0, 450.0])):
        counted = recount(rows(20), [wrong])
        assert (len(counted.found), counted.unmatched) == (0, 1)
