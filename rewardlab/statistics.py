"""Statistics that everybody needs, on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEWEST = 2
"""Fewest scored rows that can be resampled; one row is the same in every draw."""
ROUNDING = 1e-12
"""Relative difference of sums of the same numbers in another order, and more."""


def zscore(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardise each column over its rows that are not NaN.

    Args:
        values: (N, R), NaN where not scored.

    Returns:
        (N, R); a column without spread is all 0, NaN stays NaN. Values that differ by rounding
        alone have no spread.
    """
    known = ~np.isnan(values)
    counts = np.maximum(known.sum(axis=0), 1)
    centred = values - np.where(known, values, 0.0).sum(axis=0) / counts
    std = np.sqrt(np.where(known, centred**2, 0.0).sum(axis=0) / counts)
    spread = std > ROUNDING * np.where(known, np.abs(values), 0.0).max(axis=0, initial=0.0)
    return np.divide(centred, std, out=np.where(known, 0.0, np.nan), where=known & spread)


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


def bootstrap_interval(
    values: NDArray[np.float64], *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean (Efron 1979).

    Args:
        values: (N,) independent observations, no NaN.
        level: Coverage in (0, 1).
        resamples: How often the rows are drawn anew.
        seed: Of the draws.

    Returns:
        Lower and upper end.
    """
    from scipy.stats import bootstrap

    interval = bootstrap(
        (values,),
        np.mean,
        confidence_level=level,
        n_resamples=resamples,
        method="percentile",
        rng=seed,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def draws(rows: int, *, resamples: int, seed: int) -> NDArray[np.int64]:
    """Row numbers of all resamples: sacrebleu's own for the same number of rows and seed.

    Returns:
        (resamples, rows), each in [0, rows).
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
    """The percentile interval of B resampled scores, by the ranks that sacrebleu takes.

    Resamples without a score (NaN) are left out; None where no resample has one.
    """
    known = np.sort(samples[~np.isnan(samples)])
    if not len(known):
        return None
    cut = len(known) // 40
    return Interval(float(known.mean()), float(known[cut]), float(known[-1 - cut]))
