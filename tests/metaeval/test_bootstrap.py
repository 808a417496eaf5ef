import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_matrices import scores, with_small_holes

from rewardlab.human.score_matrix import system_means
from rewardlab.metaeval import bootstrap as module
from rewardlab.metaeval.bootstrap import (
    accuracy_samples,
    kendall_samples,
    pearson_samples,
    segment_counts,
    spa_samples,
    spearman_samples,
    system_samples,
)
from rewardlab.metaeval.correlations import (
    group_values,
    kendall,
    pearson,
    pearson_rows,
    spearman,
)
from rewardlab.metaeval.system_level import pairwise_accuracies, pairwise_accuracy, spa
from rewardlab.metaeval.ties import accuracy_rows
from rewardlab.statistics import draws, interval

QUICK = settings(max_examples=20, deadline=None, derandomize=True)
GROUPINGS = ("none", "item", "system")


def one_by_one(statistic, gold, metric, counts):
    """The statistic of each resample, with its columns written out."""
    found = []
    for count in counts:
        columns = np.repeat(np.arange(gold.shape[1]), count)
        found.append(statistic(gold[:, columns], metric[:, columns]))
    return np.array(found)


def accuracy_at(gold, metric, epsilon, by):
    """The mean of acc_eq at a threshold over the groups that have a pair."""
    values = group_values(lambda x, y: accuracy_rows(x, y, epsilon), gold, metric, by)
    return np.nanmean(values)


@pytest.fixture(params=["whole", "holes", "documents"])
def resampled(request):
    gold, metrics = scores()
    documents = ["a"] * 4 + ["b"] * 5 + ["c"] * 6 if request.param == "documents" else None
    if request.param == "holes":
        gold = with_small_holes(gold)
    counts = segment_counts(15, resamples=12, seed=1, documents=documents)
    return gold, metrics["words"], counts


@pytest.mark.parametrize("by", GROUPINGS)
def test_every_resample_is_the_statistic_of_its_columns(resampled, by):
    gold, metric, counts = resampled
    cases = [
        (pearson_samples(gold, metric, counts, by=by), lambda g, m: pearson(g, m, by=by)),
        (spearman_samples(gold, metric, counts, by=by), lambda g, m: spearman(g, m, by=by)),
        (kendall_samples(gold, metric, counts, by=by), lambda g, m: kendall(g, m, by=by)),
        (
            accuracy_samples(gold, metric, 1.0, counts, by=by),
            lambda g, m: accuracy_at(g, m, 1.0, by=by),
        ),
    ]
    for found, statistic in cases:
        assert found == pytest.approx(one_by_one(statistic, gold, metric, counts), abs=1e-12)


def test_system_statistics_of_every_resample(resampled):
    gold, metric, counts = resampled
    found = system_samples(pairwise_accuracies, gold, metric, counts)
    expected = one_by_one(
        lambda g, m: pairwise_accuracy(system_means(g), system_means(m)), gold, metric, counts
    )
    assert found == pytest.approx(expected)
    found = system_samples(pearson_rows, gold, metric, counts)
    expected = one_by_one(
        lambda g, m: pearson(system_means(g)[:, None], system_means(m)[:, None]),
        gold,
        metric,
        counts,
    )
    assert found == pytest.approx(expected)
    complete = ~np.isnan(gold).any(axis=0)
    found = spa_samples(gold, {"words": metric}, counts)["words"]
    expected = one_by_one(spa, gold[:, complete], metric[:, complete], counts[:, complete])
    assert found.tolist() == expected.tolist()


def test_segments_are_drawn_as_everywhere_else():
    counts = segment_counts(15, resamples=3, seed=5)
    drawn = draws(15, resamples=3, seed=5)
    assert [np.bincount(row, minlength=15).tolist() for row in drawn] == counts.tolist()


def test_segments_of_a_document_are_drawn_together():
    counts = segment_counts(5, resamples=50, seed=0, documents=["x", "y", "x", "y", "y"])
    assert (counts[:, [0, 1]] == counts[:, [2, 3]]).all()
    assert (counts[:, 0] + counts[:, 1] == 2).all()


@pytest.mark.parametrize(
    ("segments", "documents", "message"),
    [
        (0, None, "0 segments cannot"),
        (3, ["a", "b"], "3 segments, 2 of them in 2 documents, cannot"),
        (2, ["", ""], "2 segments, 2 of them in 1 documents, cannot"),
    ],
)
def test_what_cannot_be_resampled(segments, documents, message):
    with pytest.raises(ValueError, match=message):
        segment_counts(segments, documents=documents)


def test_metrics_are_compared_on_the_same_resamples():
    gold, metrics = scores()
    counts = segment_counts(15)
    a, b = (pearson_samples(gold, metric, counts) for metric in metrics.values())
    twin = pearson_samples(gold, metrics["chars"].copy(), counts)
    assert (a - twin == 0.0).all()
    difference = interval(a - b)
    assert difference.low < pearson(gold, metrics["chars"]) - pearson(gold, metrics["words"])
    assert difference.half < interval(a).half + interval(b).half


def test_a_constant_metric_has_no_interval_but_for_accuracy():
    gold, _ = scores()
    constant, counts = np.zeros(gold.shape), segment_counts(15, resamples=20)
    for samples in (pearson_samples, spearman_samples, kendall_samples):
        for by in GROUPINGS:
            assert interval(samples(gold, constant, counts, by=by)) is None
    assert not np.isnan(accuracy_samples(gold, constant, 0.0, counts)).any()


@pytest.mark.parametrize("by", ["none", "system"])
def test_pairs_of_very_many_segments_are_refused(monkeypatch, by):
    gold, metrics = scores()
    counts = segment_counts(15, resamples=2)
    monkeypatch.setattr(module, "MOST_SEGMENTS", 14)
    with pytest.raises(ValueError, match=r'15 segments are more than 14.* by="item" has no limit'):
        kendall_samples(gold, metrics["words"], counts, by=by)
    assert not np.isnan(kendall_samples(gold, metrics["words"], counts, by="item")).any()


@QUICK
@given(seed=st.integers(0, 1000), by=st.sampled_from(GROUPINGS))
def test_drawing_every_segment_once_is_the_test_set_itself(seed, by):
    random = np.random.RandomState(seed)
    gold = random.randint(0, 3, (3, 5)).astype(float)
    metric = random.randint(0, 4, (3, 5)).astype(float)
    once = np.ones((1, 5), dtype=np.int64)
    for samples, statistic in (
        (pearson_samples, pearson),
        (spearman_samples, spearman),
        (kendall_samples, kendall),
    ):
        found, expected = samples(gold, metric, once, by=by)[0], statistic(gold, metric, by=by)
        assert math.isnan(found) == math.isnan(expected)
        assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)
