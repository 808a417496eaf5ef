"""How far the scores of metrics agree with people's.

Both sides are higher-is-better, and a cell (one translation) counts where both have a score. A
system's score is the mean over its cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from types import MappingProxyType
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.gold import FEWEST_SYSTEMS, Gold
from rewardlab.human.score_matrix import Floats, ScoreMatrix, system_means
from rewardlab.metaeval.comparison import (
    Ranking,
    compare_accuracy_eq,
    compare_pairwise_accuracy,
    compare_spa,
)
from rewardlab.metaeval.correlations import Grouping, kendall, pearson, spearman
from rewardlab.metaeval.intervals import Intervals, intervals_of
from rewardlab.metaeval.scoring import Scored
from rewardlab.metaeval.span_agreement import SpanAgreement, span_agreement
from rewardlab.metaeval.system_level import pairwise_accuracy, spa
from rewardlab.metaeval.ties import TooManyPairs, accuracy_eq

GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
CONSTANT = "constant"
"""The metric that says the same of every translation."""
HUMAN = "human"
"""What the gold scores are called among those of metrics."""
FEW_SYSTEMS = 5
"""Below so many, statistics of systems get a warning."""
FEWEST_SEGMENTS = 2
"""One segment is the same in every resample."""
STANDARD_ERRORS = 1.5
"""Of no correlation, 1/√n: a correlation of n cells further below 0 points the wrong way."""


@dataclass(frozen=True)
class MetricResult:
    """How one metric agrees with people; NaN is what has no value.

    Attributes:
        name: The metric's.
        signature: What its scores depend on.
        system: By statistic: ``pearson``, ``kendall``, ``pairwise_accuracy``, ``spa``.
        segment: By grouping and statistic: ``pearson``, ``spearman``, ``kendall``, ``acc_eq``,
            ``epsilon``.
        spans: Agreement of its error spans with those of the raters; None where either has none.
        unscored: How many translations it has no score for, by reason.
        intervals: Of what was resampled; None where none were asked for.
        notes: What is not there, and why.
    """

    name: str
    signature: str
    system: Mapping[str, float]
    segment: Mapping[Grouping, Mapping[str, float]]
    spans: SpanAgreement | None = None
    unscored: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    intervals: Intervals | None = None
    notes: tuple[str, ...] = ()


def system_statistics(gold: Floats, metric: Floats) -> dict[str, float]:
    """Agreement about systems, each scored by the mean over its cells.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.

    Returns:
        All NaN where fewer than two systems have a score.
    """
    gold, metric = both(gold, metric)
    known = scored_systems(gold, metric)
    if known.sum() < FEWEST_SYSTEMS:
        return dict.fromkeys(("pearson", "kendall", "pairwise_accuracy", "spa"), math.nan)
    gold, metric = gold[known], metric[known]
    people, scores = system_means(gold), system_means(metric)
    return {
        "pearson": pearson(people[:, None], scores[:, None]),
        "kendall": kendall(people[:, None], scores[:, None]),
        "pairwise_accuracy": pairwise_accuracy(people, scores),
        "spa": spa(gold, metric),
    }


def segment_statistics(
    gold: Floats, metric: Floats
) -> tuple[dict[Grouping, dict[str, float]], list[str]]:
    """Agreement about translations, for every grouping.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metric: Metric scores (S, M), NaN = missing.

    Returns:
        The statistics, and what was left out because it would be too much.
    """
    found: dict[Grouping, dict[str, float]] = {}
    notes: list[str] = []
    for by in GROUPINGS:
        try:
            accuracy, epsilon, _ = accuracy_eq(gold, metric, by=by)
        except TooManyPairs as error:  # the others of the table still have a value
            accuracy = epsilon = math.nan
            notes.append(f"acc_eq by {by} is left out: {error}")
        found[by] = {
            "pearson": pearson(gold, metric, by=by),
            "spearman": spearman(gold, metric, by=by),
            "kendall": kendall(gold, metric, by=by),
            "acc_eq": accuracy,
            "epsilon": epsilon,
        }
    return found, notes


def both(gold: Floats, metric: Floats) -> tuple[Floats, Floats]:
    """The cells that both sides have, NaN in all others.

    Raises:
        ValueError: The shapes differ.
    """
    if gold.shape != metric.shape:
        raise ValueError(f"human scores {gold.shape} and metric scores {metric.shape}")
    known = ~(np.isnan(gold) | np.isnan(metric))
    return np.where(known, gold, np.nan), np.where(known, metric, np.nan)


def scored_systems(gold: Floats, metric: Floats) -> NDArray[np.bool_]:
    """Which systems (S,) have a cell with both scores."""
    return np.asarray((~np.isnan(gold + metric)).any(axis=1))


def flat_items(gold: Floats, metric: Floats) -> int:
    """Segments on which the metric says the same of every translation that people scored.

    Returns:
        0 where these are less than half of the segments: a few of them are no news.
    """
    values = both(gold, metric)[1]
    several = values[:, (~np.isnan(values)).sum(axis=0) >= FEWEST_SYSTEMS]
    flat = int((np.nanmax(several, axis=0) == np.nanmin(several, axis=0)).sum())
    return flat if 2 * flat >= several.shape[1] else 0


def is_constant(values: Floats) -> bool:
    """Whether there are scores, and all of them are the same."""
    known = values[~np.isnan(values)]
    return len(known) > 0 and bool((known == known[0]).all())


# ── the whole of it ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class MetaEvaluation:
    """How metrics agree with people about one set of translations.

    Attributes:
        gold: The human side, all systems of the file.
        systems: Those that were compared.
        reference_system: Whose texts were the references, or None.
        scores: Of every metric, in the order they were given.
        metrics: What came of them, in the same order.
        constant: The same for a metric that says the same of every translation: what ties alone
            are worth.
        rankings: Tests of the differences, by statistic: ``acc_eq`` (by item),
            ``pairwise_accuracy``, ``spa``; empty where none were asked for.
        notes: What a reader must know, one line each.
    """

    gold: Gold
    systems: tuple[str, ...]
    reference_system: str | None
    scores: tuple[Scored, ...]
    metrics: tuple[MetricResult, ...]
    constant: MetricResult
    rankings: Mapping[str, Ranking] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        """What the numbers depend on beside the metrics: each of those has one of its own."""
        left_out = [repr(name) for name in self.gold.scores.systems if name not in self.systems]
        packages = [f"{name}:{version(name)}" for name in ("rewardlab", "numpy", "scipy")]
        return "|".join(
            [
                self.gold.scores.signature,
                f"segments:{len(self.gold.scores.segments)}",
                f"systems:{len(self.systems)}",
                f"left_out:{','.join(left_out) or None}",
                f"reference_system:{self.reference_system!r}",
                *packages,
            ]
        )


def meta_evaluate(
    gold: Gold,
    metrics: Sequence[Scored],
    *,
    systems: Sequence[str],
    reference_system: str | None = None,
    compare: bool = False,
    resamples: int = 0,
) -> MetaEvaluation:
    """Measure the agreement of metrics with people.

    Args:
        gold: Human scores.
        metrics: With different names, each of the compared systems and all segments.
        systems: Those that are compared (`compared_systems`), at least two.
        reference_system: Whose texts were the references, for the record.
        compare: Test the differences between metrics.
        resamples: Bootstrap resamples of segments for intervals; 0 for none. A single segment has
            none either.

    Raises:
        ValueError: Two metrics of one name, or one of other systems or segments.
    """
    human = gold.scores.only(systems)
    names = [metric.name for metric in metrics]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two metrics are named {twice[0]!r}")
    for metric in metrics:
        if (metric.scores.systems, metric.scores.segments) != (human.systems, human.segments):
            raise ValueError(f"{metric.name} is of other systems or segments, or in another order")
    same = np.where(np.isnan(human.values), np.nan, 0.0)
    constant = Scored(CONSTANT, ScoreMatrix(human.systems, human.segments, same, CONSTANT))
    results = [_result(gold, human, metric) for metric in (*metrics, constant)]
    ranked, left_out = rankings(human.values, metrics) if compare else ({}, [])
    if resamples and (~np.isnan(human.values)).any(axis=0).sum() >= FEWEST_SEGMENTS:
        results = with_intervals(human.values, (*metrics, constant), results, resamples)
    elif resamples:
        left_out.append("intervals are left out: one segment is the same in every resample")
    found = MetaEvaluation(
        gold=gold,
        systems=tuple(systems),
        reference_system=reference_system,
        scores=tuple(metrics),
        metrics=tuple(results[:-1]),
        constant=results[-1],
        rankings=ranked,
    )
    return replace(found, notes=(*notes_on(found), *left_out))


def rankings(gold: Floats, metrics: Sequence[Scored]) -> tuple[dict[str, Ranking], list[str]]:
    """Test which differences between metrics are real: PERM-BOTH, 1,000 draws.

    Systems are compared over the cells that all metrics have. A metric without scores of two
    translations of one text has no rank.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metrics: Of the same shape.

    Returns:
        By statistic, and what was left out and why.
    """
    scores = {m.name: m.scores.values for m in metrics if have_pair(gold, m.scores.values)}
    if len(scores) < 2:  # noqa: PLR2004 - a pair
        return {}, ["nothing is compared: fewer than two metrics have scores to compare"]
    if not have_pair(gold, *scores.values()):
        what = "no text has two translations that people and all of these metrics scored"
        return {}, [f"metrics are not compared: {what}"]
    common = ~np.isnan([gold, *scores.values()]).any(axis=0)
    means = {
        name: system_means(np.where(common, values, np.nan)) for name, values in scores.items()
    }
    people = system_means(np.where(common, gold, np.nan))
    found: dict[str, Ranking] = {}
    left_out: list[str] = []
    try:
        found["acc_eq"] = compare_accuracy_eq(gold, scores, by="item")
    except TooManyPairs as error:  # the others can be compared
        left_out.append(f"acc_eq is not compared: {error}")
    if common.all(axis=0).any():
        found["spa"] = compare_spa(gold, scores)
    else:
        left_out.append("spa is not compared: no text has all scores of all systems")
    found["pairwise_accuracy"] = compare_pairwise_accuracy(people, means)
    return found, left_out


def have_pair(*sides: Floats) -> bool:
    """Whether some text has two translations that every side (S, M) scored."""
    known = ~np.isnan(sides).any(axis=0)
    return bool((known.sum(axis=0) >= FEWEST_SYSTEMS).any())


def with_intervals(
    gold: Floats, metrics: Sequence[Scored], results: Sequence[MetricResult], resamples: int
) -> list[MetricResult]:
    """The same results, with what resampled segments make of them.

    Args:
        gold: Human scores (S, M), NaN = missing.
        metrics: Of the same shape.
        results: One for each.
        resamples: How many, at least 1.
    """
    epsilons: dict[str, dict[Grouping, float]] = {
        one.name: {by: one.segment[by]["epsilon"] for by in GROUPINGS} for one in results
    }
    scores = {
        metric.name: metric.scores.values
        for metric in metrics
        if scored_systems(gold, metric.scores.values).sum() >= FEWEST_SYSTEMS
    }
    found = intervals_of(gold, scores, epsilons, resamples=resamples)
    return [replace(one, intervals=found.get(one.name)) for one in results]


def _result(gold: Gold, human: ScoreMatrix, metric: Scored) -> MetricResult:
    segment, notes = segment_statistics(human.values, metric.scores.values)
    return MetricResult(
        name=metric.name,
        signature=metric.scores.signature,
        system=system_statistics(human.values, metric.scores.values),
        segment=segment,
        spans=_span_agreement(gold, metric),
        unscored=metric.unscored,
        notes=tuple(notes),
    )


def _span_agreement(gold: Gold, metric: Scored) -> SpanAgreement | None:
    """Agreement about the errors of the translations that the metric scored and people marked."""
    if metric.spans is None or not gold.spans:
        return None
    scored = {
        (system, segment)
        for row, system in zip(metric.scores.values, metric.scores.systems, strict=True)
        for score, segment in zip(row.tolist(), metric.scores.segments, strict=True)
        if not math.isnan(score)
    }
    cells = [cell for cell in metric.spans if cell in scored and cell in gold.spans]
    return span_agreement(
        [metric.spans[cell] for cell in cells],
        [gold.spans[cell] for cell in cells],
        [gold.hypotheses[cell] for cell in cells],
    )


# ── what a reader must know ─────────────────────────────────────────────────────────────────────


def notes_on(found: MetaEvaluation) -> Iterator[str]:
    """What the numbers do not say by themselves, one line each."""
    human = found.gold.scores.only(found.systems).values
    if missing := int(np.isnan(human).sum()):
        yield f"{missing:,} of {human.size:,} translations have no human score and count nowhere"
    if len(found.systems) < FEW_SYSTEMS:
        yield (
            f"{len(found.systems)} systems are few: what is said of systems rests on "
            f"{math.comb(len(found.systems), 2)} pairs"
        )
    ties = found.constant.segment["item"]["acc_eq"]
    if not math.isnan(ties):
        yield (
            f"people tie {ties:.1%} of the pairs of translations of one text; a metric that says "
            f"the same of every translation has acc_eq {ties:.3f}"
        )
    for scored, result in zip(found.scores, found.metrics, strict=True):
        yield from _notes_on_metric(human, scored, result)
    yield from dict.fromkeys(note for metric in found.metrics for note in metric.notes)
    yield from _notes_on_signs(found)


def _notes_on_metric(human: Floats, scored: Scored, result: MetricResult) -> Iterator[str]:
    values = scored.scores.values
    if result.unscored:
        said = ", ".join(f"{count:,} {why}" for why, count in result.unscored.items())
        yield f"{scored.name} has no score for {sum(result.unscored.values()):,}: {said}"
    elif lacks := int((np.isnan(values) & ~np.isnan(human)).sum()):
        yield f"{scored.name} has no score for {lacks:,} translations that people scored"
    if np.isnan(values).all():
        yield f"{scored.name} scored nothing: it has no row of numbers"
    elif is_constant(values[~np.isnan(human)]):
        yield (
            f"{scored.name} gives every translation the same score: it correlates with nothing, "
            f"and its accuracy is that of {CONSTANT}"
        )
    elif flat := flat_items(human, values):
        yield (
            f"{scored.name} gives all translations of {flat:,} of {human.shape[1]:,} texts the "
            "same score: its correlations by item speak of the others alone"
        )


def _notes_on_signs(found: MetaEvaluation) -> Iterator[str]:
    """Metrics, or the human scores, that seem to point the wrong way.

    On systems any negative correlation counts, on translations one below -1.5 standard errors of
    none at all: a guard that is right nearly everywhere has one a little below 0 by chance.
    """
    human = found.gold.scores.only(found.systems).values
    known: list[str] = []
    negative: list[str] = []
    for scored, metric in zip(found.scores, found.metrics, strict=True):
        systems, cells = metric.system["pearson"], metric.segment["none"]["pearson"]
        if math.isnan(systems) or math.isnan(cells):
            continue
        known.append(metric.name)
        count = int((~np.isnan(human + scored.scores.values)).sum())
        if systems < 0.0 and cells < -STANDARD_ERRORS / math.sqrt(count):
            negative.append(metric.name)
    if negative and negative == known and found.gold.severities is None:
        yield (
            "every metric correlates negatively with the human scores, of systems and of segments: "
            "are these errors? then --lower-is-better; if that is given, take it away"
        )
        return
    for name in negative:
        yield (
            f"{name} correlates negatively with the human scores, of systems and of segments: are "
            "its scores errors? then turn their sign; metrics are read as higher is better"
        )
