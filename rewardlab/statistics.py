"""Statistics that every room may use: z-scores, shares of variance, resamples and intervals.

A value with its interval is an `Estimate`: `estimate` makes one of bootstrap resamples, and
`share` one of cases that are counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FEWEST = 2
"""Fewest scored rows that can be resampled; one row is the same in every draw."""
ROUNDING = 1e-12
"""Relative size of rounding errors: above what sums of the same numbers in another order differ."""
Z = 1.959963984540054
"""Of a two-sided 95% interval of a normal distribution."""


def moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each column over its rows that are not NaN.

    Args:
        values: (N, R), NaN where not scored.

    Returns:
        (R,) each. The deviation is 0 where values differ by rounding alone.
    """
    known = ~np.isnan(values)
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, values, 0.0).sum(axis=0) / counts
    std = np.sqrt(np.where(known, (values - means) ** 2, 0.0).sum(axis=0) / counts)
    size = np.where(known, np.abs(values), 0.0).max(axis=0, initial=0.0)
    return means, np.where(std > ROUNDING * size, std, 0.0)


def zscore(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardise each column over its rows that are not NaN.

    Args:
        values: (N, R), NaN where not scored.

    Returns:
        (N, R); a column without spread is all 0, NaN stays NaN. Values that differ by rounding
        alone have no spread.
    """
    means, std = moments(values)
    known = ~np.isnan(values)
    out = np.where(known, 0.0, np.nan)
    return np.divide(values - means, std, out=out, where=known & (std > 0.0))


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Quotients, NaN where the divisor is 0.

    Args:
        part: Numbers.
        whole: Of the same shape, none below 0.
    """
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def variance_share(contributions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each summand in the variance of the sum: ``Cov(c_r, Σc) / Var(Σc)``.

    The shares sum to 1 and may be negative. For uncorrelated z-scores with weights ``w`` they
    are ``w_r² / Σw²``, so weights 1:2:3 give 7, 29 and 64 percent.

    Args:
        contributions: (N, R) weighted, comparable scores; no NaN.

    Returns:
        (R,), all 0 when the sum does not vary.
    """
    centred = contributions - contributions.mean(axis=0) if len(contributions) else contributions
    total = centred.sum(axis=1)
    variance = float((total**2).sum())
    if variance <= 0.0:
        return np.zeros(contributions.shape[1])
    return np.asarray((centred * total[:, None]).sum(axis=0) / variance)


def draws(rows: int, *, resamples: int, seed: int) -> NDArray[np.int64]:
    """Row numbers of all bootstrap resamples, the same that sacrebleu draws.

    Args:
        rows: M, rows to draw from.
        resamples: B.
        seed: Of the generator.

    Returns:
        (B, M), each in [0, M).
    """
    return np.random.default_rng(seed).choice(rows, size=(resamples, rows), replace=True)


@dataclass(frozen=True)
class Interval:
    """Where 95% of the resamples lie.

    Attributes:
        mean: Of the resamples.
        low: A fortieth of the resamples lies below.
        high: A fortieth lies above.
    """

    mean: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half its width: what sacrebleu prints behind ±."""
        return 0.5 * (self.high - self.low)


def interval(samples: NDArray[np.floating[Any]]) -> Interval | None:
    """The percentile interval of B resampled scores, with the ranks that sacrebleu takes.

    Args:
        samples: (B,); resamples without a score (NaN) are left out.

    Returns:
        None where no resample has a score.
    """
    known = np.sort(samples[~np.isnan(samples)])
    if not len(known):
        return None
    cut = len(known) // 40
    return Interval(float(known.mean()), float(known[cut]), float(known[-1 - cut]))


class Estimate(NamedTuple):
    """A value with its 95% interval.

    Attributes:
        value: NaN where there was nothing to measure.
        low: Lower end; NaN where there is no interval.
        high: Upper end; likewise.
    """

    value: float
    low: float
    high: float


def estimate(value: float, samples: NDArray[np.floating[Any]]) -> Estimate:
    """A statistic with the percentile interval of its resamples.

    Args:
        value: Of the whole data.
        samples: (B,) of the resamples, NaN where not defined.
    """
    ends = interval(samples)
    return (
        Estimate(value, math.nan, math.nan)
        if ends is None
        else Estimate(value, ends.low, ends.high)
    )


def share(hits: NDArray[np.bool_], sources: NDArray[np.intp]) -> Estimate:
    """A share of cases with Wilson's interval (1927), where n is the number of sources.

    Translations of one source tend to stand or fall together: the interval is as wide as if each
    source had been tried once. That is right where its translations always agree and too wide
    where they do not; it is a little too narrow where they always agree and some sources have more
    of them than others.

    Args:
        hits: (n,) cases that count.
        sources: (n,) which source each case is of.

    >>> [round(value, 3) for value in share(np.zeros(100, dtype=bool), np.arange(100))]
    [0.0, 0.0, 0.037]
    """
    if not len(hits):
        return Estimate(math.nan, math.nan, math.nan)
    p, n = float(hits.mean()), len(np.unique(sources))
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return Estimate(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)))
