"""Significance of differences between systems: sacrebleu's paired bootstrap, number for number.

A metric's score of a test set is a function of sums over the segments: of n-gram counts for BLEU
and chrF, of edits and words for TER, of scores for a mean. So the score of a bootstrap resample
(Koehn 2004, W04-3250) needs only sums over rows drawn with replacement. Two systems are compared on
the same draws. Draws, intervals and p-values follow ``sacrebleu.significance`` (Post 2018, arXiv
1804.08771) step by step; the docstrings say what is returned in cases that sacrebleu leaves
undefined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rewardlab.statistics import FEWEST, Interval, interval

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

Floats: TypeAlias = NDArray[np.floating[Any]]
SegmentTable: TypeAlias = "Sequence[Sequence[Segments]]"
"""Statistics of one metric for S systems by D directions."""
Draws: TypeAlias = "Sequence[NDArray[np.int64]]"
"""Draws of D directions, each (B, M); M differs between directions."""
Teams: TypeAlias = "Mapping[str, tuple[int, ...]]"
"""Positions of each team's members: first the S systems, each with itself, then the groups."""


@dataclass(frozen=True, eq=False)
class Segments:
    """Sufficient statistics of one metric for M segments of one system.

    Attributes:
        value: The test set's score, in the metric's own units; NaN if no row is scored.
        statistics: (M, K) summands of the score; 0 in rows that are not scored.
        scored: Which rows are scored, bool (M,).
        score: Function from a sum of rows (K,) to its score, NaN if it has no score.
    """

    value: float
    statistics: Floats
    scored: NDArray[np.bool_]
    score: Callable[[Floats], float]

    def only(self, rows: NDArray[np.bool_]) -> Segments:
        """Treat all other rows as unscored.

        Args:
            rows: The rows to keep, bool (M,), a subset of the scored rows.
        """
        if np.array_equal(rows, self.scored):
            return self
        kept = np.where(rows[:, None], self.statistics, 0.0)
        return Segments(self.score(kept.sum(0)), kept, rows, self.score)

    def resampled(self, drawn: NDArray[np.int64]) -> Floats:
        """Scores of B resamples.

        Args:
            drawn: (B, M) row numbers, as `draws` gives them.

        Returns:
            (B,), NaN for a resample without a scored row, and everywhere if fewer than `FEWEST`
            rows are scored.
        """
        if self.scored.sum() < FEWEST:
            return np.full(len(drawn), np.nan)
        return np.array([self.score(self.statistics[rows].sum(0)) for rows in drawn])


def corpus_segments(
    metric: Metric, hypotheses: Sequence[str], references: Sequence[str]
) -> Segments:
    """Statistics of a corpus metric of sacrebleu; every row is scored, empty hypotheses too.

    Args:
        metric: Any metric of sacrebleu.
        hypotheses: M texts, M >= 1.
        references: M texts, one per hypothesis.
    """
    private: Any = metric  # sacrebleu's own paired test reads the same three methods
    statistics = private._extract_corpus_statistics(hypotheses, [references])  # noqa: SLF001
    return Segments(
        value=float(private._aggregate_and_compute(statistics).score),  # noqa: SLF001
        statistics=np.array(statistics, dtype=np.float32),  # as in sacrebleu, for equal digits
        scored=np.ones(len(hypotheses), dtype=np.bool_),
        score=lambda total: private._compute_score_from_stats(total).score,  # noqa: SLF001
    )


def mean_segments(scores: NDArray[np.float64]) -> Segments:
    """Statistics of the mean of a reward over the rows it scored.

    Args:
        scores: (M,), NaN for rows that were not scored.
    """
    scored = ~np.isnan(scores)
    statistics = np.stack([np.where(scored, scores, 0.0), scored.astype(np.float64)], axis=1)
    return Segments(_mean(statistics.sum(0)), statistics, scored, _mean)


def _mean(total: Floats) -> float:
    return float(total[0] / total[1]) if total[1] else float("nan")


def p_value(samples: Floats, difference: float) -> float | None:
    """The p-value of a difference between two systems, by sacrebleu's formula.

    ``p = (1 + #{b: |d_b| - mean|d| > |d|}) / (1 + B)``. For a clear difference this counts only the
    tail on one side (resamples with more than twice the difference), so p may be below 0.05 while
    the 95% interval still contains 0. Without any true difference, p is about 0.4. If all
    resampled differences are 0, sacrebleu's formula gives ``1 / (1 + B)``, as if two equal outputs
    were maximally different; here p is 1.

    Args:
        samples: (B,) differences on the same draws; NaN values are left out.
        difference: The difference on the test set itself.

    Returns:
        p in (0, 1]; None if all samples are NaN.
    """
    known = np.abs(samples[~np.isnan(samples)])
    if not len(known) or np.isnan(difference):
        return None
    if difference == 0.0 and not known.any():
        return 1.0
    extreme = int(np.sum(known - known.mean() > abs(float(difference))))
    return (extreme + 1) / (len(known) + 1)


@dataclass(frozen=True)
class Difference:
    """A system minus the baseline, in the metric's units.

    Attributes:
        value: The difference; positive is better, except for a metric that is an error.
        interval: 95% interval of the resampled differences; None if nothing can be resampled.
        p: See `p_value`; None if nothing can be resampled.
        rows: Number of compared rows: those with a score for every member of both teams.
    """

    value: float
    interval: Interval | None
    p: float | None
    rows: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval is not None and not self.interval.low <= 0.0 <= self.interval.high


@dataclass(frozen=True)
class Spread:
    """Spread of the scores over the seeds of a group.

    Attributes:
        members: Number of members.
        std: Sample standard deviation of the members' scores; NaN for a single member.
        low: The lowest score.
        high: The highest score.
    """

    members: int
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """One metric of one team in one place.

    Attributes:
        value: The score; NaN without a scored row. An average is NaN if any direction is NaN.
        interval: 95% interval of the resampled scores; None if nothing can be resampled.
        scored: Number of scored rows, of all members.
        unscored: Number of unscored rows, of all members.
        difference: Difference from the baseline; None for the baseline itself, or without a
            baseline.
        spread: Spread over the members of a group; None for a system.
    """

    value: float
    interval: Interval | None
    scored: int
    unscored: int
    difference: Difference | None = None
    spread: Spread | None = None


class _Sampled(NamedTuple):
    """Scores of S systems in D directions; the average over directions is last.

    Attributes:
        values: (S, D + 1) scores of the test set.
        samples: (S, D + 1, B) scores of its resamples.
    """

    values: NDArray[np.float64]
    samples: Floats

    @classmethod
    def of(cls, segments: SegmentTable, drawn: Draws) -> _Sampled:
        """Score the test set and all its resamples."""
        values = np.array([[one.value for one in row] for row in segments])
        samples = np.array(
            [
                [one.resampled(rows) for one, rows in zip(row, drawn, strict=True)]
                for row in segments
            ]
        )
        return cls(
            np.concatenate([values, values.mean(1, keepdims=True)], axis=1),
            np.concatenate([samples, samples.mean(1, keepdims=True)], axis=1),
        )

    def mean(self, members: Sequence[int]) -> tuple[NDArray[np.float64], Floats]:
        """Scores (D + 1,) and resampled scores (D + 1, B) of a team."""
        return self.values[list(members)].mean(0), self.samples[list(members)].mean(0)


def compare(
    segments: SegmentTable, drawn: Draws, teams: Teams, baseline: str | None
) -> dict[str, list[Score]]:
    """Score every team in every direction and on average, and compare it with the baseline.

    Args:
        segments: S systems by D directions.
        drawn: The draws of each direction, (B, M); M differs between directions.
        teams: Positions of each team's members: first the S systems, each with itself, then the
            groups.
        baseline: Name of a team, or None.

    Returns:
        By team, D scores and the average over directions as the last one.
    """
    sampled = _Sampled.of(segments, drawn)
    scores: dict[str, list[Score]] = {}
    for number, (team, members) in enumerate(teams.items()):
        values, samples = sampled.mean(members)
        counts = with_sum(
            [sum(int(segments[m][d].scored.sum()) for m in members) for d in range(len(drawn))]
        )
        rows = with_sum([len(members) * one.shape[1] for one in drawn])
        differences: Sequence[Difference | None] = [None] * len(values)
        if baseline is not None and team != baseline:
            differences = _differences(segments, drawn, sampled, (members, teams[baseline]))
        is_group = number >= len(segments)
        scores[team] = [
            Score(
                value=float(values[at]),
                interval=interval(samples[at]),
                scored=counts[at],
                unscored=rows[at] - counts[at],
                difference=differences[at],
                spread=_spread(sampled.values[list(members), at]) if is_group else None,
            )
            for at in range(len(values))
        ]
    return scores


def _differences(
    segments: SegmentTable,
    drawn: Draws,
    sampled: _Sampled,
    pair: tuple[tuple[int, ...], tuple[int, ...]],
) -> list[Difference]:
    """A team minus the baseline in every place, over the rows that all members of both scored."""
    involved = sorted({*pair[0], *pair[1]})
    common = [
        np.logical_and.reduce([segments[m][d].scored for m in involved]) for d in range(len(drawn))
    ]
    chosen = {
        m: [one.only(r) for one, r in zip(segments[m], common, strict=True)] for m in involved
    }
    if any(chosen[m] != list(segments[m]) for m in involved):
        sampled = _Sampled.of(list(chosen.values()), drawn)
        pair = (tuple(map(involved.index, pair[0])), tuple(map(involved.index, pair[1])))
    (values, samples), (base_values, base_samples) = (sampled.mean(team) for team in pair)
    rows = with_sum([int(scored.sum()) for scored in common])
    return [
        Difference(
            value=float(value),
            interval=interval(resampled),
            p=p_value(resampled, float(value)),
            rows=rows[at],
        )
        for at, (value, resampled) in enumerate(
            zip(values - base_values, samples - base_samples, strict=True)
        )
    ]


def with_sum(counts: Sequence[int]) -> list[int]:
    """Counts of the directions, followed by their sum."""
    return [*counts, sum(counts)]


def _spread(values: NDArray[np.float64]) -> Spread:
    std = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return Spread(len(values), std, float(values.min()), float(values.max()))
