"""A stable track becomes exactly one finding, of one frame, with a tier that an incomplete model cannot soften."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge import events, terms
from edge.clock import uuid7
from edge.config import Track as TrackSettings
from edge.config import Triage as TriageSettings
from edge.encounter import Encounter
from edge.errors import ConfigError
from edge.findings import FindingMaker
from edge.frame import Box
from edge.track import Tracker
from edge.triage import Triage, worst
from edge.verdict import Verdict
from tests.edge.cards import card
from tests.edge.see.scenes import BAD, GOOD, LABEL, REPORT, SIZE_PX, START, THRESHOLDS, FixedClock, box, frame, seen

PERSON = Encounter(encounter_id=uuid7(START), cohort="ward", operator="o", participant="7K3PQV", consent=uuid7(START))


class Bench:
    """Tracker and findings on a table."""

    def __init__(self, **settings: int) -> None:
        track = TrackSettings(**settings)
        self.tracker = Tracker(track, THRESHOLDS)
        triage = Triage(TriageSettings(), THRESHOLDS)
        self.maker = FindingMaker(track, card(), THRESHOLDS, triage, FixedClock())

    def step(self, sequence: int, *boxes: Box, score: float = 0.8, verdict: Verdict = GOOD) -> list[events.Finding]:
        taken = frame(sequence, *boxes)
        tracks = self.tracker.update([seen(each, score) for each in boxes], taken, taken.planes, verdict)
        return [finding for _, finding in self.maker.step(tracks, PERSON, "forearm")]


def test_exactly_one_finding_over_100_frames() -> None:
    bench = Bench()
    found = [bench.step(sequence, box(200 + sequence, 180)) for sequence in range(100)]
    assert [index for index, each in enumerate(found) if each] == [7]
    finding = found[7][0]
    assert finding.observations == 8
    assert finding.label == LABEL
    assert finding.score == pytest.approx(0.8)
    assert finding.frame_size_px == SIZE_PX
    assert finding.box_px == box(200 + finding.frame_sequence, 180), "box and sequence are of the same frame"
    assert finding.encounter == PERSON


def test_rejected_frames_never_make_a_finding() -> None:
    bench = Bench()
    assert not any(bench.step(sequence, box(200, 180), verdict=BAD) for sequence in range(100))


def test_a_finding_waits_for_a_frame_with_its_own_verdict() -> None:
    bench, older = Bench(), Verdict(True, None, REPORT, exact=False)
    assert not any(bench.step(sequence, box(200, 180), verdict=older) for sequence in range(20))
    (finding,) = bench.step(20, box(200, 180))
    assert (finding.frame_sequence, finding.observations) == (20, 21)


def test_a_low_mean_is_no_finding_however_long() -> None:
    bench = Bench()
    bench.step(0, box(200, 180), score=0.6)
    assert not any(bench.step(sequence, box(200, 180), score=0.45) for sequence in range(1, 60))


def test_what_flickers_is_no_finding() -> None:
    bench = Bench()
    assert not any(bench.step(sequence, *([box(200, 180)] if sequence % 3 == 0 else [])) for sequence in range(90))


def test_the_finding_fits_the_wire() -> None:
    bench = Bench(stable_observations=1)
    finding = bench.step(0, Box(-3.0, -2.0, 60.0, 60.0))[0]
    assert finding.box_px[:2] == (0.0, 0.0)


def test_self_care_is_closed_to_a_model_that_does_not_cover_all_six_groups() -> None:
    complete = Triage(TriageSettings(), terms.groups())
    assert complete.tier("acne_rosacea", 0.9) == "self_care", "else this test could not fail"
    for missing in terms.groups():
        partial = Triage(TriageSettings(), set(terms.groups()) - {missing})
        tiers = {partial.tier(label, score / 10) for label in terms.groups() for score in range(11)}
        assert "self_care" not in tiers


def test_what_no_rule_knows_goes_to_a_person() -> None:
    triage = Triage(TriageSettings(), THRESHOLDS)
    assert triage.tier(LABEL, 0.9) == "routine"
    assert triage.tier(LABEL, 0.49) == "person"
    assert triage.tier("something_else", 1.0) == "person"
    assert triage.version == "triage-1"


def test_a_rule_table_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        'version = "mine-2"\notherwise = "routine"\n[[rule]]\nlabel = "x"\nscore_min = 0.1\ntier = "urgent"\n'
    )
    triage = Triage(TriageSettings(rules=str(path)), THRESHOLDS)
    assert (triage.version, triage.tier("x", 0.2), triage.tier("y", 0.2)) == ("mine-2", "urgent", "routine")
    path.write_text('version = "mine-2"\notherwise = "fine"\n')
    with pytest.raises(ConfigError, match="rule table"):
        Triage(TriageSettings(rules=str(path)), THRESHOLDS)
    with pytest.raises(ConfigError, match="rule table"):
        Triage(TriageSettings(rules=str(tmp_path / "none.toml")), THRESHOLDS)


def test_the_worst_tier() -> None:
    assert worst([]) is None
    assert worst(["self_care", "person"]) == "person"
    assert worst(["routine", "urgent", "person"]) == "urgent"


def test_labels_have_words_in_both_languages_and_codes_only_with_a_source() -> None:
    assert len(terms.groups()) == 6
    for group in terms.groups().values():
        assert group.members
        assert terms.label_text(group.name, "zh") != terms.label_text(group.name, "en")
    assert terms.label_text("unknown_thing", "zh") == "unknown thing"
    coded = {member.name: (member.icd10, member.icd11) for group in terms.groups().values() for member in group.members}
    assert coded["melanoma"] == ("C43", "2C30")
    assert coded["melanocytic_naevus"] == ("", "")
    assert set(terms.snomed_ids()) <= set(coded)
    assert {"icd10", "icd11", "snomed"} == set(terms.sources())
