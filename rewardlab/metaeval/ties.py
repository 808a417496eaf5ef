"""Tie-calibrated accuracy, acc_eq: do metric and humans agree on which translation is better?

Deutsch et al. 2023 (arXiv 2305.14324). A pair of cells counts as correct if both sides order it
alike or both have a tie; the metric has a tie if its scores differ by at most ε. With C concordant
pairs among P,

    acc_eq(ε) = (C - #{concordant, |d| ≤ ε} + #{tied by humans, |d| ≤ ε}) / P

where d is the difference of the metric's scores; discordant pairs are wrong at every ε. Every |d|
and 0 are tried as ε, without sampling, and of several optima the smallest is taken.

Value and ε equal those of mt-metrics-eval with ``sample_rate=1``. In that tool, averages over
groups for equally good thresholds differ only by rounding, so its float additions are repeated here
in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval.correlations import Bools, Grouping, grouped, known_cells, pair_differences

MOST_PAIRS: dict[Grouping, int] = {"none": 100_000_000, "item": 15_000_000, "system": 15_000_000}
"""Maximum number of pairs, for less than 1 GB: 8 bytes per pair for ``none``, at most 55 else."""
BLOCK = 1 << 16
"""Pairs processed at once; they stay in the processor's cache."""
BUCKETS = 1 << 16
"""Intervals into which the thresholds of one large group are first counted."""


class TooManyPairs(ValueError):  # noqa: N818 - names what happened
    """Enumerating the pairs would take more memory than is allowed."""


class TieCalibrated(NamedTuple):
    """The best accuracy over all tie thresholds.

    Attributes:
        value: Accuracy at ``epsilon``; NaN if there is no pair.
        epsilon: The smallest threshold, in the metric's units, that reaches ``value``; >= 0.
        pairs: Number of pairs of cells that were compared.
    """

    value: float
    epsilon: float
    pairs: int


def accuracy_eq(gold: Floats, metric: Floats, *, by: Grouping = "item") -> TieCalibrated:
    """Pairwise accuracy with the tie threshold that suits the metric best.

    Time and memory grow with the number of pairs: M * S(S-1)/2 by item (the statistic of WMT),
    S * M(M-1)/2 by system, n(n-1)/2 of all n = S*M cells for ``none``.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing; a cell missing on either side is left out.
        by: Which cells are compared; the mean is over groups that have a pair.

    Returns:
        ``value`` in [0, 1]. A constant metric gets the share of pairs that humans tie.

    Raises:
        ValueError: The shapes differ.
        TooManyPairs: There are more than `MOST_PAIRS`.

    >>> accuracy_eq(np.array([[1.0], [2.0], [2.0]]), np.array([[0.1], [0.9], [0.7]]))[:2]
    (1.0, 0.20000000000000007)
    """
    known = grouped(known_cells(gold, metric), by)
    sizes = known.sum(axis=1, dtype=np.int64)
    pairs = int((sizes * (sizes - 1)).sum()) // 2
    if pairs > MOST_PAIRS[by]:
        raise TooManyPairs(
            f"{pairs:,} pairs of cells under by={by!r} are more than {MOST_PAIRS[by]:,}; "
            'by="item" is the statistic of WMT and has the fewest'
        )
    if not pairs:
        return TieCalibrated(float("nan"), float("nan"), 0)
    x, y = grouped(gold, by), grouped(metric, by)
    if by == "none":
        return _best_of_one(x[known], y[known], pairs)
    return _best_of_groups(_Pairs.of(x, y, pairs))


def accuracy_rows(x: Floats, y: Floats, epsilon: float) -> Floats:
    """``acc_eq(ε)`` of each row at a given threshold.

    Args:
        x: Human scores (g, n), n >= 2, no NaN.
        y: Metric scores (g, n), no NaN.
        epsilon: Metric differences up to this size are ties; >= 0.

    Returns:
        (g,).
    """
    return np.concatenate(
        [
            np.equal(np.sign(h), np.where(np.abs(d) <= epsilon, 0.0, np.sign(d))).mean(axis=1)
            for h, d in pair_differences(x, y)
        ]
    )


# ── one group ───────────────────────────────────────────────────────────────────────────────────


def _best_of_one(x: Floats, y: Floats, pairs: int) -> TieCalibrated:
    """The optimum over all pairs of n cells.

    Correct pairs are counted exactly, so the smallest optimal threshold is found. The pairs are
    counted in `BUCKETS` intervals of ``|d|``. Within an interval the count rises by at most the
    human ties in it, so only intervals that can reach the best count so far are searched.
    """
    buckets = BUCKETS if pairs > BUCKETS else 1
    spread = float(y.max() - y.min())
    scale = (buckets - 1) / spread if spread > np.finfo(np.float64).tiny * buckets else 0.0

    def bucket(differences: Floats) -> NDArray[np.int32]:
        return (differences * scale).astype(np.int32)  # never falls where |d| rises

    gained, lost = np.zeros((2, buckets), dtype=np.int64)
    untouched = 0  # ties on both sides, correct at ε = 0
    for tied, concordant in _chunks(x, y):
        gained += np.bincount(bucket(tied), minlength=buckets)
        lost += np.bincount(bucket(concordant), minlength=buckets)
        untouched += len(tied) - np.count_nonzero(tied)
    correct = int(lost.sum()) + np.cumsum(gained - lost)  # at the end of each interval
    best, epsilon = int(lost.sum()) + untouched, 0.0
    # intervals that can still be best, if all human ties come before all concordant pairs
    open_ = (correct + lost >= max(best, int(correct.max()))) & (gained > 0)
    tied, concordant = _within(x, y, lambda d: open_[bucket(d)], gained[open_], lost[open_])
    outside = int(lost.sum()) + np.cumsum(np.where(open_, 0, gained - lost))
    for start in range(0, len(tied), BLOCK):
        part = tied[start : start + BLOCK]
        counts = (  # ties of the same |d| further on are not yet counted: the last one counts all
            outside[bucket(part)]
            - np.searchsorted(concordant, part, side="right")
            + np.arange(start + 1, start + 1 + len(part))
        )
        if counts.max() > best:
            best, epsilon = int(counts.max()), float(part[counts.argmax()])
    return TieCalibrated(best / pairs, epsilon, pairs)


def _chunks(x: Floats, y: Floats) -> Iterator[tuple[Floats, Floats]]:
    """``|d|`` of human ties and of concordant pairs, many cells at a time."""
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    ends = np.searchsorted(x, x, side="right")  # where better human scores begin
    tied: list[Floats] = []
    concordant: list[Floats] = []
    held = 0
    for at, end in enumerate(ends.tolist()):
        better = y[end:] - y[at]
        tied.append(np.abs(y[at + 1 : end] - y[at]))
        concordant.append(better[better > 0.0])
        held += len(y) - at - 1
        if held >= BLOCK:
            yield np.concatenate(tied), np.concatenate(concordant)
            tied, concordant, held = [], [], 0
    yield np.concatenate([*tied, np.empty(0)]), np.concatenate([*concordant, np.empty(0)])


def _within(
    x: Floats,
    y: Floats,
    wanted: Callable[[Floats], Bools],
    gained: NDArray[np.int64],
    lost: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """The wanted differences of human ties and of concordant pairs, each ascending."""
    tied, concordant = np.empty(int(gained.sum())), np.empty(int(lost.sum()))
    ends = [0, 0]
    for chunk in _chunks(x, y):
        for which, (held, differences) in enumerate(zip((tied, concordant), chunk, strict=True)):
            kept = differences[wanted(differences)]
            held[ends[which] : ends[which] + len(kept)] = kept
            ends[which] += len(kept)
    tied.sort()
    concordant.sort()
    return tied, concordant


# ── the mean over groups ────────────────────────────────────────────────────────────────────────


class _Pairs(NamedTuple):
    """All pairs within R groups, group by group and in each by first and second cell.

    Attributes:
        differences: (P,) ``|d|`` of the metric.
        group: (P,) number of the group.
        gain: (P,) change in the number of correct pairs if the pair becomes a tie: 1, 0 or -1.
        correct: (R,) number of correct pairs before any pair becomes a tie.
        sizes: (R,) number of pairs.
    """

    differences: Floats
    group: NDArray[np.int32]
    gain: NDArray[np.int8]
    correct: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, x: Floats, y: Floats, pairs: int) -> _Pairs:
        """Enumerate the pairs; a pair with a missing cell is left out."""
        first, second = np.triu_indices(x.shape[1], 1)
        correct, sizes = np.zeros((2, len(x)), dtype=np.int64)
        group, gain = np.empty(pairs, dtype=np.int32), np.empty(pairs, dtype=np.int8)
        differences = np.empty(pairs)
        step, end = max(1, BLOCK // len(first)), 0
        for start in range(0, len(x), step):
            groups = slice(start, start + step)
            h = x[groups][:, second] - x[groups][:, first]
            d = y[groups][:, second] - y[groups][:, first]
            known = ~(np.isnan(h) | np.isnan(d))
            concordant, tied = ((h > 0) & (d > 0)) | ((h < 0) & (d < 0)), h == 0
            correct[groups] = (concordant | (tied & (d == 0))).sum(axis=1)
            sizes[groups] = known.sum(axis=1)
            place = slice(end, end := end + int(known.sum()))
            differences[place] = np.abs(d[known])
            gain[place] = ((tied & (d != 0)).astype(np.int8) - concordant)[known]
            group[place] = start + np.nonzero(known)[0]
        return cls(differences, group, gain, correct, sizes)


def _best_of_groups(pairs: _Pairs) -> TieCalibrated:
    """Raise ε pair by pair and follow the mean over groups as a running float total."""
    present = set(np.flatnonzero(pairs.sizes).tolist())
    start = pairs.correct / np.maximum(pairs.sizes, 1)
    # in the order of a set, with Python's own sum: the initial total must equal the tool's exactly
    total = sum(start[group] for group in present)
    groups = len(present)
    order = _stable_order(pairs.differences)
    differences = pairs.differences[order]
    best, epsilon = total / groups if differences[0] > 0.0 else -np.inf, 0.0
    correct = pairs.correct.copy()
    for at in range(0, len(order), BLOCK):
        chosen = order[at : at + BLOCK]
        totals = _running(total, correct, pairs, chosen)
        total = totals[-1]
        here, following = differences[at : at + BLOCK], differences[at + 1 : at + BLOCK + 1]
        # all pairs of one difference become ties together: only the last of them counts
        last = np.ones(len(here), dtype=np.bool_)
        last[: len(following)] = following != here[: len(following)]
        values = totals[last] / groups
        if len(values) and values.max() > best:
            best, epsilon = float(values.max()), float(here[last][values.argmax()])
    return TieCalibrated(float(best), epsilon, len(order))


def _stable_order(values: Floats) -> NDArray[np.int64]:
    """Stable ``argsort`` of numbers >= 0.

    The numbers are first sorted by 65,536 intervals of equal width, which numpy does in linear
    time. The result is nearly sorted, so that the second sort stays in the processor's cache.
    """
    most, largest = np.iinfo(np.uint16).max, float(values.max())
    scale = most / largest if largest > np.finfo(np.float64).tiny * most else 0.0
    coarse = np.argsort((values * scale).astype(np.uint16), kind="stable")
    return coarse[np.argsort(values[coarse], kind="stable")]


def _running(
    total: float, correct: NDArray[np.int64], pairs: _Pairs, chosen: NDArray[np.int64]
) -> Floats:
    """Totals after each of the chosen pairs became a tie; updates ``correct``.

    Each pair subtracts its group's old ratio and adds the new one, even if they are equal.
    """
    group, gain = pairs.group[chosen], pairs.gain[chosen].astype(np.int64)
    together = np.argsort(group, kind="stable")
    summed = np.cumsum(gain[together])
    ordered = group[together]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    earlier = np.repeat(
        summed[begins] - gain[together][begins], np.diff(np.r_[begins, len(ordered)])
    )
    after = np.empty(len(chosen), dtype=np.int64)
    after[together] = correct[ordered] + summed - earlier
    terms = np.empty(2 * len(chosen) + 1)
    terms[0] = total
    sizes = pairs.sizes[group]
    terms[1::2] = -((after - gain) / sizes)
    terms[2::2] = after / sizes
    np.add.at(correct, group, gain)
    return np.cumsum(terms)[2::2]
