"""How far a scorer is ahead of what needs no learning."""

import math
from dataclasses import replace

import gold_scores
import numpy as np
import pytest
from scipy.stats import pearsonr

from rewardlab.human.rated import Preference
from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.metaeval.scoring import Scored
from rewardlab.metaeval.span_agreement import span_agreement
from rewardlab.scorers.heldout import measure_heldout, preference_accuracy
from rewardlab.types import WMT_MQM, Candidate, ErrorSpan

SYSTEMS = ("A", "B", "C")


def scored(name, values, spans=None):
    return Scored(name, gold_scores.matrix(values), spans)


def figures(found, scorer, part=None):
    rows = found.overall if part is None else found.files[part]
    return {statistic: one.value for (name, statistic), one in rows.items() if name == scorer}


def people(systems=SYSTEMS):
    return gold_scores.gold().scores.only(systems).values


def test_a_scorer_that_says_what_people_say():
    found = measure_heldout({"f": (gold_scores.gold(), [scored("own", people())])}, resamples=10)
    assert figures(found, "own") == pytest.approx(
        {"pearson": 1.0, "spearman": 1.0, "acc_eq": 1.0, "accuracy": 1.0}
    )
    assert found.segments == {"f": 2}


def test_a_constant_says_nothing_and_prefers_nothing():
    """Of 6 pairs people tie one: A and B of the second text."""
    found = measure_heldout({"f": (gold_scores.gold(), [scored("own", people())])}, resamples=10)
    assert figures(found, "constant") == pytest.approx(
        {"pearson": 0.0, "spearman": 0.0, "acc_eq": 1 / 6, "accuracy": 0.5}
    )


def test_accuracy_is_over_pairs_that_people_order():
    """GOOD has A, B, C of the first text in order; of the second B before A, which people tie,
    and both before C, as people have it: 5 of 5. With C's tie with A, half of that pair."""
    gold = gold_scores.gold(severities=WMT_MQM)
    found = measure_heldout({"f": (gold, [scored("own", gold_scores.GOOD)])}, resamples=5)
    assert figures(found, "own")["accuracy"] == 1.0
    tied = np.array(gold_scores.GOOD)
    tied[2, 1] = tied[0, 1]
    found = measure_heldout({"f": (gold, [scored("own", tied)])}, resamples=5)
    assert figures(found, "own")["accuracy"] == pytest.approx(4.5 / 5)


def test_small_differences_are_no_preferences():
    """Of at least 4 points there are A before B and A before C of the first text."""
    gold = gold_scores.gold(severities=WMT_MQM)
    values = [[0.0, 0.0], [1.0, 9.0], [-1.0, 9.0]]
    found = measure_heldout(
        {"f": (gold, [scored("own", values)])}, smallest_margin=4.0, resamples=5
    )
    assert figures(found, "own")["accuracy"] == pytest.approx(1 / 2)


def test_files_count_alike():
    gold = gold_scores.gold()
    files = {"f": (gold, [scored("own", people())]), "g": (gold, [scored("own", -people())])}
    found = measure_heldout(files, resamples=5)
    assert figures(found, "own", "g")["pearson"] == pytest.approx(-1.0)
    assert figures(found, "own")["pearson"] == pytest.approx(0.0)


def test_span_f1_is_over_all_characters_of_all_files():
    gold = gold_scores.gold()
    marks = {("C", "d:1"): [ErrorSpan(0, 9, "major")], ("A", "d:1"): [ErrorSpan(0, 3, "minor")]}
    mine = scored("own", people(), marks)
    files = {"f": (gold, [mine]), "g": (gold, [mine])}
    cells = [(system, segment) for segment in gold.scores.segments for system in SYSTEMS]
    whole = span_agreement(
        [marks.get(cell, []) for cell in cells],
        [gold.spans[cell] for cell in cells],
        [gold.hypotheses[cell] for cell in cells],
    )
    found = figures(measure_heldout(files, resamples=5), "own")
    # marked: 3 + 4 + 8 + 5 = 20; predicted 12, of which 3 + 8 are right, 4 of these by half
    assert whole.f1 == pytest.approx(2 * 11 / 32)
    assert found["span_f1"] == pytest.approx(whole.f1)
    assert found["span_f1_severity"] == pytest.approx(whole.weighted_f1)


def test_a_baseline_that_one_file_lacks_is_not_in_the_whole():
    """One file has references and chrF; the other has none."""
    gold = gold_scores.gold()
    own, chrf = scored("own", people(), {}), scored("chrf", gold_scores.GOOD)
    marks = scored("everything", people(), {("A", "d:1"): [ErrorSpan(0, 8, "minor")]})
    for files in (
        {"f": (gold, [own, chrf, marks]), "g": (gold, [own])},
        {"g": (gold, [own]), "f": (gold, [own, chrf, marks])},
    ):
        found = measure_heldout(files, resamples=5)
        assert {scorer for scorer, _ in found.overall} == {"own", "constant"}
        assert figures(found, "chrf", "f")["pearson"] > 0
        assert {baseline for baseline, _ in found.leads} == {"constant"}


def test_where_nobody_is_preferred_there_is_no_accuracy():
    values = np.zeros((4, 2))
    gold = gold_scores.gold(scores=gold_scores.matrix(values, ("A", "B", "C", "refA")))
    found = measure_heldout({"f": (gold, [scored("own", people())])}, resamples=5)
    assert math.isnan(figures(found, "own")["accuracy"])


def test_a_margin_is_in_points_whatever_the_file_has():
    """Direct scores of 0 to 100: one deviation apart is 12.5 points, 1 of 100 is hardly any."""
    values = [[50.0, 0.0], [51.0, 0.0], [100.0, 0.0], [0.0, 0.0]]
    gold = gold_scores.gold(
        scores=gold_scores.matrix(values, ("A", "B", "C", "refA")), severities=None
    )
    says = scored("own", [[1.0, 0.0], [0.0, 0.0], [2.0, 0.0]])  # A before B, which people deny
    every, far = (
        figures(measure_heldout({"f": (gold, [says])}, smallest_margin=m, resamples=5), "own")
        for m in (0.0, 3.0)
    )
    assert every["accuracy"] == pytest.approx(2 / 3)
    assert far["accuracy"] == 1.0


def test_a_scorer_that_marks_nothing_agrees_on_nothing():
    files = {"f": (gold_scores.gold(), [scored("own", people(), {})])}
    found = figures(measure_heldout(files, resamples=5), "own")
    assert (found["span_f1"], found["span_f1_severity"]) == (0.0, 0.0)


def large(seed, noise):
    """Two systems on 60 segments; the scorer hears people through noise."""
    draw = np.random.default_rng(seed)
    segments = tuple(f"s{number}" for number in range(60))
    human = draw.normal(size=(2, 60))
    gold = gold_scores.gold(
        scores=ScoreMatrix(("A", "B"), segments, human, "mqm"),
        documents=("d",) * 60,
        hypotheses={},
        spans={},
        sources=None,
    )
    near = Scored(
        "near", ScoreMatrix(("A", "B"), segments, human + noise * draw.normal(size=human.shape), "")
    )
    far = Scored("far", ScoreMatrix(("A", "B"), segments, draw.normal(size=human.shape), ""))
    return gold, [near, far]


def test_a_lead_has_an_interval_on_shared_resamples():
    found = measure_heldout({"f": large(0, 0.5)}, resamples=200)
    lead = found.leads["far", "pearson"]
    near, far = (figures(found, name)["pearson"] for name in ("near", "far"))
    assert lead.value == pytest.approx(near - far)
    assert lead.low < lead.value < lead.high
    assert lead.low > 0.0
    own = found.overall["near", "pearson"]
    assert own.low < own.value < own.high


def test_no_lead_is_shown_where_both_guess():
    found = measure_heldout({"f": large(1, 1000.0)}, resamples=200)
    lead = found.leads["far", "pearson"]
    assert lead.low < 0.0


def test_a_scorer_without_a_score_has_no_figures_and_no_lead():
    gold, (near, far) = large(0, 0.5)
    silent = Scored("silent", replace(near.scores, values=np.full((2, 60), np.nan)))
    found = measure_heldout({"f": (gold, [silent, far])}, resamples=20)
    assert np.isnan(list(figures(found, "silent").values())).all()
    assert not np.isnan(figures(found, "far")["pearson"])
    assert found.leads
    assert all(np.isnan(lead).all() for lead in found.leads.values())


def test_a_lead_is_on_what_both_scored():
    gold, (near, far) = large(0, 0.5)
    scores = near.scores.values.copy()
    scores[1, 10:] = np.nan
    near = Scored("near", replace(near.scores, values=scores))
    found = measure_heldout({"f": (gold, [near, far])}, resamples=50)
    lead = found.leads["far", "pearson"]
    there = ~np.isnan(near.scores.values)
    people = gold.scores.values[there]
    expected = [pearsonr(people, one.scores.values[there]).statistic for one in (near, far)]
    assert lead.value == pytest.approx(expected[0] - expected[1])
    alone = pearsonr(gold.scores.values.ravel(), far.scores.values.ravel()).statistic
    assert figures(found, "far")["pearson"] == pytest.approx(alone)
    assert figures(found, "near")["pearson"] == pytest.approx(expected[0])


def test_preferences_are_counted_and_ties_are_halves():
    pairs = [Preference(Candidate("q", "good"), Candidate("q", "bad"))] * 4
    chosen, rejected = np.array([1.0, 1.0, 0.0, 2.0]), np.array([0.0, 1.0, 1.0, 0.0])
    found = preference_accuracy(pairs, {"own": (chosen, rejected)}, resamples=50)
    assert [*found] == [("own", "accuracy")]
    one = found["own", "accuracy"]
    assert one.value == pytest.approx(2.5 / 4)
    assert one.low <= one.value <= one.high


def test_a_pair_without_a_score_is_none():
    pairs = [Preference(Candidate("q", "good"), Candidate("q", "bad"))] * 2
    scores = {"own": (np.array([1.0, np.nan]), np.array([0.0, 0.0]))}
    found = preference_accuracy(pairs, scores, resamples=10)
    assert found["own", "accuracy"].value == 1.0, "of one pair"
    scores = {"own": (np.array([np.nan] * 2), np.array([0.0, 0.0]))}
    found = preference_accuracy(pairs, scores, resamples=10)
    assert np.isnan(found["own", "accuracy"].value)


def test_no_preferences_are_refused():
    with pytest.raises(ValueError, match="no preferences"):
        preference_accuracy([], {})
