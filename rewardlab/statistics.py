"""Statistics for all packages: z-scores, shares of variance, resamples and intervals.

A value with its interval is an `Estimate`: `estimate` computes one from bootstrap resamples, and
`share` from counted cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FEWEST = 2
"""Minimum number of scored rows for resampling; one row would be the same in every draw."""
ROUNDING = 1e-12
"""Relative size of rounding errors; sums of the same numbers in another order differ by less."""
Z = 1.959963984540054
"""Half-width of a two-sided 95% interval of a normal distribution, in standard deviations."""


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
        (N, R); NaN stays NaN. A column without spread is all 0; values that differ only by
        rounding have no spread.
    """
    means, std = moments(values)
    known = ~np.isnan(values)
    out = np.where(known, 0.0, np.nan)
    return np.divide(values - means, std, out=out, where=known & (std > 0.0))


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Quotients, NaN where the divisor is 0.

    Args:
        part: Numbers.
        whole: An array of the same shape, no value below 0.
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
        resamples: Number of resamples, B.
        seed: Seed of the generator.

    Returns:
        (B, M), each in [0, M).
    """
    return np.random.default_rng(seed).choice(rows, size=(resamples, rows), replace=True)


@dataclass(frozen=True)
class Interval:
    """The interval that contains 95% of the resamples.

    Attributes:
        mean: Mean of the resamples.
        low: A fortieth of the resamples lies below.
        high: A fortieth lies above.
    """

    mean: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the width of the interval, which sacrebleu prints after ±."""
        return 0.5 * (self.high - self.low)


def interval(samples: NDArray[np.floating[Any]]) -> Interval | None:
    """The percentile interval of B resampled scores, with the ranks that sacrebleu uses.

    Args:
        samples: (B,); resamples without a score (NaN) are left out.

    Returns:
        The interval; None if no resample has a score.
    """
    known = np.sort(samples[~np.isnan(samples)])
    if not len(known):
        return None
    cut = len(known) // 40
    return Interval(float(known.mean()), float(known[cut]), float(known[-1 - cut]))


class Estimate(NamedTuple):
    """A value with its 95% interval.

    Attributes:
        value: The value; NaN if there was nothing to measure.
        low: Lower end; NaN if there is no interval.
        high: Upper end; NaN if there is no interval.
    """

    value: float
    low: float
    high: float


def estimate(value: float, samples: NDArray[np.floating[Any]]) -> Estimate:
    """A statistic with the percentile interval of its resamples.

    Args:
        value: Value on the whole data.
        samples: (B,) values on the resamples, NaN where not defined.
    """
    ends = interval(samples)
    return (
        Estimate(value, math.nan, math.nan)
        if ends is None
        else Estimate(value, ends.low, ends.high)
    )


def share(hits: NDArray[np.bool_], sources: NDArray[np.intp]) -> Estimate:
    """A share of cases with Wilson's interval (1927), where n is the number of sources.

    Translations of one source tend to succeed or fail together, so the interval is as wide as if
    each source had been tried once. This is correct if all translations of a source agree, and too
    wide if they do not. It is slightly too narrow if they agree but some sources have more
    translations than others.

    Args:
        hits: (n,) True for cases that count.
        sources: (n,) the source of each case.

    >>> [round(value, 3) for value in share(np.zeros(100, dtype=bool), np.arange(100))]
    [0.0, 0.0, 0.037]
    """
    if not len(hits):
        return Estimate(math.nan, math.nan, math.nan)
    p, n = float(hits.mean()), len(np.unique(sources))
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return Estimate(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)))
