import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from score_matrices import REFERENCE, scores, with_holes

from rewardlab.metaeval.correlations import kendall, kendall_rows, pearson, spearman

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
NAN = float("nan")
GROUPINGS = ("none", "item", "system")
GRADES = st.integers(-5, 5).map(float)


def grades(systems=4, segments=5):
    return arrays(np.float64, (systems, segments), elements=GRADES)


def same(a, b):
    return a == pytest.approx(b, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(("data", "metric", "by"), REFERENCE)
def test_equal_to_mt_metrics_eval(data, metric, by):
    gold, metrics = scores()
    gold = gold if data == "whole" else with_holes(gold)
    found = (
        pearson(gold, metrics[metric], by=by),
        spearman(gold, metrics[metric], by=by),
        kendall(gold, metrics[metric], by=by),
    )
    assert found == pytest.approx(REFERENCE[data, metric, by][:3], abs=1e-12)


def test_pearson_by_hand():
    # x - mean = -2 0 2, y - mean = -1 2 -1: product sum 0; with y = 1 2 6: -2 -1 3, 10 / sqrt(8*14)
    assert same(pearson(np.array([[1.0, 3.0, 5.0]]), np.array([[1.0, 4.0, 1.0]])), 0.0)
    found = pearson(np.array([[1.0, 3.0, 5.0]]), np.array([[1.0, 2.0, 6.0]]))
    assert same(found, 10 / math.sqrt(8 * 14))


def test_spearman_by_hand_with_a_tie():
    # ranks 1 2 3 and 1 2.5 2.5: centred -1 0 1 and -1 .5 .5: 1.5 / sqrt(2 * 1.5)
    found = spearman(np.array([[1.0, 2.0, 9.0]]), np.array([[0.0, 7.0, 7.0]]))
    assert same(found, 1.5 / math.sqrt(2 * 1.5))


def test_kendall_by_hand_with_ties():
    # x 1 2 2 4, y 1 3 2 2: of 6 pairs 3 agree (12, 13, 14), 1 disagrees (24), x ties 23, y ties 34
    x, y = np.array([[1.0, 2.0, 2.0, 4.0]]), np.array([[1.0, 3.0, 2.0, 2.0]])
    assert same(kendall(x, y), (3 - 1) / math.sqrt((6 - 1) * (6 - 1)))


def test_groupings_by_hand():
    gold = np.array([[1.0, 1.0, 5.0], [2.0, 3.0, 4.0]])
    metric = np.array([[1.0, 9.0, 6.0], [3.0, 2.0, 5.0]])
    assert same(pearson(gold, metric, by="item"), (1 - 1 + 1) / 3)
    rows = [pearson(gold[[s]], metric[[s]]) for s in (0, 1)]
    assert same(pearson(gold, metric, by="system"), sum(rows) / 2)
    flat = pearson(gold.reshape(1, -1), metric.reshape(1, -1))
    assert same(pearson(gold, metric), flat)


def test_a_constant_group_is_left_out_of_the_mean():
    gold = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    metric = np.array([[1.0, 5.0], [3.0, 6.0], [2.0, 4.0]])
    assert same(pearson(gold, metric, by="item"), 0.5)


@pytest.mark.parametrize("statistic", [pearson, spearman, kendall])
@pytest.mark.parametrize("by", GROUPINGS)
def test_a_constant_metric_has_no_correlation(statistic, by):
    gold, _ = scores()
    assert math.isnan(statistic(gold, np.full(gold.shape, 3.0), by=by))


@pytest.mark.parametrize("statistic", [pearson, spearman, kendall])
def test_a_cell_missing_on_either_side_is_left_out(statistic):
    gold = np.array([[1.0, NAN, 2.0, 3.0, 4.0]])
    metric = np.array([[1.0, 5.0, 2.0, NAN, 9.0]])
    assert same(statistic(gold, metric), statistic(gold[:, [0, 2, 4]], metric[:, [0, 2, 4]]))


@pytest.mark.parametrize("statistic", [pearson, spearman, kendall])
def test_shapes_must_agree(statistic):
    with pytest.raises(ValueError, match=r"human scores \(2, 3\) and metric scores \(3, 2\)"):
        statistic(np.ones((2, 3)), np.ones((3, 2)))


def test_large_groups_take_another_way_to_the_same_tau():
    random = np.random.RandomState(0)
    x, y = random.randint(0, 9, (2, 1, 128)).astype(float)
    by_pairs = kendall_rows(x, y)[0]
    longer = kendall_rows(np.repeat(x, 2, 1)[:, :129], np.repeat(y, 2, 1)[:, :129])
    from scipy.stats import kendalltau

    assert by_pairs == kendalltau(x[0], y[0], method="asymptotic")[0]
    assert not math.isnan(longer[0])


@QUICK
@given(gold=grades(), metric=grades(), by=st.sampled_from(GROUPINGS))
def test_negating_the_metric_negates_the_correlation(gold, metric, by):
    for statistic in (pearson, spearman, kendall):
        assert same(statistic(gold, -metric, by=by), -statistic(gold, metric, by=by))


@QUICK
@given(gold=grades(), metric=grades(), by=st.sampled_from(GROUPINGS))
def test_ranks_survive_a_monotone_change_and_pearson_a_linear_one(gold, metric, by):
    for statistic in (spearman, kendall):
        assert same(statistic(gold, metric**3 + metric, by=by), statistic(gold, metric, by=by))
    assert same(pearson(gold, 4.0 * metric - 3.0, by=by), pearson(gold, metric, by=by))


@QUICK
@given(gold=grades(), metric=grades(), by=st.sampled_from(GROUPINGS), data=st.data())
def test_names_and_order_do_not_matter(gold, metric, by, data):
    systems = data.draw(st.permutations(range(4)))
    segments = data.draw(st.permutations(range(5)))
    moved = [side[np.ix_(systems, segments)] for side in (gold, metric)]
    for statistic in (pearson, spearman, kendall):
        assert same(statistic(*moved, by=by), statistic(gold, metric, by=by))


@QUICK
@given(gold=grades(), metric=grades(), by=st.sampled_from(GROUPINGS))
def test_bounds_and_symmetry(gold, metric, by):
    for statistic in (pearson, spearman, kendall):
        found = statistic(gold, metric, by=by)
        assert math.isnan(found) or -1.0 <= found <= 1.0
        assert same(found, statistic(metric, gold, by=by))
