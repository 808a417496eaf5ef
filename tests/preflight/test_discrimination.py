import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rewardlab.preflight.discrimination import discrimination

NAN = float("nan")


def test_pairs_within_sources_by_hand():
    gold = np.array([[3.0, 1.0, 0.0], [2.0, 1.0, 5.0], [1.0, 2.0, NAN]])
    metric = np.array([[9.0, 4.0, 7.0], [9.0, 4.0, 8.0], [5.0, 4.0, 1.0]])
    found = discrimination(gold, metric)
    # source 1: 3>2 tied, 3>1 and 2>1 right; source 2: both pairs with the 2 tied; source 3: right
    assert found.pairs == 3 + 2 + 1
    assert found.right.value == pytest.approx(3 / 6)
    assert found.tied.value == pytest.approx(3 / 6)
    assert found.constant.value == pytest.approx(1 / 3)
    assert found.sources == 3
    assert found.right.low <= found.right.value <= found.right.high


def test_the_wrong_order_is_neither_right_nor_tied():
    found = discrimination(np.array([[1.0], [2.0]]), np.array([[2.0], [1.0]]))
    assert (found.right.value, found.tied.value, found.pairs) == (0.0, 0.0, 1)


def test_without_human_scores_only_constancy_is_known():
    metric = np.array([[1.0, 1.0, NAN], [1.0, 2.0, 3.0]])
    found = discrimination(np.full((2, 3), NAN), metric)
    assert found.pairs == 0
    assert np.isnan(found.right).all()
    assert found.constant.value == 0.5
    assert found.sources == 2


def test_shapes_must_be_equal():
    with pytest.raises(ValueError, match=r"\(2, 1\)"):
        discrimination(np.zeros((2, 1)), np.zeros((2, 2)))


@settings(deadline=None, max_examples=40)
@given(arrays(np.float64, (4, 5), elements=st.integers(-3, 3).map(float)))
def test_gold_itself_is_always_right(gold):
    found = discrimination(gold, gold, resamples=40)
    if found.pairs:
        assert found.right.value == 1.0
        assert found.tied.value == 0.0
    reversed_ = discrimination(gold, -gold, resamples=40)
    assert reversed_.pairs == found.pairs
    assert not found.pairs or reversed_.right.value == 0.0
