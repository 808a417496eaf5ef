"""Quality of a trained scorer on held-out texts, compared with simple baselines.

There are four statistics of scores: Pearson's and Spearman's correlation over all translations of a
file, acc*_eq by item, and preference accuracy. The last is the share of pairs of translations of
one text that the scorer orders as people do; a tie of the scorer counts half. These statistics are
averaged over files. Character F1 is counted over all files together.

Intervals are from bootstrap resamples of segments. All scorers are measured on the same resamples,
so differences between scorers have intervals too. A difference is computed on the translations that
the trained scorer scored. For F1, a translation without a score has no predicted marks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
from rewardlab.scorers.examples import mqm_points
from rewardlab.statistics import Estimate, draws, estimate, ratio

CORRELATIONS = ("pearson", "spearman", "acc_eq", "accuracy")
SPANS = ("span_f1", "span_f1_severity")
STATISTICS = (*CORRELATIONS, *SPANS)
CONSTANT = "constant"

Files: TypeAlias = Mapping[str, tuple[Gold, Sequence[Scored]]]
"""By file name, human scores of the held-out segments and every scorer's scores of them."""


Figures: TypeAlias = Mapping[tuple[str, str], Estimate]
"""Values by scorer and statistic, one of `STATISTICS`."""
_Samples: TypeAlias = dict[tuple[str, str], Floats]
"""By scorer and statistic, (1 + B,): the value on all segments, then on each resample."""


@dataclass(frozen=True)
class HeldOut:
    """The results of `measure_heldout`.

    Attributes:
        files: By file, the figures of every scorer.
        overall: The figures over all files.
        leads: By baseline and statistic, the trained scorer's value minus the baseline's, over all
            files.
        segments: Number of segments by file.
    """

    files: Mapping[str, Figures]
    overall: Figures
    leads: Figures
    segments: Mapping[str, int]


class _File(NamedTuple):
    """Statistics of one file: on all that each scorer scored, and on what the first one scored."""

    all: _Samples
    paired: _Samples


def measure_heldout(
    files: Files, *, smallest_margin: float = 0.0, resamples: int = 1000, seed: int = 0
) -> HeldOut:
    """Compare a trained scorer with people and with baselines.

    A baseline may be missing for some files, for example for files without references. Such a
    baseline is in the figures of the other files, but not in the figures over all files.

    Args:
        files: Scores by file, the trained scorer first in each.
        smallest_margin: Smallest difference in human score for a pair to count as a preference, in
            MQM points (`rewardlab.scorers.examples.mqm_points`); 0 for all differences above 0.
        resamples: B, at least 1.
        seed: Seed of the draws.
    """
    sampled = {
        name: _file(gold, scored, smallest_margin, resamples, seed)
        for name, (gold, scored) in files.items()
    }
    of_file = [[one.name for one in scored] for _, scored in files.values()]
    names = [name for name in of_file[0] if all(name in own for own in of_file)] + [CONSTANT]
    spans = _span_samples(files, names, resamples, seed)
    overall = _means([found.all for found in sampled.values()], names) | spans
    paired = _means([found.paired for found in sampled.values()], names) | spans
    first = names[0]
    leads = {
        (baseline, statistic): paired[first, statistic] - paired[baseline, statistic]
        for baseline in names[1:]
        for statistic in STATISTICS
        if (first, statistic) in paired and (baseline, statistic) in paired
    }
    return HeldOut(
        files={name: _figures(found.all) for name, found in sampled.items()},
        overall=_figures(overall),
        leads=_figures(leads),
        segments={name: len(gold.scores.segments) for name, (gold, _) in files.items()},
    )


def preference_accuracy(
    preferences: Sequence[Preference],
    scores: Mapping[str, tuple[Floats, Floats]],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Figures:
    """How often scorers prefer what people preferred; a tie counts half.

    If a scorer leaves an answer unscored, the pair is left out for this scorer.

    Args:
        preferences: N pairs.
        scores: By scorer, the scores of the chosen and of the rejected answers, (N,) each.
        resamples: Number of resamples of the pairs.
        seed: Seed of the draws.

    Raises:
        ValueError: There are no pairs.
    """
    if not preferences:
        raise ValueError("no preferences to measure on")
    size = len(preferences)
    drawn = np.vstack([np.arange(size), draws(size, resamples=resamples, seed=seed)])
    found: _Samples = {}
    for name, (chosen, rejected) in scores.items():
        scored, right = ~np.isnan(chosen - rejected), _right(chosen - rejected)
        found[name, "accuracy"] = ratio(right[drawn].sum(axis=1), scored[drawn].sum(axis=1))
    return _figures(found)


# ── correlations ────────────────────────────────────────────────────────────────────────────────


def _file(
    gold: Gold, scored: Sequence[Scored], smallest_margin: float, resamples: int, seed: int
) -> _File:
    systems = scored[0].scores.systems
    human, points = (matrix.only(systems).values for matrix in (gold.scores, mqm_points(gold)))
    counts = segment_counts(human.shape[1], resamples=resamples, seed=seed)
    constant = np.where(np.isnan(human), np.nan, 0.0)
    values = {one.name: one.scores.values for one in scored} | {CONSTANT: constant}
    measured = partial(_correlations, human, points, counts, smallest_margin)
    whole = measured(values)
    unscored = np.isnan(scored[0].scores.values)
    if not (unscored & ~np.isnan(human)).any():
        return _File(whole, whole)
    both = {name: np.where(unscored, np.nan, metric) for name, metric in values.items()}
    return _File(whole, measured(both))


def _means(files: Sequence[_Samples], names: Sequence[str]) -> _Samples:
    """Means over the files, for the scorers that every file has."""
    return {
        (scorer, statistic): np.mean([found[scorer, statistic] for found in files], axis=0)
        for scorer in names
        for statistic in CORRELATIONS
    }


def _correlations(
    human: Floats, points: Floats, counts: Counts, smallest: float, values: Mapping[str, Floats]
) -> _Samples:
    """Correlations with human scores, and preference accuracy (in MQM points); NaN = no score."""
    found: _Samples = {}
    every = np.vstack([np.ones_like(counts[:1]), counts])
    for name, metric in values.items():
        if np.isnan(human - metric).all():
            found |= {(name, statistic): np.full(len(every), np.nan) for statistic in CORRELATIONS}
            continue
        tied = accuracy_eq(human, metric, by="item")
        right, pairs = _preferences(points, metric, smallest)
        own = {
            "pearson": _or_zero(pearson(human, metric), pearson_samples(human, metric, counts)),
            "spearman": _or_zero(spearman(human, metric), spearman_samples(human, metric, counts)),
            "acc_eq": np.append(tied.value, accuracy_samples(human, metric, tied.epsilon, counts)),
            "accuracy": ratio(every @ right, every @ pairs),
        }
        found |= {(name, statistic): samples for statistic, samples in own.items()}
    return found


def _or_zero(value: float, samples: Floats) -> Floats:
    """The correlation; 0 instead of undefined for a constant scorer, which is uninformative."""
    return np.zeros(1 + len(samples)) if math.isnan(value) else np.append(value, samples)


def _preferences(human: Floats, metric: Floats, smallest: float) -> tuple[Floats, Floats]:
    """By segment (M,), the pairs that both order alike, and all pairs that people order."""
    right = np.zeros(human.shape[1])
    pairs = np.zeros(human.shape[1])
    for row in range(len(human)):
        apart = human[row] - human
        prefers = (apart > 0.0) & (apart >= smallest) & ~np.isnan(metric[row] - metric)
        pairs += prefers.sum(axis=0)
        right += np.where(prefers, _right(metric[row] - metric), 0.0).sum(axis=0)
    return right, pairs


def _right(difference: Floats) -> Floats:
    """1 if the better one is preferred, ½ for a tie, else 0; also 0 for a missing score."""
    return np.nan_to_num(np.asarray((np.sign(difference) + 1.0) / 2.0), nan=0.0)


# ── spans ───────────────────────────────────────────────────────────────────────────────────────


def _span_samples(files: Files, names: Sequence[str], resamples: int, seed: int) -> _Samples:
    """Character F1 of these scorers, counted over all files in which people marked errors."""
    found: _Samples = {}
    marked = [(gold, scored) for gold, scored in files.values() if gold.spans]
    for name in names if marked else ():
        mine = [one for _, scored in marked for one in scored if one.name == name]
        if len(mine) < len(marked) or any(one.spans is None for one in mine):
            continue
        totals = np.zeros((1 + resamples, 4))
        for (gold, _), one in zip(marked, mine, strict=True):
            cells = _span_counts(gold, one)
            counts = segment_counts(len(cells), resamples=resamples, seed=seed)
            totals += np.vstack([np.ones_like(counts[:1]), counts]) @ cells
        predicted, marks, both, same = totals.T
        whole = np.maximum(predicted + marks, 1.0)  # 0 where nothing is marked on either side
        found |= {(name, "span_f1"): 2.0 * both / whole}
        found |= {(name, "span_f1_severity"): (both + same) / whole}
    return found


def _span_counts(gold: Gold, scored: Scored) -> Floats:
    """By segment (M, 4): characters predicted, marked, in both, in both with equal severity."""
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


# ── figures ─────────────────────────────────────────────────────────────────────────────────────


def _figures(samples: Mapping[tuple[str, str], Floats]) -> dict[tuple[str, str], Estimate]:
    """The value on all segments, which comes first in the samples, and its interval."""
    return {key: estimate(float(values[0]), values[1:]) for key, values in samples.items()}
