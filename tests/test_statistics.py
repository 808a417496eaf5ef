import math

import numpy as np
import pytest

from rewardlab.statistics import bootstrap_interval, variance_share, zscore


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


def test_bootstrap_interval_of_a_constant_is_the_constant():
    assert bootstrap_interval(np.full(10, 2.5)) == (2.5, 2.5)


def test_bootstrap_interval_covers_the_mean():
    values = np.random.default_rng(0).normal(1.0, 1.0, 200)
    low, high = bootstrap_interval(values)
    # 1.96 standard errors of 1/√200 = 0.139
    assert low == pytest.approx(values.mean() - 0.139, abs=0.02)
    assert high == pytest.approx(values.mean() + 0.139, abs=0.02)
