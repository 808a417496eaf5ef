import math

import gold_scores
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from score_matrices import scores, with_small_holes

from rewardlab.metaeval.system_level import (
    p_values,
    pairwise_accuracies,
    pairwise_accuracy,
    scored_systems,
    signs,
    spa,
    system_statistics,
)

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
NAN = float("nan")
HUMAN = np.array([[-1.0, 0.0], [-5.0, 0.0], [-6.0, -1.0]])
GRADES = arrays(np.float64, (4, 6), elements=st.integers(-5, 5).map(float))


def test_equal_to_mt_metrics_eval_to_the_last_bit():
    """``stats.PairwiseConfidenceError(gold, metric, 6)`` and ``stats.Agreement`` of the means.

    Versions stand in `score_matrices`.
    """
    gold, metrics = scores()
    assert spa(gold, metrics["chars"]) == 0.8902
    assert spa(gold, metrics["words"]) == 0.6954666666666667
    assert pairwise_accuracy(gold.mean(1), metrics["chars"].mean(1)) == 10 / 15
    assert pairwise_accuracy(gold.mean(1), metrics["words"].mean(1)) == 5 / 15


def test_p_values_equal_those_of_mt_metrics_eval():
    """``pce.compute_pairwise_p_values(chars)`` above the diagonal."""
    _, metrics = scores()
    assert p_values(metrics["chars"], signs(15)).tolist() == [
        *(0.598, 0.538, 0.37, 0.54, 0.269, 0.394, 0.285, 0.414, 0.156),
        *(0.345, 0.508, 0.136, 0.646, 0.309, 0.133),
    ]


def test_segments_with_a_missing_score_are_left_out():
    """As that tool does where a segment has no human score at all."""
    gold, metrics = scores()
    holes = gold.copy()
    holes[:, 7] = NAN
    assert spa(holes, metrics["chars"]) == 0.8630666666666666
    kept = [segment for segment in range(15) if segment not in {0, 3, 7, 14}]
    expected = spa(gold[:, kept], metrics["chars"][:, kept])
    assert spa(with_small_holes(gold), metrics["chars"]) == expected


def test_p_values_by_hand():
    # with these signs the difference of A and B is ±2 on one segment: reached where the sign is 1
    values = np.array([[3.0], [1.0]])
    drawn = signs(1)
    assert p_values(values, drawn) == np.mean(drawn[:, 0] == 1.0)
    assert p_values(values[::-1], drawn) == 1.0  # -2 is reached by both
    assert p_values(np.array([[2.0], [2.0]]), drawn) == 1.0


def test_pairwise_accuracy_by_hand():
    # AB and AC agree, BC is reversed, the tie CD agrees with no tie, AD and BD agree: 4 of 6
    gold, metric = np.array([1.0, 2.0, 3.0, 3.0]), np.array([1.0, 5.0, 4.0, 9.0])
    assert pairwise_accuracy(gold, metric) == 4 / 6
    assert pairwise_accuracy(gold, np.array([0.0, 0.0, 7.0, 7.0])) == 5 / 6
    assert pairwise_accuracy(gold, np.array([1.0, 2.0, NAN, 3.0])) == 1.0
    assert math.isnan(pairwise_accuracy(gold, np.full(4, NAN)))


def test_several_metrics_at_once():
    gold, metrics = scores()
    means = np.array([metric.mean(axis=1) for metric in metrics.values()])
    assert pairwise_accuracies(gold.mean(axis=1), means).tolist() == [10 / 15, 5 / 15]


def test_a_constant_metric():
    gold, _ = scores()
    p = p_values(gold, signs(15))
    assert spa(gold, np.zeros(gold.shape)) == pytest.approx(1.0 - np.mean(np.abs(p - 1.0)))


def test_where_there_is_nothing_to_compare():
    assert math.isnan(spa(np.ones((1, 5)), np.ones((1, 5))))
    assert math.isnan(spa(np.full((2, 5), NAN), np.ones((2, 5))))
    assert math.isnan(pairwise_accuracy(np.array([1.0]), np.array([1.0])))


def test_what_does_not_fit():
    with pytest.raises(ValueError, match=r"human scores \(2, 3\) and metric scores \(3, 2\)"):
        spa(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="2 human scores and 3 metric scores"):
        pairwise_accuracy(np.ones(2), np.ones(3))


@QUICK
@given(gold=GRADES, metric=GRADES)
def test_bounds_and_agreement_with_oneself(gold, metric):
    assert spa(gold, gold) == 1.0
    assert 0.0 <= spa(gold, metric) <= 1.0
    assert spa(gold, metric) == spa(metric, gold)


@QUICK
@given(gold=GRADES, metric=GRADES, order=st.permutations(range(4)))
def test_names_do_not_matter_to_pairwise_accuracy(gold, metric, order):
    means = gold.mean(axis=1), metric.mean(axis=1)
    moved = [side[order] for side in means]
    assert pairwise_accuracy(*moved) == pairwise_accuracy(*means)
    assert pairwise_accuracy(means[0], 3.0 * means[0] - 1.0) == 1.0


# ── all statistics ──────────────────────────────────────────────────────────────────────────────


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


def test_what_both_sides_have():
    nan = np.nan
    gold, metric = scored_systems(
        np.array([[1.0, nan], [nan, 1.0]]), np.array([[2.0, 3.0], [4.0, nan]])
    )
    np.testing.assert_array_equal(gold, [[1.0, nan]])
    np.testing.assert_array_equal(metric, [[2.0, nan]])
    with pytest.raises(ValueError, match=r"human scores \(1, 2\) and metric scores \(2, 1\)"):
        scored_systems(np.zeros((1, 2)), np.zeros((2, 1)))
