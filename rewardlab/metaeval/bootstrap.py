"""Bootstrap resamples of segments: the value of every statistic on each of them.

A resample draws M of the M segments with replacement (Efron 1979; Koehn 2004, W04-3250), with all
their systems, or draws whole documents. Every statistic here takes the same ``counts``, which say
how often each segment was drawn, so metrics are compared on the same resamples.
`rewardlab.statistics.interval` computes percentile intervals from samples; on
``samples_a - samples_b`` it gives the interval of the difference between two metrics.
`rewardlab.metaeval.intervals` computes all intervals of a meta-evaluation.

A segment drawn twice counts as two segments. Only sums are recomputed per resample: of moments
for Pearson, of weighted ranks for Spearman, and for pairs (Kendall's τ_b, accuracy) the quadratic
form ``½ cᵀKc`` with K the segment by segment matrix of what the pairs of their cells contribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval import system_level
from rewardlab.metaeval.correlations import (
    Grouping,
    Rows,
    group_values,
    grouped,
    kendall_rows,
    pearson_rows,
    spearman_rows,
)
from rewardlab.metaeval.ties import TooManyPairs, accuracy_rows
from rewardlab.statistics import FEWEST, ROUNDING, draws, ratio

Counts: TypeAlias = NDArray[np.int64]
BothSides: TypeAlias = tuple[Floats, Floats]
"""Human and metric scores of one system, each (M,)."""
Contribution: TypeAlias = Callable[[BothSides, BothSides], Floats]
"""Contributions of all pairs of cells of two systems to a statistic: (M, M)."""

BLOCK = 1 << 17
"""Numbers processed at once; they stay in the processor's cache."""
MOST_SEGMENTS = 4000
"""A segment by segment matrix of this size takes 128 MB; up to three are in memory at once."""


def segment_counts(
    segments: int,
    *,
    resamples: int = 1000,
    seed: int = 0,
    documents: Sequence[str] | None = None,
) -> Counts:
    """How often each segment is drawn.

    Args:
        segments: Number of segments, M.
        resamples: Number of resamples, B.
        seed: Seed of the draws, which are those of `rewardlab.statistics.draws`.
        documents: The document of each segment (M,), to draw whole documents (as many as there
            are); None draws segments.

    Returns:
        (B, M) counts.

    Raises:
        ValueError: There are no segments, ``documents`` does not have length M, or there is only
            one document.
    """
    names = {name: at for at, name in enumerate(dict.fromkeys(documents or ()))}
    units = segments if documents is None else len(names)
    if not segments or (documents is not None and (len(documents) != segments or units < FEWEST)):
        given = "" if documents is None else f", {len(documents)} of them in {units} documents,"
        raise ValueError(f"{segments} segments{given} cannot be resampled")
    drawn = draws(units, resamples=resamples, seed=seed)
    counts = np.array([np.bincount(row, minlength=units) for row in drawn])
    return counts if documents is None else counts[:, [names[name] for name in documents]]


def pearson_samples(
    gold: Floats, metric: Floats, counts: Counts, *, by: Grouping = "none"
) -> Floats:
    """Resamples of `pearson`.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        counts: (B, M) of `segment_counts`.
        by: Which cells are compared with each other.

    Returns:
        (B,), NaN if no group of a resample has a value.
    """
    if by == "item":
        return _by_item(pearson_rows, gold, metric, counts)
    x, y, known = _centred(gold, metric, by)
    moments = np.stack([known, x, y, x * x, y * y, x * y])
    if by == "none":
        moments = moments.sum(axis=1, keepdims=True)
    sums = counts.astype(np.float64) @ moments.reshape(-1, counts.shape[1]).T
    n, sx, sy, sxx, syy, sxy = sums.T.reshape(len(moments), -1, len(counts))  # (groups, B) each
    count = np.maximum(n, 1.0)
    x_spread, y_spread = sxx - sx**2 / count, syy - sy**2 / count
    varies = (x_spread > ROUNDING * sxx) & (y_spread > ROUNDING * syy)
    scale = np.sqrt(np.where(varies, x_spread * y_spread, 1.0))
    return _mean_of_defined(np.where(varies, (sxy - sx * sy / count) / scale, np.nan))


def spearman_samples(
    gold: Floats, metric: Floats, counts: Counts, *, by: Grouping = "none"
) -> Floats:
    """Resamples of `spearman`.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        counts: (B, M) of `segment_counts`.
        by: Which cells are compared with each other.

    Returns:
        (B,), NaN if no group of a resample has a value.
    """
    if by == "item":
        return _by_item(spearman_rows, gold, metric, counts)
    columns = np.broadcast_to(np.arange(gold.shape[1]), gold.shape)
    sides = (grouped(side, by) for side in (gold, metric, columns))
    samples = [
        _weighted_spearman(x[known], y[known], counts, column[known])
        for x, y, column in zip(*sides, strict=True)
        for known in [~np.isnan(x + y)]
    ]
    return _mean_of_defined(np.array(samples))


def kendall_samples(
    gold: Floats, metric: Floats, counts: Counts, *, by: Grouping = "none"
) -> Floats:
    """Resamples of `kendall`, τ_b.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        counts: (B, M) of `segment_counts`.
        by: Which cells are compared with each other.

    Returns:
        (B,), NaN if no group of a resample has a value.

    Raises:
        TooManyPairs: There are more than `MOST_SEGMENTS` segments; ``by="item"`` has no limit.
    """
    if by == "item":
        return _by_item(kendall_rows, gold, metric, counts)
    contributions = (_net, partial(_untied, side=0), partial(_untied, side=1))
    samples: list[Floats] = []
    for forms in _forms(gold, metric, by, contributions):
        net, x, y = (_quadratic(form, counts) for form in forms)
        samples.append(ratio(net, np.sqrt(x) * np.sqrt(y)))
    return _mean_of_defined(np.array(samples))


def accuracy_samples(
    gold: Floats, metric: Floats, epsilon: float, counts: Counts, *, by: Grouping = "item"
) -> Floats:
    """Resamples of acc_eq at one threshold, that of the whole test set.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        epsilon: Threshold calibrated on the whole test set; calibrating it on each resample would
            widen the interval.
        counts: (B, M) of `segment_counts`.
        by: Which cells are compared with each other.

    Returns:
        (B,), NaN if a resample has no pair.

    Raises:
        TooManyPairs: There are more than `MOST_SEGMENTS` segments; ``by="item"`` has no limit.
    """

    def correct(a: BothSides, b: BothSides) -> Floats:
        x, y = (np.subtract.outer(p, q) for p, q in zip(a, b, strict=True))
        order = np.where(np.abs(y) <= epsilon, 0.0, np.sign(y))
        return ((np.sign(x) == order) & ~np.isnan(x + y)).astype(np.float64)

    if by == "item":
        return _by_item(lambda x, y: accuracy_rows(x, y, epsilon), gold, metric, counts)
    known = (~np.isnan(gold + metric)).astype(np.float64)
    sizes = known if by == "system" else known.sum(axis=0, keepdims=True)
    samples: list[Floats] = []
    for (form,), size in zip(_forms(gold, metric, by, (correct,)), sizes, strict=True):
        cells = counts @ size
        # a cell pairs correctly with each of its own copies, but not with itself
        right = 2.0 * _quadratic(form, counts) - cells
        samples.append(ratio(right, cells * (cells - 1.0)))
    return _mean_of_defined(np.array(samples))


def system_samples(rows: Rows, gold: Floats, metric: Floats, counts: Counts) -> Floats:
    """Resamples of a statistic of the systems' means.

    Args:
        rows: Function of (B, S) human and (B, S) metric scores to (B,), such as one of
            `system_level.STATISTICS`.
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.
        counts: (B, M) of `segment_counts`.

    Returns:
        (B,), NaN if a system has no score in a resample.
    """
    human, machine = (_system_means(side, counts) for side in (gold, metric))
    complete = ~np.isnan(human + machine).any(axis=1)
    values = np.full(len(counts), np.nan)
    values[complete] = rows(human[complete], machine[complete])
    return values


def spa_samples(gold: Floats, metrics: Mapping[str, Floats], counts: Counts) -> dict[str, Floats]:
    """Resamples of `spa` of several metrics, over segments that are complete for all of them.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metrics: Metric scores (S, M) by name, NaN = missing.
        counts: (B, M) of `segment_counts`.

    Returns:
        Samples (B,) by name; NaN for a resample without a complete segment.
    """
    complete = np.flatnonzero(~np.isnan([gold, *metrics.values()]).any(axis=(0, 1)))
    samples = {name: np.full(len(counts), np.nan) for name in metrics}
    for at, count in enumerate(counts[:, complete]):
        drawn = complete.repeat(count)
        if len(drawn):
            signs = system_level.signs(len(drawn))
            human = system_level.p_values(gold[:, drawn], signs)
            for name, metric in metrics.items():
                p = system_level.p_values(metric[:, drawn], signs)
                samples[name][at] = system_level.soft_agreement(human, p)
    return samples


def _by_item(rows: Rows, gold: Floats, metric: Floats, counts: Counts) -> Floats:
    """Resamples of the mean over segments of a statistic; its value per segment never changes."""
    values = group_values(rows, gold, metric, "item")
    defined = ~np.isnan(values)
    summed = np.stack([np.where(defined, values, 0.0), defined], axis=1)
    total, number = (counts.astype(np.float64) @ summed).T
    return ratio(total, number)


def _mean_of_defined(values: Floats) -> Floats:
    """Means over groups, (groups, B) to (B,); NaN if no group has a value."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0))


def _centred(gold: Floats, metric: Floats, by: Grouping) -> tuple[Floats, Floats, Floats]:
    """Both sides minus their means, 0 for cells without both scores, and which cells have both."""
    known = ~np.isnan(gold + metric)
    axis = 1 if by == "system" else None
    number = np.maximum(known.sum(axis=axis, keepdims=True), 1)
    x, y = (
        np.where(known, v - np.where(known, v, 0.0).sum(axis=axis, keepdims=True) / number, 0.0)
        for v in (gold, metric)
    )
    return x, y, known.astype(np.float64)


def _weighted_spearman(x: Floats, y: Floats, counts: Counts, columns: Counts) -> Floats:
    """Spearman's ρ of cells, each counted as often as its segment (``columns``) was drawn."""
    rho = np.full(len(counts), np.nan)
    x_order, y_order = _Order.of(x), _Order.of(y)
    step = max(1, BLOCK // max(len(x), 1))
    for at in range(0, len(counts), step):
        weights = counts[at : at + step].take(columns, axis=1).astype(np.float64)
        a, b = x_order.mid_ranks(weights), y_order.mid_ranks(weights)
        left, right = weights * a, weights * b
        spread = np.einsum("bn,bn->b", left, a) * np.einsum("bn,bn->b", right, b)
        product = np.einsum("bn,bn->b", left, b)
        varies = spread > 0.0
        rho[at : at + step][varies] = product[varies] / np.sqrt(spread[varies])
    return rho


class _Order(NamedTuple):
    """The order of N values.

    Attributes:
        group: (N,) index of each value among the distinct values.
        order: (N,) positions, ascending.
        ends: Position of the last of each distinct value in that order.
    """

    group: NDArray[np.int64]
    order: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, values: Floats) -> _Order:
        """Sort the values."""
        distinct, group = np.unique(values, return_inverse=True)
        order = np.argsort(group, kind="stable")
        return cls(group, order, np.bincount(group, minlength=len(distinct)).cumsum() - 1)

    def mid_ranks(self, weights: Floats) -> Floats:
        """Ranks around their mean; equal values and copies share the middle of their ranks.

        Args:
            weights: (B, N) number of copies of each value.

        Returns:
            (B, N) centred ranks.
        """
        above = weights.take(self.order, axis=1).cumsum(axis=1).take(self.ends, axis=1)
        # the middle of the ranks from below + 1 to above, minus the mean rank (n+1)/2
        middle = above.copy()
        middle[:, 1:] += above[:, :-1]
        middle -= above[:, -1:]
        middle /= 2.0
        return middle.take(self.group, axis=1)


def _net(a: BothSides, b: BothSides) -> Floats:
    """1 for concordant pairs, -1 for discordant ones, 0 for ties."""
    x, y = (np.sign(np.subtract.outer(p, q)) for p, q in zip(a, b, strict=True))
    return np.nan_to_num(x * y)


def _untied(a: BothSides, b: BothSides, side: int) -> Floats:
    """1 for pairs that are not tied in the human (side 0) or the metric scores (side 1)."""
    known = np.logical_and.outer(*(~np.isnan(cells[0] + cells[1]) for cells in (a, b)))
    return (known & np.not_equal.outer(a[side], b[side])).astype(np.float64)


def _forms(
    gold: Floats, metric: Floats, by: Grouping, contributions: Sequence[Contribution]
) -> Iterator[list[Floats]]:
    """Segment by segment matrices of each contribution, for each group."""
    if gold.shape[1] > MOST_SEGMENTS:
        raise TooManyPairs(
            f"{gold.shape[1]:,} segments are more than {MOST_SEGMENTS:,}, whose pairs can be "
            'resampled; by="item" has no limit'
        )
    systems = list(zip(gold, metric, strict=True))
    if by == "system":
        for system in systems:
            yield [contribution(system, system) for contribution in contributions]
        return
    totals = [np.zeros((gold.shape[1], gold.shape[1])) for _ in contributions]
    for at, first in enumerate(systems):
        for second in systems[at:]:
            weight = 1.0 if second is first else 2.0  # two systems stand for both orders
            for number, contribution in enumerate(contributions):
                totals[number] += weight * contribution(first, second)
    yield totals


def _quadratic(form: Floats, counts: Counts) -> Floats:
    """``½ cᵀKc`` of each resample."""
    weights = counts.astype(np.float64)
    return 0.5 * np.einsum("bm,bm->b", weights @ form, weights)


def _system_means(values: Floats, counts: Counts) -> Floats:
    """Means of systems in each resample (B, S), NaN if a system has no score."""
    known = ~np.isnan(values)
    number = counts @ known.T.astype(np.float64)
    return ratio(counts @ np.where(known, values, 0.0).T, number)
