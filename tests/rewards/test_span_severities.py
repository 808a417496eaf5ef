"""What a span costs at token level is what it costs the score of the reward that found it."""

from pathlib import Path

import pytest

from rewardlab.rewards import AutoMQM, Cached, ChrF, Naturalness, XComet
from rewardlab.types import ErrorSpan, severities_of

HERE = Path()


@pytest.mark.parametrize(
    ("reward", "critical"),
    [
        (ChrF(), 5.0),  # WMT: critical counts as major
        (AutoMQM(model="judge"), 25.0),
        (AutoMQM(model="judge", severities="xcomet"), 10.0),
        (Naturalness(model="judge"), 25.0),
        (XComet(model=HERE), 10.0),
        (Cached(AutoMQM(model="judge"), HERE / "scores.sqlite"), 25.0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_critical_error(reward, critical):
    assert severities_of(reward).weight(ErrorSpan(0, 1, "critical")) == critical
