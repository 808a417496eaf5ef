import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.preflight.shares import share


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
