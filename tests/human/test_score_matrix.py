import numpy as np
import pytest

from rewardlab.human.score_matrix import ScoreMatrix, system_means

NAN = float("nan")


def matrix():
    return ScoreMatrix(
        ("A", "B"), ("1", "2", "3"), np.array([[1.0, 2.0, NAN], [3.0, 3.0, 6.0]]), "s"
    )


def test_a_system_score_is_the_mean_over_its_scored_segments():
    assert matrix().system_scores().tolist() == [1.5, 4.0]


def test_a_system_without_scores_has_none():
    assert np.isnan(system_means(np.array([[NAN, NAN], [1.0, NAN]]))).tolist() == [True, False]


def test_only_keeps_the_order_that_is_asked_for():
    found = matrix().only(["B", "A"])
    assert found.systems == ("B", "A")
    assert found.values[0].tolist() == [3.0, 3.0, 6.0]
    assert found.signature == "s"


def test_only_names_what_it_does_not_know():
    with pytest.raises(ValueError, match="unknown systems: C, D; there are A, B"):
        matrix().only(["A", "C", "D"])


def test_negating_flips_every_sign_and_says_so():
    found = matrix().negated()
    assert found.values[1].tolist() == [-3.0, -3.0, -6.0]
    assert found.signature == "s|negated"


def test_values_are_a_copy_that_cannot_be_written():
    values = np.ones((1, 2))
    found = ScoreMatrix(("A",), ("1", "2"), values, "s")
    values[0, 0] = 5.0
    assert found.values[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        found.values[0, 0] = 5.0


@pytest.mark.parametrize(
    ("systems", "segments", "values", "message"),
    [
        (("A",), ("1",), np.ones((1, 2)), r"values of shape \(1, 2\) for 1 systems and 1 segments"),
        (("A", "A"), ("1",), np.ones((2, 1)), "system 'A' occurs more than once"),
        (("A",), ("1", "1"), np.ones((1, 2)), "segment '1' occurs more than once"),
        (("A",), ("1", "2"), np.array([[0.0, -np.inf]]), "system 'A', segment '2': -inf is not"),
    ],
)
def test_what_is_no_matrix(systems, segments, values, message):
    with pytest.raises(ValueError, match=message):
        ScoreMatrix(systems, segments, values, "s")
