"""The figures of the quality page: against worked examples, with their intervals, and none where there are too few."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
import sqlalchemy as sa

from edge import bundle
from edge.errors import UsageError
from edge.events import Model
from edge.wire import Tier
from hub import estimates
from hub.desk import feedback, models
from hub.desk.deciding import Decision
from hub.estimates import Answered
from hub.queries_models import in_use, is_research
from hub.queries_quality import ROWS_MIN, SKIN_TONE, Cell, agreement, drifts, feedback_table, retakes
from hub.queries_slip import slip
from hub.schema import alarms, findings
from tests.hub.desk.arrivals import Arrivals
from tests.hub.desk.bodies import an_id, consent, visit
from tests.hub.desk.test_worklist import items, say
from tests.hub.sender import encounter, finding


def test_kappa_is_that_of_a_worked_example() -> None:
    """Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, table 18.1: 0.676, error 0.088."""
    counts = {("p", "p"): 75, ("p", "n"): 1, ("p", "o"): 4, ("n", "p"): 5, ("n", "n"): 4, ("n", "o"): 1}
    counts |= {("o", "p"): 0, ("o", "n"): 0, ("o", "o"): 10}
    found = estimates.kappa(counts)
    assert found is not None
    assert found.value == pytest.approx(0.676, abs=0.001)
    assert (found.high - found.low) / (2 * estimates.Z95) == pytest.approx(0.088, abs=0.001)


def test_kappa_says_nothing_where_chance_explains_everything() -> None:
    assert estimates.kappa({("a", "a"): 40}) is None
    assert estimates.kappa({}) is None


def test_wilson_is_that_of_a_worked_example() -> None:
    """Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263 is 0.2553 to 0.3662."""
    found = estimates.wilson(81, 263)
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))
    assert estimates.wilson(0, 20).low == 0
    assert estimates.wilson(20, 20).high == 1


def test_a_ratio_s_interval_is_that_of_a_mean_where_all_clusters_are_alike() -> None:
    over, under = [1.0, 2.0, 3.0, 4.0], [10.0] * 4
    found = estimates.ratio(
        4, sum(over), sum(under), sum(x * x for x in over), sum(y * y for y in under), sum(10 * x for x in over)
    )
    deviation = (sum((x - 2.5) ** 2 for x in over) / 3) ** 0.5
    assert found.value == 0.25
    assert found.high - found.value == pytest.approx(estimates.Z95 * deviation / 4**0.5 / 10)


def people(rng: random.Random, count: int) -> list[Answered]:
    made = []
    for place in range(count):
        ill = rng.random() < 0.4
        score = rng.betavariate(5, 2) if ill else rng.betavariate(2, 5)
        made.append(Answered(f"cam-{place % 20}", score if score > 0.2 else 0.0, ill, 1.0))
    return made


def test_sensitivity_is_read_at_the_first_score_with_enough_specificity() -> None:
    group = people(random.Random(1), 400)
    found = estimates.sensitivity(group, 0.9, random.Random(2))
    assert found is not None
    well, ill = ([each for each in group if each.positive is kind] for kind in (False, True))
    assert found.specificity == sum(each.score < found.score_min for each in well) / len(well)
    assert found.sensitivity.value == sum(each.score >= found.score_min for each in ill) / len(ill)
    lower = max(each.score for each in group if each.score < found.score_min)
    assert sum(each.score < lower for each in well) / len(well) < 0.9 <= found.specificity


def test_its_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng, truths = random.Random(5), 0
    many = sorted(people(rng, 20_000), key=lambda each: each.score)
    truth = estimates.at_specificity(many, 0.9, {each.cluster: 1 for each in many})
    assert truth is not None
    for _ in range(20):
        found = estimates.sensitivity(people(rng, 200), 0.9, rng)
        assert found is not None
        truths += found.sensitivity.low <= truth[0] <= found.sensitivity.high
    assert truths >= 15


def test_drift_stays_under_its_limit_for_one_distribution_and_not_for_two() -> None:
    rng = random.Random(3)

    def histogram(mean: float, rows: int) -> list[int]:
        counts = [0] * 10
        for _ in range(rows):
            counts[min(9, max(0, int(rng.gauss(mean, 0.15) * 10)))] += 1
        return counts

    alike = [estimates.drift(histogram(0.6, 1000), histogram(0.6, 500)) for _ in range(40)]
    assert sum(each.psi > each.limit for each in alike) <= 6, "one in twenty, by chance"
    apart = estimates.drift(histogram(0.6, 1000), histogram(0.5, 500))
    assert apart.psi > 3 * apart.limit


def test_reviewers_and_model_by_label_and_site_with_a_floor(arrivals: Arrivals) -> None:
    tiers: list[Tier] = ["routine"] * ROWS_MIN
    for place, tier in enumerate(tiers):
        arrivals.take(*visit(tier, label="acne_rosacea" if place % 2 else "cutaneous_tumour"))
    for place, item in enumerate(items(arrivals)):
        say(arrivals, item, Decision("reject", label="nothing") if place % 5 == 0 else Decision("accept"))
    with arrivals.engine.connect() as connection:
        (whole,) = agreement(connection)
        assert (whole.answered, whole.agreed and whole.agreed.value) == (ROWS_MIN, pytest.approx(0.8))
        assert whole.kappa is not None
        assert {each.key for each in agreement(connection, "label")} == {"acne_rosacea", "cutaneous_tumour", "nothing"}
        assert [each.key for each in agreement(connection, "site")] == ["village-3"]
        (few,) = agreement(connection, since=arrivals.now + timedelta(days=1)) or [None]
        assert few is None
        (again,) = retakes(connection, "device")
    assert (again.key, again.people) == ("cam-1", ROWS_MIN)
    assert again.rate is not None
    assert again.rate.value == pytest.approx(2 / 52)
    assert SKIN_TONE == "not_measured"


def test_too_few_answers_give_no_figure(arrivals: Arrivals) -> None:
    arrivals.take(*visit("routine"))
    (item,) = items(arrivals)
    say(arrivals, item, Decision("accept"))
    with arrivals.engine.connect() as connection:
        (found,) = agreement(connection)
    assert (found.answered, found.agreed, found.kappa) == (1, None, None)


def test_drift_compares_a_model_with_its_own_beginning(arrivals: Arrivals) -> None:
    rng = random.Random(4)
    with arrivals.engine.begin() as connection:
        for place in range(600):
            late = place >= 300
            row = dict.fromkeys(findings.c.keys(), "x") | {"finding_id": an_id(), "device": "cam-1", "label": "a"}
            score = min(1.0, max(0.0, rng.gauss(0.4 if late else 0.7, 0.1)))
            at = arrivals.now + timedelta(days=60 if late else 0)
            row |= {"score": score, "captured_at": at, "received_at": at, "box_px": [], "frame_size_px": []}
            row |= {"frame_sequence": 1, "observations": 1, "card_sha256": "c" * 64, "encounter_id": an_id()}
            connection.execute(sa.insert(findings).values(row))
        (found,) = drifts(connection, arrivals.now + timedelta(days=61))
    assert (found.before, found.recent) == (300, 300)
    assert found.drift is not None
    assert found.drift.psi > found.drift.limit


def test_an_empty_cell_of_feedback_says_no_data_and_a_second_tap_changes_the_first(arrivals: Arrivals) -> None:
    page = an_id()
    with arrivals.engine.begin() as connection:
        feedback.give(connection, page, "village-3", "nurse", "usability", 2, arrivals.now)
        feedback.give(connection, page, "village-3", "nurse", "usability", 4, arrivals.now)
        with pytest.raises(UsageError, match="expected a role"):
            feedback.give(connection, page, "village-3", "nurse", "usability", 6, arrivals.now)
        table = feedback_table(connection)
    assert table["nurse", "usability"] == Cell(1, 4.0)
    assert len(table) == 16
    assert table["patient", "feasibility"] == Cell(0, None)


def test_nobody_is_sent_home_by_a_model_that_this_hub_does_not_know_to_cover_everything(arrivals: Arrivals) -> None:
    clinical = Model(name="wonder", version="9", card_sha256="d" * 64, status="clinical")
    seen = encounter()
    arrivals.take(consent(seen), finding(seen, tier="self_care", model=clinical))
    (item,) = items(arrivals)
    assert item.tier == "person"
    with arrivals.engine.connect() as connection:
        paper = slip(connection, item.device, item.encounter_id)
        (model,) = in_use(connection)
        assert [row.kind for row in connection.execute(sa.select(alarms))] == ["self_care_not_taken"]
    assert paper is not None
    assert (paper.tier, paper.models[0].labels) == ("person", None)
    assert (model.status, model.told_status, model.covers_all) == ("research", "clinical", False)
    assert is_research([model])


def test_a_research_card_is_not_registered_as_clinical_and_what_it_covers_is_known_then(arrivals: Arrivals) -> None:
    card = bundle.load().card
    with arrivals.engine.begin() as connection:
        with pytest.raises(UsageError, match="research"):
            models.register(connection, card, "li", arrivals.now, clinical=True)
        models.register(connection, card, "li", arrivals.now)
    seen = encounter()
    told = Model(name=card.name, version=card.version, card_sha256=card.sha256, status="research")
    arrivals.take(consent(seen), finding(seen, tier="self_care", model=told))
    with arrivals.engine.connect() as connection:
        paper = slip(connection, "cam-1", seen.encounter_id)
        (model,) = in_use(connection)
    assert paper is not None
    assert paper.tier == "person", "it covers two of six groups"
    assert paper.models[0].labels == [each.name for each in card.labels]
    assert (model.status, model.covers_all) == ("research", False)
