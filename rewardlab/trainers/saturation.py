"""Rewards that no longer tell samples apart, found in the scores of training.

RL learns from differences within a group of samples. A reward whose scores all lie at the end of
its range, or are equal within most groups, costs time and teaches next to nothing. `saturation`
measures this on plain arrays; `SaturationWatch` looks at the latest groups of a run and says each
reward's case once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardlab.types import Term

LATEST = 32
"""Number of latest groups that are looked at."""
FEWEST_GROUPS = 16
FEWEST_ROWS = 64
AT_WORST = 0.8
"""A reward is saturated if at least this share of the rows has its worst score."""
AT_ONE = 0.95
"""The same for any other score: a guard may well give most texts its best."""
FLAT = 0.8
"""A reward is saturated if at least this share of the groups is flat."""
NEAR = 0.01
"""Scores within this share of the worst one count as the worst."""
ROUNDING = 1e-3
"""A group is flat if its scores differ by at most this share of the largest."""


class Saturation(NamedTuple):
    """How far a reward tells samples apart.

    Attributes:
        at_worst: Share of the rows that have the worst score.
        common: The most common score.
        at_common: Share of the rows that have it.
        flat: Share of the groups in which all samples have the same score.
        rows: Number of rows with a score.
        groups: Number of groups with at least two scores.
        mean: Mean of the scores.
        std: Standard deviation of the scores.
    """

    at_worst: float
    common: float
    at_common: float
    flat: float
    rows: int
    groups: int
    mean: float
    std: float

    @property
    def is_saturated(self) -> bool:
        """The reward no longer tells samples apart, and there are enough rows to say so."""
        enough = self.rows >= FEWEST_ROWS and self.groups >= FEWEST_GROUPS
        return enough and (
            self.at_worst >= AT_WORST or self.at_common >= AT_ONE or self.flat >= FLAT
        )


def saturation(scores: NDArray[np.float64], *, worst: float) -> Saturation | None:
    """Measure how far a reward tells samples apart.

    Args:
        scores: (groups, samples of a group), NaN where a row was not scored or is gated.
        worst: The reward's worst score.

    Returns:
        The measures; None if no group has two scores.

    >>> found = saturation(np.array([[-25.0, -25.0], [-25.0, -5.0]]), worst=-25.0)
    >>> found.at_worst, found.flat, found.mean
    (0.75, 0.5, -20.0)
    """
    several = scores[(~np.isnan(scores)).sum(axis=1) > 1]
    if not len(several):
        return None
    known = several[~np.isnan(several)]
    values, counts = np.unique(known, return_counts=True)
    low, high = np.nanmin(several, axis=1), np.nanmax(several, axis=1)
    size = np.maximum(np.abs(low), np.abs(high))
    return Saturation(
        at_worst=float((known <= worst + NEAR * abs(worst)).mean()),
        common=float(values[counts.argmax()]),
        at_common=float(counts.max() / len(known)),
        flat=float((high - low <= ROUNDING * size).mean()),
        rows=len(known),
        groups=len(several),
        mean=float(known.mean()),
        std=float(known.std()),
    )


class SaturationWatch:
    """Looks at the scores of each step, and says once that a reward is saturated.

    Args:
        terms: Terms of the ensemble; those with both weights 0 are not watched.
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        self._watched = {
            column: term.reward
            for column, term in enumerate(terms)
            if term.weight or term.token_weight
        }
        self._latest: deque[NDArray[np.float64]] = deque(maxlen=LATEST)

    def see(self, scores: NDArray[np.float64], *, num_generations: int) -> Iterator[str]:
        """A sentence for each reward that is saturated now and was not before.

        Args:
            scores: (N, R) of a training step, prompt-major, NaN where not scored or gated.
            num_generations: Samples of a group.
        """
        self._latest.extend(scores.reshape(-1, num_generations, scores.shape[1]))
        latest = np.stack(self._latest)
        for column, reward in [*self._watched.items()]:
            found = saturation(latest[:, :, column], worst=reward.worst)
            if found is not None and found.is_saturated:
                del self._watched[column]
                yield saturated(reward.name, found, worst=reward.worst)


def saturated(name: str, found: Saturation, *, worst: float) -> str:
    """What is wrong with a saturated reward, with its figures, and what to do.

    Args:
        name: Name of the reward.
        found: Its measures.
        worst: Its worst score.
    """
    low = found.at_worst >= AT_WORST
    share, score = (found.at_worst, worst) if low else (found.at_common, found.common)
    which = f"its worst score, {score:g}" if low else f"the same score, {score:g}"
    return (
        f"the reward {name} hardly tells samples apart: {share:.0%} of the latest {found.rows:,} "
        f"rows have {which} (mean {found.mean:.4g}, std {found.std:.2g}), and all samples score "
        f"the same in {found.flat:.0%} of {found.groups:,} groups. Start from a better policy, "
        "raise the temperature if samples of a prompt are the same text, or give the weight to "
        "another reward"
    )
