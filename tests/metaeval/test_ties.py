import math
from fractions import Fraction
from itertools import combinations
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from score_matrices import REFERENCE, scores, with_holes

from rewardlab.metaeval import ties
from rewardlab.metaeval.ties import accuracy_eq, accuracy_rows

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
NAN = float("nan")
GROUPINGS = ("none", "item", "system")


SMALL = st.integers(-3, 3).map(float)


def grades(elements=SMALL):
    return arrays(np.float64, (4, 5), elements=elements | st.just(NAN))


def groups(gold, metric, by):
    """Known cells of each group, written as slowly and plainly as possible."""
    cells = [(s, m) for s in range(gold.shape[0]) for m in range(gold.shape[1])]
    key = {"none": lambda _: 0, "item": lambda cell: cell[1], "system": lambda cell: cell[0]}[by]
    found = {}
    for cell in cells:
        if not np.isnan(gold[cell] + metric[cell]):
            found.setdefault(key(cell), []).append((gold[cell], metric[cell]))
    return [group for group in found.values() if len(group) > 1]


def exact_accuracy(gold, metric, by, epsilon):
    shares = []
    for group in groups(gold, metric, by):
        pairs = list(combinations(group, 2))
        correct = sum(
            np.sign(g - h) == (0 if abs(m - n) <= epsilon else np.sign(m - n))
            for (g, m), (h, n) in pairs
        )
        shares.append(Fraction(int(correct), len(pairs)))
    return sum(shares, Fraction(0)) / len(shares) if shares else None


@pytest.mark.parametrize(("data", "metric", "by"), REFERENCE)
def test_equal_to_mt_metrics_eval_to_the_last_digit(data, metric, by):
    gold, metrics = scores()
    gold = gold if data == "whole" else with_holes(gold)
    assert accuracy_eq(gold, metrics[metric], by=by)[:2] == REFERENCE[data, metric, by][3:]


def test_by_hand():
    # AB is a human tie with |d| = 1; AC, BC, CD are concordant with 3, 4, 5; AD, BD are reversed:
    # 3 of 6 pairs are correct at 0, and at 1 the tie is won too
    gold = np.array([[0.0], [0.0], [1.0], [0.5]])
    metric = np.array([[2.0], [1.0], [5.0], [0.0]])
    assert accuracy_rows(gold.T, metric.T, 0.0) == pytest.approx(3 / 6)
    assert accuracy_rows(gold.T, metric.T, 1.0) == pytest.approx(4 / 6)
    assert accuracy_eq(gold, metric) == (pytest.approx(4 / 6), 1.0, 6)


def test_a_constant_metric_gets_the_share_of_human_ties():
    gold = np.array([[0.0, 1.0], [0.0, 2.0], [3.0, 3.0]])  # one of 3 pairs tied, none of 3
    constant = np.zeros(gold.shape)
    assert accuracy_eq(gold, constant) == (pytest.approx(1 / 6), 0.0, 6)
    assert accuracy_eq(gold, constant, by="none") == (pytest.approx(2 / 15), 0.0, 15)


@pytest.mark.parametrize("by", GROUPINGS)
def test_nothing_to_compare(by):
    empty = np.full((2, 3), NAN)
    found = accuracy_eq(empty, empty, by=by)
    assert math.isnan(found.value)
    assert math.isnan(found.epsilon)
    assert found.pairs == 0


def test_too_many_pairs_are_refused_with_their_number(monkeypatch):
    gold = np.zeros((2, 40))
    for by, most in (("none", 3000), ("system", 1000), ("item", 40)):
        monkeypatch.setitem(ties.MOST_PAIRS, by, most)
    with pytest.raises(ValueError, match=r"3,160 pairs of cells under by='none' are more than 3"):
        accuracy_eq(gold, gold, by="none")
    with pytest.raises(ValueError, match="1,560 pairs of cells under by='system'"):
        accuracy_eq(gold, gold, by="system")
    assert accuracy_eq(gold, gold, by="item").pairs == 40


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"human scores \(1, 3\) and metric scores \(3, 3\)"):
        accuracy_eq(np.ones((1, 3)), np.ones((3, 3)))


@QUICK
@given(gold=grades(), metric=grades(), by=st.sampled_from(GROUPINGS))
def test_the_optimum_over_all_thresholds(gold, metric, by):
    found = accuracy_eq(gold, metric, by=by)
    if not found.pairs:
        return
    thresholds = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    exact = [exact_accuracy(gold, metric, by, epsilon) for epsilon in thresholds]
    assert found.value == pytest.approx(float(max(exact)), abs=1e-12)
    assert exact[thresholds.index(found.epsilon)] == max(exact)
    if by == "none":  # integers: the first optimum
        assert found.epsilon == thresholds[exact.index(max(exact))]


@QUICK
@given(gold=grades(), metric=grades(st.floats(-1e3, 1e3)), data=st.data())
def test_one_large_group_is_searched_like_many_small_ones(gold, metric, data):
    buckets = data.draw(st.sampled_from([1, 3, 50]))
    with patch.object(ties, "BUCKETS", buckets):
        by_none = accuracy_eq(gold, metric, by="none")
    as_one_row = accuracy_eq(gold.reshape(1, -1), metric.reshape(1, -1), by="system")
    assert by_none == pytest.approx(as_one_row, nan_ok=True, abs=0.0)
    order = data.draw(st.permutations(range(4)))
    moved = accuracy_eq(gold[order], metric[order], by="none")
    assert moved == pytest.approx(by_none, nan_ok=True, abs=0.0)


def test_blocks_do_not_change_the_result(monkeypatch):
    gold, metrics = scores()
    whole = [accuracy_eq(gold, metrics["chars"], by=by) for by in GROUPINGS]
    monkeypatch.setattr(ties, "BLOCK", 7)
    monkeypatch.setattr(ties, "BUCKETS", 11)
    assert [accuracy_eq(gold, metrics["chars"], by=by) for by in GROUPINGS] == whole


@pytest.mark.parametrize("outlier", [1e300, 1e-300])
def test_thresholds_of_very_different_size(outlier):
    gold = np.array([[0.0, 0.0, 1.0, 2.0, 2.0]])
    metric = np.array([[0.0, 1e-3, 2e-3, outlier, outlier * (1 + 1e-9)]])
    by_none = accuracy_eq(gold, metric, by="none")
    assert by_none == accuracy_eq(gold, metric, by="system")
