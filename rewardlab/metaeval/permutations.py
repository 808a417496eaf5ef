"""Random swaps between two metrics: how many draws reach the observed difference?

In every draw, a 1 leaves the scores of a cell (or the outcomes of a pair of cells) as they are, and
a 0 swaps them between the two metrics, so all ones reproduce the two metrics. Each test here counts
the draws whose difference is at least the observed one; `rewardlab.metaeval.comparison` computes
p-values from these counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval.correlations import Bools
from rewardlab.metaeval.ties import TooManyPairs

BLOCK = 1 << 17
"""Random numbers drawn at once, or one draw if that takes more; they fit the processor's cache."""
MOST_NUMBERS = 50_000_000
"""Maximum number of random numbers (8 bytes each) in one draw for pairs: the sum of n² over groups
of n cells."""
HALF = 0.5
"""A fair coin."""

Pair: TypeAlias = tuple[str, str]
Statistic: TypeAlias = Callable[[Floats, Floats], float]
"""Function of human and metric scores (S, M), with NaN for left-out cells."""
Reached: TypeAlias = Callable[[Floats], int]
"""Function that counts the draws of a block (B, N) of zeros and ones that reach the observed
difference."""


def numbers(count: int, draws: int, seed: int) -> Iterator[Floats]:
    """Random numbers of all draws, several draws at a time.

    ``number > 0.5`` equals the draws of ``RandomState(seed).binomial(1, 0.5, count)``, but is
    faster.

    Args:
        count: Number of random numbers in one draw, N.
        draws: Number of draws.
        seed: Seed of the generator.

    Yields:
        (B, N) in [0, 1).
    """
    generator = np.random.RandomState(seed)
    step = max(1, BLOCK // max(count, 1))
    for done in range(0, draws, step):
        yield generator.random_sample((min(step, draws - done), count))


def count_reached(tests: Mapping[Pair, Reached], blocks: Iterable[Floats]) -> dict[Pair, int]:
    """Count the draws that reach the observed difference, for each pair of metrics.

    Args:
        tests: By pair of metrics, the function that counts in one block.
        blocks: Random numbers (B, N) in [0, 1), shared by all pairs.
    """
    counts = dict.fromkeys(tests, 0)
    for block in blocks:
        own = (block > HALF).astype(np.float64)
        for pair, reached in tests.items():
            counts[pair] += reached(own)
    return counts


# ── swapped scores ──────────────────────────────────────────────────────────────────────────────


def standardised(values: Floats) -> Floats:
    """z-scores (N,); all 0 if the values are constant."""
    if not len(values) or (values == values[0]).all():
        return np.zeros_like(values)
    return (values - values.mean()) / values.std()


def swapped_scores(
    statistic: Statistic, gold: Floats, known: Bools, first: Floats, second: Floats
) -> Reached:
    """A test that swaps the scores of cells and measures both mixtures, draw by draw.

    Args:
        statistic: The statistic that is compared; undefined values count as 0.
        gold: Human scores (S, M).
        known: The N cells that take part, bool (S, M).
        first: z-scores (N,) of the better metric.
        second: z-scores (N,) of the other metric.
    """

    def value(mixed: Floats) -> float:
        scores = np.full(known.shape, np.nan)
        scores[known] = mixed
        mixture = statistic(gold, scores)
        return 0.0 if math.isnan(mixture) else mixture

    observed = value(first) - value(second)

    def reached(own: Floats) -> int:
        return sum(
            value(one * first + (1.0 - one) * second) - value(one * second + (1.0 - one) * first)
            >= observed
            for one in own
        )

    return reached


# ── swapped outcomes of pairs ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Pairs of known cells within groups, and the order that humans give them.

    Attributes:
        cells: (2, P) positions of the first and second cell of each pair in the concatenated
            groups.
        group: (P,) number of the pair's group, ascending.
        sizes: (R,) number of pairs in each group.
        order: (P,) -1, 0 or 1: the sign of first minus second human score.
        upper: (P,) index of the pair's random number within a draw; a group of n cells uses n².
        numbers: Number of random numbers in one draw.
    """

    cells: NDArray[np.int64]
    group: NDArray[np.int64]
    sizes: NDArray[np.int64]
    order: Floats
    upper: NDArray[np.int64]
    numbers: int

    @classmethod
    def of(cls, human: Floats, known: Bools) -> Outcomes:
        """Enumerate the pairs.

        Args:
            human: Human scores (groups, cells).
            known: Which cells take part, bool (groups, cells).

        Raises:
            TooManyPairs: One draw needs more than `MOST_NUMBERS` random numbers.
        """
        groups = [np.flatnonzero(row) + at * known.shape[1] for at, row in enumerate(known)]
        groups = [places for places in groups if len(places) > 1]
        starts = np.cumsum([0, *(len(places) ** 2 for places in groups)])
        if starts[-1] > MOST_NUMBERS:
            raise TooManyPairs(
                f"a comparison by pairs needs {starts[-1]:,} random numbers a draw, more than "
                f"{MOST_NUMBERS:,}"
            )
        pairs = [np.triu_indices(len(places), 1) for places in groups]
        sizes = np.array([len(first) for first, _ in pairs], dtype=np.int64)
        cells = np.concatenate(
            [places[np.array(pair)] for places, pair in zip(groups, pairs, strict=True)], axis=1
        )
        upper = np.concatenate(
            [
                start + first * len(places) + second
                for start, places, (first, second) in zip(starts[:-1], groups, pairs, strict=True)
            ]
        )
        order = np.sign(human.ravel()[cells[0]] - human.ravel()[cells[1]])
        group = np.repeat(np.arange(len(groups)), sizes)
        return cls(cells, group, sizes, order, upper, int(starts[-1]))

    def correct(self, metric: Floats, epsilon: float) -> Bools:
        """Which pairs the metric orders, or ties, as humans do.

        Args:
            metric: Metric scores (groups, cells).
            epsilon: Differences up to this size are ties.

        Returns:
            bool (P,).
        """
        scores = metric.ravel()
        differences = scores[self.cells[0]] - scores[self.cells[1]]
        return np.where(np.abs(differences) <= epsilon, 0.0, np.sign(differences)) == self.order

    def blocks(self, draws: int, seed: int) -> Iterator[Floats]:
        """Random numbers of the pairs, several draws at a time.

        Args:
            draws: Number of draws.
            seed: Seed of the generator.

        Yields:
            (B, P) in [0, 1).
        """
        for block in numbers(self.numbers, draws, seed):
            yield block[:, self.upper]

    def test(self, first: Bools, second: Bools) -> Reached:
        """A test that swaps outcomes of pairs.

        The statistic is the share of correct pairs, averaged over groups.

        Args:
            first: Correct pairs of the better metric, bool (P,).
            second: Correct pairs of the other metric, bool (P,).
        """
        differ = np.flatnonzero(first != second)
        gain = first[differ].astype(np.float64) - second[differ]
        groups, starts = np.unique(self.group[differ], return_index=True)
        a, b = (np.bincount(self.group[c], minlength=len(self.sizes)) for c in (first, second))
        observed = float((a / self.sizes).mean() - (b / self.sizes).mean())

        def reached(own: Floats) -> int:
            moved = np.zeros((len(own), len(self.sizes)))
            if len(differ):
                moved[:, groups] = np.add.reduceat(own[:, differ] * gain, starts, axis=1)
            mixtures = ((b + moved) / self.sizes, (a - moved) / self.sizes)
            first_mean, second_mean = (shares.mean(axis=1) for shares in mixtures)
            return int(np.count_nonzero(first_mean - second_mean >= observed))

        return reached
