"""Equality, and what it does not forgive."""

import pytest

from rewardlab.rewards import ExactMatch
from rewardlab.types import Candidate, Status


@pytest.mark.parametrize(
    ("hypothesis", "reference", "score"),
    [
        ("Hus", "Hus", 1.0),
        ("", "", 1.0),
        ("Hus", "hus", 0.0),
        ("Hus ", "Hus", 0.0),
        ("\u00e9", "e\u0301", 0.0),
    ],
)
def test_nothing_is_normalised(hypothesis, reference, score):
    output = ExactMatch()([Candidate("house", hypothesis, reference)])
    assert output.scores.tolist() == [score]
    assert output.spans is None


def test_no_reference_is_not_applicable():
    assert ExactMatch()([Candidate("house", "Hus")]).status == [Status.NOT_APPLICABLE]
