"""What `comparison` counts: random swaps between two metrics that reach the observed difference.

In every draw a 1 leaves a cell (or a pair of cells) to its own metric and a 0 gives it to the
other one, so all ones reproduce the two metrics. Each test here turns blocks of draws into the
number of them whose difference is at least the observed one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval import system_level
from rewardlab.metaeval.correlations import Grouping, complete_groups, pearson_rows
from rewardlab.metaeval.ties import TooManyPairs
from rewardlab.statistics import ROUNDING

BLOCK = 1 << 17
"""Random numbers drawn at once: little more than one draw, in the processor's cache."""
MOST_NUMBERS = 50_000_000
"""Random numbers of one draw by pairs, 8 bytes each: the sum of n² over groups of n cells."""
HALF = 0.5
"""A fair coin."""

Bools: TypeAlias = NDArray[np.bool_]
Pair: TypeAlias = tuple[str, str]
Statistic: TypeAlias = Callable[[Floats, Floats], float]
Reached: TypeAlias = Callable[[Floats], int]
"""How many draws of a block (B, N) of zeros and ones reach the observed difference."""


def numbers(count: int, draws: int, seed: int) -> Iterator[Floats]:
    """Random numbers of all draws, some draws at a time.

    ``number > 0.5`` is what ``RandomState(seed).binomial(1, 0.5, count)`` draws, but faster.

    Yields:
        (B, count) in [0, 1).
    """
    generator = np.random.RandomState(seed)
    step = max(1, BLOCK // max(count, 1))
    for done in range(0, draws, step):
        yield generator.random_sample((min(step, draws - done), count))


def counted(tests: Mapping[Pair, Reached], blocks: Iterable[Floats]) -> dict[Pair, int]:
    """Sum up over blocks of draws that all pairs of metrics share."""
    counts = dict.fromkeys(tests, 0)
    for block in blocks:
        for pair, reached in tests.items():
            counts[pair] += reached(block)
    return counts


def standardised(values: Floats) -> Floats:
    """z-scores; all 0 where the values do not vary."""
    if not len(values) or (values == values[0]).all():
        return np.zeros_like(values)
    return (values - values.mean()) / values.std()


def pearson_sums(gold: Floats, known: Bools, first: Floats, second: Floats) -> Reached:
    """Pearson over all cells: the sums of a mixture are linear in what is swapped.

    Args:
        gold: Human scores (S, M).
        known: The cells that take part (1, S*M).
        first: z-scores of N known cells of the better metric.
        second: The same of the other.
    """
    human = gold.reshape(1, -1)[known]
    human = human - human.mean()
    human /= np.sqrt((human**2).sum())
    ones = np.ones_like(human)
    a, b = (np.stack([human * z, ones * z, z**2], axis=1) for z in (first, second))
    a_sums, b_sums = a.sum(axis=0), b.sum(axis=0)

    def r(sums: Floats) -> Floats:
        spread = sums[..., 2] - sums[..., 1] ** 2 / len(human)
        varies = spread > ROUNDING * sums[..., 2]
        return np.where(varies, sums[..., 0] / np.sqrt(np.where(varies, spread, 1.0)), 0.0)

    observed = float(r(a_sums) - r(b_sums)) - ROUNDING

    def reached(own: Floats) -> int:
        moved = own @ (a - b)
        return int(np.count_nonzero(r(b_sums + moved) - r(a_sums - moved) >= observed))

    return reached


def pearson_groups(
    gold: Floats, known: Bools, first: Floats, second: Floats, *, by: Grouping
) -> Reached:
    """Pearson averaged over the groups in which the mixture varies; 0 where it does in none."""
    place = np.full(known.shape, np.nan)
    place[known] = np.arange(len(first))
    groups = [
        (scores, places.astype(np.int64))
        for _, scores, places in complete_groups(gold, place.T if by == "item" else place, by)
    ]

    def values(mixed: Floats) -> Floats:
        """(B,) of mixtures (B, N)."""
        total, count = np.zeros((2, len(mixed)))
        for scores, places in groups:
            x = np.broadcast_to(scores, (len(mixed), *scores.shape)).reshape(-1, scores.shape[1])
            r = pearson_rows(x, mixed[:, places].reshape(x.shape)).reshape(len(mixed), -1)
            total += np.nansum(r, axis=1)
            count += (~np.isnan(r)).sum(axis=1)
        return np.divide(total, count, out=np.zeros_like(total), where=count > 0)

    (observed,) = values(first[None]) - values(second[None]) - ROUNDING

    def reached(own: Floats) -> int:
        differences = values(own * first + (1.0 - own) * second) - values(
            own * second + (1.0 - own) * first
        )
        return int(np.count_nonzero(differences >= observed))

    return reached


def spa_draws(gold: Floats, known: Bools, first: Floats, second: Floats) -> Reached:
    """SPA; every cell must be known, and the humans' p-values are found once."""
    del known
    drawn = system_level.signs(gold.shape[1], 1000, 4)
    human = system_level.p_values(gold, drawn)

    def value(mixed: Floats) -> float:
        found = system_level.p_values(mixed.reshape(gold.shape), drawn)
        return system_level.soft_agreement(human, found)

    return _one_by_one(value, first, second)


def any_draws(
    gold: Floats,
    known: Bools,
    first: Floats,
    second: Floats,
    *,
    statistic: Statistic,
    by: Grouping,
) -> Reached:
    """Any statistic, one draw after the other; where it is not defined it counts as 0."""

    def value(mixed: Floats) -> float:
        scores = np.full(known.shape, np.nan)
        scores[known] = mixed
        found = statistic(gold, scores.T if by == "item" else scores.reshape(gold.shape))
        return 0.0 if math.isnan(found) else found

    return _one_by_one(value, first, second)


def _one_by_one(value: Callable[[Floats], float], first: Floats, second: Floats) -> Reached:
    observed = value(first) - value(second)

    def reached(own: Floats) -> int:
        return sum(
            value(one * first + (1.0 - one) * second) - value(one * second + (1.0 - one) * first)
            >= observed
            for one in own
        )

    return reached


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Pairs of known cells within groups, and what humans say about them.

    Attributes:
        cells: (2, P) positions in the groups laid end to end, first and second cell of each pair.
        group: (P,) number of the pair's group, ascending.
        sizes: (R,) pairs of each group.
        order: (P,) -1, 0 or 1: the sign of first minus second human score.
        upper: (P,) which of a draw's numbers belongs to the pair: a group of n cells takes n².
        numbers: Random numbers of one draw.
    """

    cells: NDArray[np.int64]
    group: NDArray[np.int64]
    sizes: NDArray[np.int64]
    order: Floats
    upper: NDArray[np.int64]
    numbers: int

    @classmethod
    def of(cls, human: Floats, known: Bools) -> Outcomes:
        """Enumerate them.

        Args:
            human: (groups, cells).
            known: Of the same shape.

        Raises:
            TooManyPairs: One draw needs more than `MOST_NUMBERS` random numbers.
        """
        groups = [np.flatnonzero(row) + at * known.shape[1] for at, row in enumerate(known)]
        groups = [places for places in groups if len(places) > 1]
        total = sum(len(places) ** 2 for places in groups)
        if total > MOST_NUMBERS:
            raise TooManyPairs(
                f"a comparison by pairs needs {total:,} random numbers a draw, more than "
                f"{MOST_NUMBERS:,}; compare by item"
            )
        pairs = [np.triu_indices(len(places), 1) for places in groups]
        starts = np.cumsum([0, *(len(places) ** 2 for places in groups)])
        sizes = np.array([len(first) for first, _ in pairs], dtype=np.int64)
        chosen = np.array(
            [
                np.concatenate(
                    [places[pair[side]] for places, pair in zip(groups, pairs, strict=True)]
                )
                for side in (0, 1)
            ]
        )
        upper = np.concatenate(
            [
                start + first * len(places) + second
                for start, places, (first, second) in zip(starts[:-1], groups, pairs, strict=True)
            ]
        )
        scores = human.ravel()
        return cls(
            chosen,
            np.repeat(np.arange(len(groups)), sizes),
            sizes,
            np.sign(scores[chosen[0]] - scores[chosen[1]]),
            upper,
            total,
        )

    def correct(self, metric: Floats, epsilon: float) -> Bools:
        """Which pairs the metric orders, or ties, as humans do.

        Args:
            metric: (groups, cells).
            epsilon: Differences up to here are ties.
        """
        scores = metric.ravel()
        differences = scores[self.cells[0]] - scores[self.cells[1]]
        return np.where(np.abs(differences) <= epsilon, 0.0, np.sign(differences)) == self.order

    def blocks(self, draws: int, seed: int) -> Iterator[Floats]:
        """Zeros and ones (B, P), some draws at a time."""
        for block in numbers(self.numbers, draws, seed):
            yield (block[:, self.upper] > HALF).astype(np.float64)

    def test(self, first: Bools, second: Bools) -> Reached:
        """Mean over groups of the share of correct pairs."""
        differ = np.flatnonzero(first != second)
        gain = first[differ].astype(np.float64) - second[differ]
        groups, starts = np.unique(self.group[differ], return_index=True)
        a, b = (np.bincount(self.group[c], minlength=len(self.sizes)) for c in (first, second))
        observed = float((a / self.sizes).mean() - (b / self.sizes).mean())

        def reached(own: Floats) -> int:
            moved = np.zeros((len(own), len(self.sizes)))
            if len(differ):
                moved[:, groups] = np.add.reduceat(own[:, differ] * gain, starts, axis=1)
            differences = ((b + moved) / self.sizes).mean(axis=1) - ((a - moved) / self.sizes).mean(
                axis=1
            )
            return int(np.count_nonzero(differences >= observed))

        return reached
