"""The stages together: no consent, no finding; what is not kept is not shown; a full outbox stops and loses nothing.

The engine is a double (blobs.py), quality is given, the outbox is a list that can be told to be full.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from edge import bundle, events
from edge.config import Detect, Inference
from edge.config import Operator as OperatorSettings
from edge.config import Track as TrackSettings
from edge.config import Triage as TriageSettings
from edge.detect import Detector
from edge.errors import OutboxFullError, WireError
from edge.findings import FindingMaker
from edge.frame import Frame
from edge.pipeline import NO_ENCOUNTER, Pipeline, View
from edge.quality import QualityReport
from edge.session import Session, SessionChange
from edge.track import Tracker
from edge.triage import Triage
from edge.wire import Priority
from tests.edge.see.blobs import write_bundle
from tests.edge.see.scenes import REPORT, THRESHOLDS, FixedClock, box, frame


class ListStore:
    """A double of the outbox."""

    def __init__(self) -> None:
        self.bodies: list[events.EventBody] = []
        self.full = False
        self.refuses: type[events.EventBody] | None = None

    def append_many(self, bodies: Sequence[events.EventBody], priority: Priority = "live") -> list[str]:
        del priority
        if self.full:
            raise OutboxFullError("the outbox is full")
        if self.refuses is not None and any(isinstance(each, self.refuses) for each in bodies):
            raise WireError("expected another body")
        self.bodies.extend(bodies)
        return [f"event-{len(self.bodies)}" for _ in bodies]

    def append_rendition(self, parts: Sequence[events.PicturePart]) -> bool:
        self.append_many(parts)
        return True

    def kinds(self) -> list[str]:
        return [type(each).__name__ for each in self.bodies]


class GivenQuality:
    """A double of the quality thread: judges at once, and as it is told."""

    def __init__(self) -> None:
        self.report: QualityReport | None = REPORT
        self.offered: list[int] = []
        self._ns = 0

    def offer(self, frame: Frame) -> None:
        self.offered.append(frame.sequence)
        self._ns = frame.monotonic_ns

    def newest(self, of_ns: int | None = None) -> tuple[QualityReport, int] | None:
        assert of_ns == self._ns, "it is asked for the frame in hand"
        return None if self.report is None else (self.report, self._ns)


class Told:
    """An operator who says what the test says, by frame."""

    def __init__(self, script: dict[int, list[SessionChange]]) -> None:
        self.script = script

    def step(self, frame: Frame) -> list[SessionChange]:
        return self.script.get(frame.sequence, [])


CAME, AGREED, REFUSED, LEFT = (SessionChange(each) for each in ("person_came", "consented", "refused", "person_left"))


class Bench:
    def __init__(
        self, folder: Path, script: dict[int, list[SessionChange]], *, keeps: bool = True, sample_share: float = 0.0
    ) -> None:
        model = bundle.load(write_bundle(folder / "bundle"))
        inference = Inference(backend="tests.edge.see.blobs:BlobBackend")
        clock, track = FixedClock(), TrackSettings()
        self.store, self.quality = ListStore(), GivenQuality()
        self.rows: list[dict[str, object]] = []
        triage = Triage(TriageSettings(), THRESHOLDS)
        self.pipeline = Pipeline(
            detector=Detector(model, inference, Detect()),
            judge=self.quality,
            verdict_max_age_ms=200,
            tracker=Tracker(track, THRESHOLDS),
            findings=FindingMaker(track, model.card, THRESHOLDS, triage, clock),
            operator=Told(script),
            session=Session(OperatorSettings(sample_share=sample_share), clock, os.urandom),
            store=self.store if keeps else None,
            clock=clock,
            trace=self.rows.append,
        )

    def step(self, sequence: int) -> View | None:
        return self.pipeline.step(frame(sequence, box(320, 180, 80)))


def test_the_sentence_and_its_order(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {0: [CAME, AGREED], 30: [LEFT, CAME, AGREED]})
    views = [bench.step(sequence) for sequence in range(40)]
    assert bench.pipeline.end()
    one = ["EncounterOpened", "Consent", "Finding", "EncounterClosed"]
    assert bench.store.kinds() == one + one, "one lesion of two persons is two findings"
    first, second = (each for each in bench.store.bodies if isinstance(each, events.Finding))
    assert first.encounter != second.encounter
    assert [view.boxes[0].tier for view in views if view][6:8] == [None, "routine"], "shown as a result once kept"
    closed = bench.store.bodies[3]
    assert isinstance(closed, events.EncounterClosed)
    assert (closed.shots, closed.findings, closed.tier) == (30, 1, "routine")
    found = [row for row in bench.rows if "finding_id" in row]
    assert [row["sequence"] for row in found] == [first.frame_sequence, second.frame_sequence]
    assert sum(row.get("accepted") is True for row in bench.rows) == 40


@pytest.mark.parametrize("script", [{}, {0: [CAME]}, {0: [CAME, REFUSED]}, {0: [CAME, AGREED, LEFT]}])
def test_without_a_consent_no_frame_is_looked_at(
    tmp_path: Path, script: dict[int, list[SessionChange]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, script)
    monkeypatch.setattr(Detector, "detect", lambda *_: pytest.fail("a frame was looked at"))
    for sequence in range(30):
        view = bench.step(sequence)
        assert view is not None
        assert view.boxes == ()
    bench.pipeline.end()
    assert "Finding" not in bench.store.kinds()
    assert bench.quality.offered == [], "nor is it judged"
    assert bench.pipeline.statistics.rejected == {NO_ENCOUNTER: 30}
    assert not any(row["accepted"] for row in bench.rows)


def test_rejected_frames_are_counted_by_hint_and_find_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {0: [CAME, AGREED]})
    bench.quality.report = QualityReport(False, "glare", 0.5, 0.0, 120.0, 0.0)
    for sequence in range(30):
        bench.step(sequence)
    bench.quality.report = None
    bench.step(30)
    bench.pipeline.end()
    assert bench.store.kinds() == ["EncounterOpened", "Consent", "EncounterClosed"]
    assert bench.pipeline.statistics.rejected == {"glare": 30, "no_verdict": 1}
    closed = bench.store.bodies[-1]
    assert isinstance(closed, events.EncounterClosed)
    assert closed.retakes == {"glare": 30, "no-verdict": 1}


def test_a_full_outbox_stops_capturing_says_so_and_loses_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {0: [CAME, AGREED]})
    for sequence in range(7):
        bench.step(sequence)
    bench.store.full = True
    view = bench.step(7)  # the lesion is stable now, and its finding is not kept
    assert view is not None
    assert view.boxes[0].tier is None, "what is not kept is not shown as a result"
    assert bench.pipeline.problem == "the outbox is full"
    assert bench.step(8) is None
    assert bench.pipeline.statistics.frames == 8, "no frame is consumed meanwhile"
    bench.store.full = False
    view = bench.step(9)
    assert view is not None
    assert view.boxes[0].tier == "routine"
    assert bench.pipeline.problem == ""
    assert bench.store.kinds() == ["EncounterOpened", "Consent", "Finding"]


def test_a_consent_that_is_not_kept_opens_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {0: [CAME, AGREED]})
    bench.store.full = True
    assert bench.step(0) is None
    assert bench.step(1) is None
    bench.store.full = False
    view = bench.step(2)
    assert view is not None
    assert bench.store.kinds() == ["EncounterOpened", "Consent"]


def test_a_body_that_the_wire_refuses_ends_the_run_and_takes_nothing_with_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {0: [CAME, AGREED], 5: [LEFT, CAME, AGREED]})
    bench.step(0)
    bench.store.full = True
    assert bench.step(5) is None  # three bodies wait
    bench.store.full, bench.store.refuses = False, events.EncounterOpened
    with pytest.raises(WireError, match="another body"):
        bench.step(6)
    one = ["EncounterOpened", "Consent"]
    assert bench.store.kinds() == [*one, "EncounterClosed", "Consent"], "what waited before it and behind it is kept"
    assert bench.pipeline.end(failed=True), "it does not come back"
    closed = bench.store.bodies[-1]
    assert isinstance(closed, events.EncounterClosed)
    assert closed.outcome == "aborted"


def test_a_consent_that_the_wire_refuses_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, {0: [CAME, AGREED]})
    monkeypatch.setattr(Detector, "detect", lambda *_: pytest.fail("a frame was looked at"))
    bench.store.refuses = events.Consent
    with pytest.raises(WireError):
        bench.step(0)
    bench.step(1)
    assert bench.pipeline.end(failed=True)
    assert bench.store.kinds() == ["EncounterOpened", "EncounterClosed"]
    closed = bench.store.bodies[-1]
    assert isinstance(closed, events.EncounterClosed)
    assert (closed.outcome, closed.encounter.participant, closed.encounter.consent) == ("aborted", None, None)


def test_a_device_that_is_not_provisioned_shows_and_keeps_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {0: [CAME, AGREED]}, keeps=False)
    views = [bench.step(sequence) for sequence in range(20)]
    assert all(view.boxes[0].tier is None for view in views if view)
    assert bench.pipeline.end()
    assert bench.store.bodies == []
    assert bench.pipeline.statistics.findings == 0


PICTURES = SessionChange("consented", scope=("screening", "pictures"))
ASKED = SessionChange("referral_asked")


def test_a_crop_goes_with_a_finding_only_where_the_consent_covers_pictures(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {0: [CAME, PICTURES]})
    for sequence in range(20):
        bench.step(sequence)
    bench.pipeline.end()
    assert bench.store.kinds() == ["EncounterOpened", "Consent", "Finding", "PicturePart", "EncounterClosed"]
    found, part = bench.store.bodies[2:4]
    assert isinstance(found, events.Finding)
    assert isinstance(part, events.PicturePart)
    assert (part.finding_id, part.rendition, part.encounter) == (found.finding_id, "crop", found.encounter)
    with Image.open(io.BytesIO(part.content)) as picture:
        assert max(picture.size) <= 512
        middle = picture.getpixel((picture.width // 2, picture.height // 2))
        corner = picture.getpixel((2, 2))
    assert middle != corner, "the lesion and the skin around it"


def test_a_whole_view_of_who_was_drawn_comes_before_the_end_findings_or_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {0: [CAME, PICTURES], 5: [LEFT, CAME, PICTURES]}, sample_share=1.0)
    for sequence in range(7):
        bench.step(sequence)
    bench.pipeline.end()
    one = ["EncounterOpened", "Consent", "PicturePart", "EncounterClosed"]
    assert bench.store.kinds() == one + one
    consents = [each for each in bench.store.bodies if isinstance(each, events.Consent)]
    views = [each for each in bench.store.bodies if isinstance(each, events.PicturePart)]
    assert [each.sample_share for each in consents] == [1.0, 1.0]
    assert [(each.finding_id, each.rendition) for each in views] == [(None, "full")] * 2
    assert [each.encounter for each in views] == [each.encounter for each in consents], "each is of their own visit"


@pytest.mark.parametrize(("agreed", "share"), [(AGREED, 1.0), (PICTURES, 0.0)])
def test_nobody_is_drawn_without_consent_to_pictures_or_a_share(
    tmp_path: Path, agreed: SessionChange, share: float
) -> None:
    bench = Bench(tmp_path, {0: [CAME, agreed]}, sample_share=share)
    for sequence in range(4):
        bench.step(sequence)
    bench.pipeline.end()
    assert bench.store.kinds() == ["EncounterOpened", "Consent", "EncounterClosed"]


def test_a_referral_is_asked_for_what_was_found_and_for_nothing_else(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {0: [CAME, AGREED], 2: [ASKED], 20: [ASKED, LEFT]})
    for sequence in range(22):
        bench.step(sequence)
    assert bench.store.kinds() == ["EncounterOpened", "Consent", "Finding", "ReferralRequest", "EncounterClosed"]
    found, request = bench.store.bodies[2:4]
    assert isinstance(found, events.Finding)
    assert isinstance(request, events.ReferralRequest)
    assert (request.finding_ids, request.tier) == ((found.finding_id,), found.tier)
