import gold_scores
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.metaeval.segment_level import segment_statistics

HUMAN = np.array([[-1.0, 0.0], [-5.0, 0.0], [-6.0, -1.0]])


def test_pairs_of_one_text_have_ties_calibrated():
    found, notes = segment_statistics(HUMAN, np.array(gold_scores.GOOD))
    assert notes == []
    assert (found["item"]["acc_eq"], found["item"]["epsilon"]) == (1.0, 0.5)
    # at ε = 0 the tie of A and B in the second text costs one of its three pairs
    flat, _ = segment_statistics(HUMAN, np.array([[9.0, 5.0], [3.0, 7.0], [1.0, 6.0]]))
    assert flat["item"]["acc_eq"] == pytest.approx((1 + 1 / 3) / 2)
    assert flat["item"]["epsilon"] == 0.0


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
