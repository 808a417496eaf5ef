"""Shares of cases, with an interval."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
"""Of a two-sided 95% interval."""


class Share(NamedTuple):
    """A share with its 95% interval; NaN where there was nothing to count.

    Attributes:
        value: In [0, 1].
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def share(hits: NDArray[np.bool_], sources: NDArray[np.intp]) -> Share:
    """A share of cases with Wilson's interval (1927), counting sources and not cases.

    Translations of one source tend to stand or fall together, so n is the number of sources: the
    interval is as wide as if each source had been tried once. That is right where its translations
    always agree and too wide where they do not; a little too narrow where they always agree and
    some sources have more of them than others.

    Args:
        hits: (n,) cases that count.
        sources: (n,) which source each case is of.

    >>> [round(value, 3) for value in share(np.zeros(100, dtype=bool), np.arange(100))]
    [0.0, 0.0, 0.037]
    """
    if not len(hits):
        return Share(math.nan, math.nan, math.nan)
    p, n = float(hits.mean()), len(np.unique(sources))
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return Share(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)))
