"""What readers are told about the numbers of a meta-evaluation."""

import gold_scores
import numpy as np

from rewardlab.metaeval.meta_evaluate import meta_evaluate
from rewardlab.metaeval.notes import flat_items, is_constant
from rewardlab.metaeval.scoring import Scored
from rewardlab.types import WMT_MQM

HUMAN = np.array([[-1.0, 0.0], [-5.0, 0.0], [-6.0, -1.0]])


def test_what_is_constant():
    assert is_constant(np.array([1.0, np.nan, 1.0]))
    assert not is_constant(np.array([1.0, 2.0]))
    assert not is_constant(np.array([np.nan]))


def notes_of(values, **changes):
    metric = Scored("metric", gold_scores.matrix(values))
    gold = gold_scores.gold(**changes)
    return meta_evaluate(gold, [metric], systems=("A", "B", "C")).notes


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
