"""Numbers of a whole meta-evaluation, worked by hand, and what is said about them."""

import math

import gold_scores
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.metaeval.meta_evaluate import meta_evaluate
from rewardlab.metaeval.notes import flat_items, is_constant
from rewardlab.metaeval.scoring import Scored
from rewardlab.metaeval.segment_level import segment_statistics
from rewardlab.metaeval.system_level import scored_systems, system_statistics
from rewardlab.types import WMT_MQM, ErrorSpan

SYSTEMS = ("A", "B", "C")
HUMAN = np.array([[-1.0, 0.0], [-5.0, 0.0], [-6.0, -1.0]])


def evaluated(values, *, gold=None, **options):
    metric = Scored("metric", gold_scores.matrix(values))
    return meta_evaluate(gold or gold_scores.gold(), [metric], systems=SYSTEMS, **options)


def test_systems_are_compared_by_their_means():
    # people -0.5 -2.5 -3.5 (deviations 5/3 -1/3 -4/3), the metric 7 4.25 2.5 (29 -4 -25 by 12)
    found = system_statistics(HUMAN, np.array(gold_scores.GOOD))
    assert found["pearson"] == pytest.approx((83 / 12) / math.sqrt(14 / 3 * 247 / 24), abs=1e-12)
    assert found["kendall"] == 1.0
    assert found["pairwise_accuracy"] == 1.0


def test_spa_is_that_of_the_field():
    # mt-metrics-eval 0.0.3 at 68a481a, stats.PairwiseConfidenceError of both flattened, num_sys=3
    found = system_statistics(HUMAN, np.array([[1.0, 6.0], [4.0, 2.0], [3.0, 3.5]]))
    assert found["spa"] == 0.7283333333333333
    assert system_statistics(HUMAN, np.array(gold_scores.GOOD))["spa"] == 1.0


def test_a_cell_counts_where_both_sides_have_it():
    gold, metric = HUMAN.copy(), np.array(gold_scores.GOOD)
    gold[0, 0] = metric[2, 1] = np.nan
    # people 0 -2.5 -6, the metric 5 4.25 1
    found = system_statistics(gold, metric)
    assert found["pairwise_accuracy"] == 1.0
    human, machine = np.array([0, -2.5, -6]), np.array([5, 4.25, 1])
    human, machine = human - human.mean(), machine - machine.mean()
    r = (human @ machine) / math.sqrt((human @ human) * (machine @ machine))
    assert found["pearson"] == pytest.approx(r, abs=1e-12)


def test_a_system_without_scores_is_left_out():
    metric = np.array(gold_scores.GOOD)
    metric[0] = np.nan
    assert system_statistics(HUMAN, metric)["pairwise_accuracy"] == 1.0
    metric[1] = np.nan
    assert {*map(math.isnan, system_statistics(HUMAN, metric).values())} == {True}


def test_pairs_of_one_text_have_ties_calibrated():
    found, notes = segment_statistics(HUMAN, np.array(gold_scores.GOOD))
    assert notes == []
    assert (found["item"]["acc_eq"], found["item"]["epsilon"]) == (1.0, 0.5)
    # at ε = 0 the tie of A and B in the second text costs one of its three pairs
    flat, _ = segment_statistics(HUMAN, np.array([[9.0, 5.0], [3.0, 7.0], [1.0, 6.0]]))
    assert flat["item"]["acc_eq"] == pytest.approx((1 + 1 / 3) / 2)
    assert flat["item"]["epsilon"] == 0.0


def test_the_constant_metric_is_measured_beside_the_others():
    found = evaluated(gold_scores.GOOD)
    constant = found.constant
    assert constant.name == "constant"
    assert constant.segment["item"]["acc_eq"] == pytest.approx(1 / 6)
    assert constant.segment["item"]["epsilon"] == 0.0
    # -1 0 0 -5 -6 -1: 0 twice and -1 twice among fifteen pairs
    assert constant.segment["none"]["acc_eq"] == pytest.approx(2 / 15)
    assert math.isnan(constant.system["pearson"])


def test_errors_are_compared_with_those_of_every_rater():
    spans = {
        ("A", "d:1"): [],
        ("A", "d:2"): [],
        ("B", "d:1"): [ErrorSpan(4, 8, "major")],
        ("B", "d:2"): [],
        ("C", "d:1"): [],
        ("C", "d:2"): [ErrorSpan(0, 4, "minor"), ErrorSpan(0, 3, "minor", side="source")],
    }
    metric = Scored("metric", gold_scores.matrix(gold_scores.GOOD), spans=spans)
    found = meta_evaluate(gold_scores.gold(), [metric], systems=SYSTEMS)
    agreement = found.metrics[0].spans
    # marked by people 3 + 4 + 8 + 5 characters, by the metric 4 + 4, by both 4
    assert agreement.precision == pytest.approx(4 / 8)
    assert agreement.recall == pytest.approx(4 / 20)
    assert agreement.f1 == pytest.approx(2 * 0.5 * 0.2 / 0.7)
    assert found.constant.spans is None


def test_without_marks_of_people_there_is_no_agreement_about_them():
    spans = {(system, segment): [] for system in SYSTEMS for segment in gold_scores.SEGMENTS}
    spans["A", "d:1"] = [ErrorSpan(0, 3, "minor")]
    metric = Scored("metric", gold_scores.matrix(gold_scores.GOOD), spans=spans)
    found = meta_evaluate(gold_scores.gold(spans={}), [metric], systems=SYSTEMS)
    assert found.metrics[0].spans is None


def test_the_signature_says_what_was_compared():
    found = evaluated(gold_scores.GOOD, reference_system="refA")
    assert found.signature.startswith(
        "mqm|segments:2|systems:3|left_out:'refA'|reference_system:'refA'|rewardlab:"
    )


def test_metrics_of_other_systems_or_one_name_are_refused():
    gold = gold_scores.gold()
    other = Scored("m", gold_scores.matrix(gold_scores.GOOD, systems="BAC"))
    with pytest.raises(ValueError, match="m is of other systems"):
        meta_evaluate(gold, [other], systems=SYSTEMS)
    metric = Scored("m", gold_scores.matrix(gold_scores.GOOD))
    with pytest.raises(ValueError, match="two metrics are named 'm'"):
        meta_evaluate(gold, [metric, metric], systems=SYSTEMS)


def test_a_metric_without_scores_takes_no_part_in_comparisons():
    nothing = Scored("nothing", gold_scores.matrix(np.full((3, 2), np.nan)))
    metric = Scored("metric", gold_scores.matrix(gold_scores.GOOD))
    found = meta_evaluate(gold_scores.gold(), [nothing, metric], systems=SYSTEMS, compare=True)
    assert found.rankings == {}
    assert "nothing scored nothing: it has no row of numbers" in found.notes
    assert "nothing is compared: fewer than two metrics have scores to compare" in found.notes


def compared(*values):
    """What comes of metrics with these scores, and the last note."""
    metrics = [Scored(f"m{at}", gold_scores.matrix(scores)) for at, scores in enumerate(values)]
    found = meta_evaluate(gold_scores.gold(), metrics, systems=SYSTEMS, compare=True)
    return found.rankings, found.notes[-1]


def test_metrics_of_different_texts_are_not_compared():
    nan = np.nan
    first, second = [[9, nan], [3, nan], [1, nan]], [[nan, 5], [nan, 5.5], [nan, 4]]
    why = "no text has two translations that people and all of these metrics scored"
    assert compared(first, second) == ({}, f"metrics are not compared: {why}")
    # the one that has no two translations of one text does not keep the others from it
    alone = [[9, nan], [nan, 5], [nan, nan]]
    ranked, _ = compared(first, alone, gold_scores.GOOD)
    assert ranked["acc_eq"].ranks.keys() == {"m0", "m2"}


def test_spa_is_not_compared_without_a_text_that_all_systems_have():
    nan = np.nan
    first = [[9, nan], [3, 5], [nan, 4]]
    ranked, note = compared(first, first)
    assert ranked.keys() == {"acc_eq", "pairwise_accuracy"}
    assert note == "spa is not compared: no text has all scores of all systems"


@pytest.mark.parametrize("by", ["none", "item", "system"])
@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.integers(-3, 3), min_size=12, max_size=12),
    scale=st.sampled_from([0.5, 2.0, 4.0]),
)
def test_another_unit_changes_epsilon_alone(by, values, scale):
    gold, metric = np.array(values, dtype=np.float64).reshape(2, 3, 2)
    one, _ = segment_statistics(gold, metric)
    other, _ = segment_statistics(gold, scale * metric)
    for statistic in ("kendall", "acc_eq"):
        np.testing.assert_equal(other[by][statistic], one[by][statistic])
    assert other[by]["epsilon"] == scale * one[by]["epsilon"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=12, max_size=12))
def test_tie_calibration_never_falls_behind_the_constant_metric(values):
    gold, metric = np.array(values, dtype=np.float64).reshape(2, 3, 2)
    found, _ = segment_statistics(gold, metric)
    constant, _ = segment_statistics(gold, np.zeros_like(gold))
    for by in ("none", "item", "system"):
        assert found[by]["acc_eq"] >= constant[by]["acc_eq"] - 1e-12


def test_what_both_sides_have():
    nan = np.nan
    gold, metric = scored_systems(
        np.array([[1.0, nan], [nan, 1.0]]), np.array([[2.0, 3.0], [4.0, nan]])
    )
    np.testing.assert_array_equal(gold, [[1.0, nan]])
    np.testing.assert_array_equal(metric, [[2.0, nan]])
    with pytest.raises(ValueError, match=r"human scores \(1, 2\) and metric scores \(2, 1\)"):
        scored_systems(np.zeros((1, 2)), np.zeros((2, 1)))


def test_what_is_constant():
    assert is_constant(np.array([1.0, np.nan, 1.0]))
    assert not is_constant(np.array([1.0, 2.0]))
    assert not is_constant(np.array([np.nan]))


# ── notes ───────────────────────────────────────────────────────────────────────────────────────


def notes_of(values, **changes):
    return evaluated(values, gold=gold_scores.gold(**changes)).notes


def test_people_who_tie_are_told():
    assert notes_of(gold_scores.GOOD) == (
        "3 systems are few: what is said of systems rests on 3 pairs",
        (
            "people tie 16.7% of the pairs of translations of one text; a metric that says the "
            "same of every translation has acc_eq 0.167"
        ),
    )


def test_a_metric_that_points_the_wrong_way_is_told():
    wrong = -np.array(gold_scores.GOOD)
    assert "every metric correlates negatively with the human scores" in notes_of(wrong)[-1]
    # marked errors are errors: the metric it is that points the wrong way
    [note] = [one for one in notes_of(wrong, severities=WMT_MQM) if "negatively" in one]
    assert note.startswith("metric correlates negatively")


def test_a_metric_that_is_nearly_always_the_same_is_told():
    flat = [[1.0, 5.0], [1.0, 5.5], [1.0, 4.0]]
    assert flat_items(HUMAN, np.array(flat)) == 1
    assert (
        "metric gives all translations of 1 of 2 texts the same score: its correlations by item "
        "speak of the others alone"
    ) in notes_of(flat)
    assert flat_items(HUMAN, np.array(gold_scores.GOOD)) == 0


def test_segments_without_two_scores_are_not_flat():
    metric = np.array([[1.0, 2.0], [np.nan, 3.0], [np.nan, 4.0]])
    assert flat_items(HUMAN, metric) == 0


# ── intervals ───────────────────────────────────────────────────────────────────────────────────


def test_intervals_hold_what_they_are_of():
    found = evaluated(gold_scores.GOOD, resamples=50).metrics[0]
    for statistic in ("pearson", "kendall", "pairwise_accuracy", "spa"):
        interval = found.intervals.system[statistic]
        assert interval.low <= found.system[statistic] + 1e-12
        assert interval.high >= found.system[statistic] - 1e-12
    assert {*found.intervals.segment} == {"none", "item", "system"}
    # of two texts, each alone is a quarter of the resamples: τ_b of 1 and of 0.816
    kendall = found.intervals.segment["item"]["kendall"]
    assert (kendall.low, kendall.high) == pytest.approx((math.sqrt(2 / 3), 1.0))
    assert "epsilon" not in found.intervals.segment["item"]


def test_what_has_no_value_has_no_interval():
    found = evaluated(gold_scores.GOOD, resamples=5)
    assert "pearson" not in found.constant.intervals.system
    assert "acc_eq" in found.constant.intervals.segment["item"]


def test_one_segment_cannot_be_resampled():
    errors = np.array(gold_scores.ERRORS)
    errors[:, 1] = np.nan
    scores = gold_scores.matrix(-errors, systems=gold_scores.SYSTEMS)
    found = evaluated(gold_scores.GOOD, gold=gold_scores.gold(scores=scores), resamples=5)
    assert found.metrics[0].intervals is None
    assert found.notes[-1] == "intervals are left out: one segment is the same in every resample"


def test_a_metric_of_one_system_has_no_interval():
    values = np.array(gold_scores.GOOD)
    values[1:] = np.nan
    found = evaluated(values, resamples=5)
    assert found.metrics[0].intervals is None
    assert found.constant.intervals is not None
