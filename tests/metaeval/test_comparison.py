import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_matrices import scores, with_small_holes

from rewardlab.metaeval import permutations
from rewardlab.metaeval.comparison import (
    compare_accuracy_eq,
    compare_by_scores,
    compare_pairwise_accuracy,
    compare_spa,
    significance_ranks,
)
from rewardlab.metaeval.correlations import kendall, pearson, spearman
from rewardlab.metaeval.ties import accuracy_eq

QUICK = settings(max_examples=20, deadline=None, derandomize=True)
STATISTICS = {"pearson": pearson, "spearman": spearman, "kendall": kendall}
# With the versions in `score_matrices`, after ``np.random.seed(0)`` and with c of words and chars:
# ``stats.PermutationSigDiff(c["words"], c["chars"], scipy.stats.pearsonr, "none", 500)`` and so on,
# ``stats.PairwisePermutationSigDiff(c["words"], c["chars"], "acc23", "item", 500)`` for the pairs.
REFERENCE = {
    ("whole", "pearson"): 0.204,
    ("whole", "spearman"): 0.248,
    ("whole", "kendall"): 0.32,
    ("whole", "pairs"): 0.106,
    ("holes", "pearson"): 0.168,
    ("holes", "spearman"): 0.198,
    ("holes", "kendall"): 0.258,
    ("holes", "pairs"): 0.076,
}


def compare(statistic, gold, metrics, by="none", **settings):
    if statistic == "pairs":
        return compare_accuracy_eq(gold, metrics, **settings)
    function = functools.partial(STATISTICS[statistic], by=by)
    return compare_by_scores(function, gold, metrics, **settings)


@pytest.mark.parametrize(("data", "statistic"), REFERENCE)
def test_p_values_equal_those_of_mt_metrics_eval(data, statistic):
    gold, metrics = scores()
    gold = gold if data == "whole" else with_small_holes(gold)
    found = compare(statistic, gold, metrics, draws=500)
    ((first, second, difference, p),) = found.comparisons
    assert (first, second) == ("chars", "words")
    assert p == REFERENCE[data, statistic]
    assert difference == found.values["chars"] - found.values["words"] > 0.0


def test_system_level_p_values_equal_those_of_mt_metrics_eval():
    """With ``functools.partial(stats.PairwiseConfidenceError, num_sys=6)``, 200 draws, and
    ``stats.Agreement`` on the systems' means, 500 draws."""
    gold, metrics = scores()
    assert compare_spa(gold, metrics, draws=200).comparisons[0].p == 0.03
    means = {name: metric.mean(axis=1) for name, metric in metrics.items()}
    found = compare_pairwise_accuracy(gold.mean(axis=1), means, draws=500)
    assert found.comparisons[0].p == 0.218
    assert found.values == {"chars": 10 / 15, "words": 5 / 15}


def test_calibrating_every_mixture_anew_equals_mt_metrics_eval():
    """``PermutationSigDiff(..., stats.KendallWithTiesOpt, "item", 50, variant="acc23",
    sample_rate=1.0)``, whose random numbers run system by system."""
    gold, metrics = scores()
    found = compare_by_scores(lambda g, m: accuracy_eq(g, m).value, gold, metrics, draws=50)
    assert found.comparisons[0].p == 0.18


def test_the_coin_is_numpys_legacy_binomial():
    tossed = np.random.RandomState(7).binomial(1, 0.5, 10_000)
    drawn = np.concatenate(list(permutations.numbers(100, 100, 7))).ravel()
    assert ((drawn > permutations.HALF) == tossed).all()


def test_blocks_of_draws_do_not_change_the_result(monkeypatch):
    gold, metrics = scores()
    whole = [compare(s, gold, metrics, draws=50) for s in ("pearson", "pairs")]
    monkeypatch.setattr(permutations, "BLOCK", 100)
    assert [compare(s, gold, metrics, draws=50) for s in ("pearson", "pairs")] == whole


@pytest.mark.parametrize("by", ["none", "item", "system"])
@pytest.mark.parametrize("statistic", ["pearson", "spearman", "kendall", "pairs"])
def test_a_metric_is_not_better_than_itself(statistic, by):
    gold, metrics = scores()
    twins = {"one": metrics["chars"], "other": metrics["chars"].copy()}
    found = compare(statistic, gold, twins, by, draws=20)
    assert found.comparisons == (("one", "other", 0.0, 1.0),)
    assert found.ranks == {"one": 1, "other": 1}


def test_a_perfect_metric_beats_noise():
    gold, _ = scores()
    noise = np.random.RandomState(0).random_sample(gold.shape)
    metrics = {"noise": noise, "perfect": 2.0 * gold - 1.0}
    found = compare_by_scores(pearson, gold, metrics, draws=200)
    assert found.comparisons[0].p == 0.0
    assert found.ranks == {"perfect": 1, "noise": 2}
    assert list(found.values) == ["perfect", "noise"]


def test_a_metric_without_a_value_comes_last_without_p():
    gold, metrics = scores()
    metrics["constant"] = np.zeros(gold.shape)
    found = compare_by_scores(pearson, gold, metrics, draws=20)
    assert list(found.values) == ["chars", "words", "constant"]
    assert math.isnan(found.values["constant"])
    by_names = {(one.first, one.second): one.p for one in found.comparisons}
    assert math.isnan(by_names["chars", "constant"])
    assert not math.isnan(by_names["chars", "words"])


def test_a_constant_metric_can_be_swapped():
    gold, metrics = scores()
    constant = {"constant": np.full(gold.shape, 2.0), "chars": metrics["chars"]}
    assert 0.0 <= compare_spa(gold, constant, draws=20).comparisons[0].p <= 1.0
    assert compare_accuracy_eq(gold, constant, draws=20).values["constant"] < 0.5


def test_metrics_that_miss_other_cells_are_compared_on_what_they_share():
    gold, metrics = scores()
    partial = metrics["words"].copy()
    partial[:, :3] = np.nan
    found = compare_by_scores(pearson, gold, {**metrics, "partial": partial}, draws=100)
    alone = compare_by_scores(pearson, gold, metrics, draws=100)
    by_names = {frozenset(one[:2]): one.p for one in found.comparisons}
    assert by_names[frozenset(("chars", "words"))] == alone.comparisons[0].p


def test_too_many_random_numbers(monkeypatch):
    gold, metrics = scores()
    monkeypatch.setattr(permutations, "MOST_NUMBERS", 500)
    with pytest.raises(ValueError, match="needs 540 random numbers a draw, more than 500"):
        compare_accuracy_eq(gold, metrics)


def test_clusters_by_hand():
    # b is not worse than a; c is worse than a: a new rank; d is worse than none of that rank (c)
    p = np.array([[0, 0.2, 0.01, 0.0], [0, 0, 0.3, 0.04], [0, 0, 0, 0.06], [0, 0, 0, 0]])
    assert significance_ranks(p) == [1, 1, 2, 2]
    assert significance_ranks(p, alpha=0.001) == [1, 1, 1, 2]
    assert significance_ranks(np.zeros((0, 0))) == []


@QUICK
@given(seed=st.integers(0, 1000), by=st.sampled_from(["none", "item", "system"]))
def test_p_values_are_shares_and_a_scale_does_not_matter(seed, by):
    random = np.random.RandomState(seed)
    gold, a, b = random.random_sample((3, 4, 6))
    found = compare("pearson", gold, {"a": a, "b": b}, by, draws=30)
    scaled = compare("pearson", gold, {"a": 100.0 * a + 7.0, "b": b}, by, draws=30)
    assert found.comparisons[0].p == scaled.comparisons[0].p
    assert 0.0 <= found.comparisons[0].p <= 1.0
