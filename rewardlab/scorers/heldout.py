"""What a trained scorer has learned: on texts it has never seen, beside what needs no learning.

Statistics are of segments: Pearson's and Spearman's correlation over all translations of a file,
acc*_eq by item, and the accuracy of preference, the share of pairs of translations of one text
whose order is people's (a tie of the scorer counts half). They are averaged over files; character
F1 is counted over all files together. Intervals are of bootstrap resamples of segments, the same
for all scorers, so that a difference has an interval of its own. A difference is taken on the
translations that the trained scorer scored; what it left unscored marks nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from rewardlab.human.gold import Gold
from rewardlab.human.rated import Preference
from rewardlab.human.score_matrix import Floats
from rewardlab.metaeval.bootstrap import (
    Counts,
    accuracy_samples,
    pearson_samples,
    segment_counts,
    spearman_samples,
)
from rewardlab.metaeval.correlations import pearson, spearman
from rewardlab.metaeval.scoring import Scored
from rewardlab.metaeval.span_agreement import span_agreement
from rewardlab.metaeval.ties import accuracy_eq
from rewardlab.scorers.judgements import mqm_scale
from rewardlab.statistics import draws, interval

CORRELATIONS = ("pearson", "spearman", "acc_eq", "accuracy")
SPANS = ("span_f1", "span_f1_severity")
STATISTICS = (*CORRELATIONS, *SPANS)
CONSTANT = "constant"


class Figure(NamedTuple):
    """One number with its interval.

    Attributes:
        scorer: Whose.
        statistic: One of `STATISTICS`.
        value: NaN where it is not defined.
        low: A fortieth of the resamples lies below; NaN without resamples.
        high: A fortieth lies above.
    """

    scorer: str
    statistic: str
    value: float
    low: float
    high: float


class Lead(NamedTuple):
    """By how much the scorer is ahead of a baseline, on the same translations and resamples.

    Attributes:
        baseline: Behind it, or in front of it where the value is below 0.
        statistic: One of `STATISTICS`.
        value: The scorer's minus the baseline's.
        low: A fortieth of the resamples lies below.
        high: A fortieth lies above.
    """

    baseline: str
    statistic: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class HeldOut:
    """What was measured.

    Attributes:
        files: By file, the figures of every scorer.
        overall: Over all files.
        leads: Of the trained scorer over each baseline, over all files.
        segments: By file, how many were measured.
    """

    files: Mapping[str, tuple[Figure, ...]]
    overall: tuple[Figure, ...]
    leads: tuple[Lead, ...]
    segments: Mapping[str, int]


class _Sampled(NamedTuple):
    """A statistic of the whole and of each of B resamples."""

    value: float
    samples: Floats


_Statistics: TypeAlias = Mapping[tuple[str, str], _Sampled]
"""By scorer and statistic."""


class _File(NamedTuple):
    """One file's statistics: of all that each scorer scored, and of what the first one scored."""

    all: _Statistics
    paired: _Statistics


def measure_heldout(
    files: Mapping[str, tuple[Gold, Sequence[Scored]]],
    *,
    smallest_margin: float = 0.0,
    resamples: int = 1000,
    seed: int = 0,
) -> HeldOut:
    """Hold a scorer against people and against baselines.

    A baseline that some file lacks, because it has no references for instance, stands in the
    figures of the files that have it, and not in those over all of them.

    Args:
        files: By name, what people said of the held-out segments, and what scorers say of the same
            systems and segments: the trained one first, in every file.
        smallest_margin: Pairs whose human scores differ by less are no preferences, in MQM points
            (`rewardlab.scorers.judgements.mqm_scale`); of differences above 0 if it is 0.
        resamples: B, at least 1.
        seed: Of the draws.
    """
    sampled = {
        name: _file(gold, scored, smallest_margin, resamples, seed)
        for name, (gold, scored) in files.items()
    }
    names = [*_everywhere(files), CONSTANT]
    spans = _span_figures(files, names, resamples, seed)
    overall = _means([found.all for found in sampled.values()], names) | spans
    paired = _means([found.paired for found in sampled.values()], names) | spans
    first = names[0]
    return HeldOut(
        files={name: _figures(found.all) for name, found in sampled.items()},
        overall=_figures(overall),
        leads=tuple(
            _lead(statistic, baseline, paired[first, statistic], paired[baseline, statistic])
            for baseline in names[1:]
            for statistic in STATISTICS
            if (first, statistic) in paired and (baseline, statistic) in paired
        ),
        segments={name: len(gold.scores.segments) for name, (gold, _) in files.items()},
    )


def preference_accuracy(
    preferences: Sequence[Preference],
    scores: Mapping[str, tuple[Floats, Floats]],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Figure, ...]:
    """How often scorers prefer what people preferred; a tie counts half.

    A pair of which a scorer leaves an answer unscored is none of its pairs.

    Args:
        preferences: N pairs.
        scores: By scorer, of the chosen and of the rejected answers, (N,) each.
        resamples: Of the pairs.
        seed: Of the draws.

    Raises:
        ValueError: There are no pairs.
    """
    if not preferences:
        raise ValueError("no preferences to measure on")
    drawn = draws(len(preferences), resamples=resamples, seed=seed)
    found: list[Figure] = []
    for name, (chosen, rejected) in scores.items():
        scored = ~np.isnan(chosen - rejected)
        right = _right(chosen - rejected)
        pairs = scored[drawn].sum(axis=1)
        share = np.full(len(pairs), np.nan)
        np.divide(right[drawn].sum(axis=1), pairs, out=share, where=pairs > 0)
        value = float(right.sum() / scored.sum()) if scored.any() else math.nan
        found.append(_figure(name, "accuracy", _Sampled(value, share)))
    return tuple(found)


def _everywhere(files: Mapping[str, tuple[Gold, Sequence[Scored]]]) -> list[str]:
    """The scorers that every file has, in the order of the first file."""
    first, *others = ([one.name for one in scored] for _, scored in files.values())
    return [name for name in first if all(name in names for names in others)]


# ── correlations ────────────────────────────────────────────────────────────────────────────────


def _file(
    gold: Gold, scored: Sequence[Scored], smallest_margin: float, resamples: int, seed: int
) -> _File:
    human = gold.scores.only(scored[0].scores.systems).values
    points = replace(gold.scores, values=mqm_scale(gold)).only(scored[0].scores.systems).values
    counts = segment_counts(human.shape[1], resamples=resamples, seed=seed)
    constant = np.where(np.isnan(human), np.nan, 0.0)
    values = {one.name: one.scores.values for one in scored} | {CONSTANT: constant}
    unscored = np.isnan(scored[0].scores.values)

    def statistics(values: Mapping[str, Floats]) -> _Statistics:
        return {
            (name, statistic): found
            for name, metric in values.items()
            for statistic, found in _correlations(
                human, points, metric, counts, smallest_margin
            ).items()
        }

    whole = statistics(values)
    if not (unscored & ~np.isnan(human)).any():
        return _File(whole, whole)
    both = {name: np.where(unscored, np.nan, metric) for name, metric in values.items()}
    return _File(whole, statistics(both))


def _means(files: Sequence[_Statistics], names: Sequence[str]) -> dict[tuple[str, str], _Sampled]:
    """Over the files, of the scorers that each of them has."""
    return {
        (scorer, statistic): _mean([found[scorer, statistic] for found in files])
        for scorer in names
        for statistic in CORRELATIONS
    }


def _correlations(
    human: Floats, points: Floats, metric: Floats, counts: Counts, smallest_margin: float
) -> dict[str, _Sampled]:
    """Against people's scores, and in MQM points for what is preferred; NaN without a score."""
    if np.isnan(human - metric).all():
        nothing = _Sampled(math.nan, np.full(len(counts), np.nan))
        return dict.fromkeys(CORRELATIONS, nothing)
    tied = accuracy_eq(human, metric, by="item")
    right, pairs = _preferences(points, metric, smallest_margin)
    drawn = counts @ pairs
    share = np.divide(counts @ right, drawn, out=np.full(len(counts), np.nan), where=drawn > 0)
    whole = float(pairs.sum())
    return {
        "pearson": _or_none(pearson(human, metric), pearson_samples(human, metric, counts)),
        "spearman": _or_none(spearman(human, metric), spearman_samples(human, metric, counts)),
        "acc_eq": _Sampled(tied.value, accuracy_samples(human, metric, tied.epsilon, counts)),
        "accuracy": _Sampled(float(right.sum()) / whole if whole else math.nan, share),
    }


def _or_none(value: float, samples: Floats) -> _Sampled:
    """A correlation; of a constant, which has none, 0: it says nothing of what people say."""
    if math.isnan(value):
        return _Sampled(0.0, np.zeros_like(samples))
    return _Sampled(value, samples)


def _preferences(human: Floats, metric: Floats, smallest: float) -> tuple[Floats, Floats]:
    """By segment (M,), the pairs in people's order and all pairs that people order."""
    right = np.zeros(human.shape[1])
    pairs = np.zeros(human.shape[1])
    for row in range(len(human)):
        apart = human[row] - human
        prefers = (apart > 0.0) & (apart >= smallest) & ~np.isnan(metric[row] - metric)
        pairs += prefers.sum(axis=0)
        right += np.where(prefers, _right(metric[row] - metric), 0.0).sum(axis=0)
    return right, pairs


def _right(difference: Floats) -> Floats:
    """1 where the better one is preferred, ½ at a tie, else 0; 0 too where there is no answer."""
    return np.nan_to_num(np.asarray((np.sign(difference) + 1.0) / 2.0), nan=0.0)


# ── spans ───────────────────────────────────────────────────────────────────────────────────────


def _span_figures(
    files: Mapping[str, tuple[Gold, Sequence[Scored]]],
    names: Sequence[str],
    resamples: int,
    seed: int,
) -> dict[tuple[str, str], _Sampled]:
    """Character F1 of these scorers, over all files in which people marked errors together."""
    found: dict[tuple[str, str], _Sampled] = {}
    marked = [(gold, scored) for gold, scored in files.values() if gold.spans]
    for name in names if marked else ():
        mine = [one for _, scored in marked for one in scored if one.name == name]
        if len(mine) < len(marked) or any(one.spans is None for one in mine):
            continue
        totals = np.zeros(4)
        drawn = np.zeros((resamples, 4))
        for (gold, _), one in zip(marked, mine, strict=True):
            cells = _span_counts(gold, one)
            totals += cells.sum(axis=0)
            drawn += segment_counts(len(cells), resamples=resamples, seed=seed) @ cells
        for statistic, value, samples in zip(SPANS, _f1(totals), _f1(drawn), strict=True):
            found[name, statistic] = _Sampled(float(value), np.asarray(samples))
    return found


def _span_counts(gold: Gold, scored: Scored) -> Floats:
    """By segment (M, 4): characters predicted, marked, in both, in both with one severity."""
    spans = scored.spans or {}
    rows: list[tuple[int, int, int, int]] = []
    for segment in gold.scores.segments:
        cells = [(system, segment) for system in scored.scores.systems]
        cells = [cell for cell in cells if cell in gold.spans]
        one = span_agreement(
            [spans.get(cell, ()) for cell in cells],
            [gold.spans[cell] for cell in cells],
            [gold.hypotheses[cell] for cell in cells],
        )
        rows.append((one.predicted, one.marked, one.both, one.same_severity))
    return np.array(rows, dtype=np.float64)


def _f1(counts: Floats) -> tuple[Floats, Floats]:
    """F1 without and with severity of sums (..., 4); 0 where nothing is marked on either side."""
    predicted, marked, both, same = np.moveaxis(counts, -1, 0)
    whole = np.maximum(predicted + marked, 1.0)
    return 2.0 * both / whole, (both + same) / whole


# ── figures ─────────────────────────────────────────────────────────────────────────────────────


def _mean(found: Sequence[_Sampled]) -> _Sampled:
    value = float(np.mean([one.value for one in found]))
    return _Sampled(value, np.mean([one.samples for one in found], axis=0))


def _figures(found: _Statistics) -> tuple[Figure, ...]:
    return tuple(_figure(*key, sampled) for key, sampled in found.items())


def _figure(scorer: str, statistic: str, found: _Sampled) -> Figure:
    return Figure(scorer, statistic, found.value, *_ends(found.samples))


def _lead(statistic: str, baseline: str, mine: _Sampled, theirs: _Sampled) -> Lead:
    ends = _ends(mine.samples - theirs.samples)
    return Lead(baseline, statistic, mine.value - theirs.value, *ends)


def _ends(samples: Floats) -> tuple[float, float]:
    found = interval(samples)
    return (math.nan, math.nan) if found is None else (found.low, found.high)
