import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.statistics import estimate, ratio, share, variance_share, zscore


def test_zscore_by_hand():
    z = zscore(np.array([[1.0, 5.0], [3.0, 5.0], [math.nan, math.nan]]))
    assert z[:2].tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert np.isnan(z[2]).all()


def test_rounding_is_no_spread():
    sums = [[78.0 + 1e-13], [78.0], [78.0]]
    assert zscore(np.array(sums)).tolist() == [[0.0], [0.0], [0.0]]
    assert zscore(np.full((3, 1), 0.1)).tolist() == [[0.0], [0.0], [0.0]]
    assert zscore(np.array([[78.000001], [78.0]])) == pytest.approx(np.array([[1.0], [-1.0]]))


def test_shares_sum_to_one_and_may_be_negative():
    # total 0, 3: variance 2.25; covariances of the parts with it -0.75 and 3
    shares = variance_share(np.array([[1.0, -1.0], [0.0, 3.0]]))
    assert shares == pytest.approx([-1 / 3, 4 / 3])
    assert variance_share(np.ones((3, 2))).tolist() == [0.0, 0.0]


def test_a_ratio_without_a_divisor_is_unknown():
    assert ratio(np.array([1, 2]), np.array([4, 0])) == pytest.approx([0.25, np.nan], nan_ok=True)


def test_an_estimate_has_the_ends_of_its_resamples():
    assert estimate(0.5, np.array([0.25, np.nan, 0.75])) == (0.5, 0.25, 0.75)
    assert estimate(0.5, np.full(3, np.nan)) == pytest.approx((0.5, np.nan, np.nan), nan_ok=True)


def test_wilsons_interval_by_hand():
    # p = 5/10, z = 1.96: centre 0.5, half width 1.96/(1+0.38416) * sqrt(.025+.0096) = 0.2634
    hits = np.arange(10) < 5
    assert share(hits, np.arange(10)) == pytest.approx((0.5, 0.2366, 0.7634), abs=1e-4)


def test_translations_of_one_source_count_once():
    hits = np.zeros(1000, dtype=bool)
    assert share(hits, np.arange(1000) % 10) == share(np.zeros(10, dtype=bool), np.arange(10))


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_an_interval_holds_its_share(hits):
    value, low, high = share(np.array(hits), np.arange(len(hits)))
    assert 0.0 <= low <= value <= high <= 1.0
