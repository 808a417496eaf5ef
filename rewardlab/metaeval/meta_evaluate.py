"""Meta-evaluation: agreement of metrics with people, all statistics in one call.

For both sides higher is better. A cell (one translation) counts if both sides have a score. The
statistics are in `system_level`, `segment_level` and `span_agreement`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rewardlab.errors import Problem, UserError, kind_of
from rewardlab.human.gold import FEWEST_SYSTEMS, Gold
from rewardlab.human.score_matrix import Floats, ScoreMatrix
from rewardlab.metaeval.arguments import check_systems, listed, resamples_problems
from rewardlab.metaeval.comparison import rankings
from rewardlab.metaeval.correlations import Grouping
from rewardlab.metaeval.intervals import intervals_of
from rewardlab.metaeval.notes import notes_on
from rewardlab.metaeval.results import CONSTANT, MetaEvaluation, MetricResult
from rewardlab.metaeval.scoring import Scored
from rewardlab.metaeval.segment_level import segment_statistics
from rewardlab.metaeval.span_agreement import SpanAgreement, span_agreement
from rewardlab.metaeval.system_level import scored_systems, system_statistics

FEWEST_SEGMENTS = 2
"""With a single segment, all resamples would be equal."""


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
        metrics: Metrics with different names, each with scores of the compared systems and all
            segments.
        systems: The compared systems (see `compared_systems`), at least two.
        reference_system: System whose texts were the references; only recorded.
        compare: Whether to test the differences between metrics.
        resamples: Number of bootstrap resamples of segments for intervals; 0 for no intervals.
            There are no intervals for a single segment either.

    Raises:
        UserError: E025, E026 an argument is of another kind or out of range; E250 an unknown
            system; E036 two metrics have the same name.
        ValueError: A metric has other systems or segments.
    """
    check_systems(gold, systems, reference_system)
    _check_metrics(metrics, resamples)
    human = gold.scores.only(systems)
    for metric in metrics:
        if (metric.scores.systems, metric.scores.segments) != (human.systems, human.segments):
            raise ValueError(f"{metric.name} is of other systems or segments, or in another order")
    same = np.where(np.isnan(human.values), np.nan, 0.0)
    constant = Scored(CONSTANT, ScoreMatrix(human.systems, human.segments, same, CONSTANT))
    results = [_result(gold, human.values, metric) for metric in (*metrics, constant)]
    ranked, left_out = (
        rankings(human.values, {metric.name: metric.scores.values for metric in metrics})
        if compare
        else ({}, [])
    )
    if resamples and (~np.isnan(human.values)).any(axis=0).sum() >= FEWEST_SEGMENTS:
        results = _with_intervals(human.values, (*metrics, constant), results, resamples)
    elif resamples:
        left_out.append("intervals are left out: one segment is the same in every resample")
    result = MetaEvaluation(
        gold=gold,
        systems=tuple(systems),
        reference_system=reference_system,
        scores=tuple(metrics),
        metrics=tuple(results[:-1]),
        constant=results[-1],
        rankings=ranked,
    )
    return replace(result, notes=(*notes_on(result), *left_out))


def _check_metrics(metrics: Sequence[object], resamples: object) -> None:
    """Refuse metrics that are not scored, and two of one name."""
    given = listed(metrics, "metrics", "score_gold(rewards, gold, systems=systems)")
    problems = [*resamples_problems(resamples)]
    problems += [
        Problem(
            "E025",
            f"metrics[{at}]",
            f"{kind_of(one) if isinstance(one, str) else type(one).__name__} is not Scored",
            "metrics=score_gold(rewards, gold, systems=systems)",
        )
        for at, one in enumerate(given)
        if not isinstance(one, Scored)
    ]
    names = [one.name for one in given if isinstance(one, Scored)]
    problems += [
        Problem("E036", "metrics", f"two metrics are named {name!r}", "give one another name")
        for name, count in Counter(names).items()
        if count > 1
    ]
    if problems:
        raise UserError(problems)


def _result(gold: Gold, human: Floats, metric: Scored) -> MetricResult:
    segment, notes = segment_statistics(human, metric.scores.values)
    return MetricResult(
        name=metric.name,
        signature=metric.scores.signature,
        system=system_statistics(human, metric.scores.values),
        segment=segment,
        spans=_span_agreement(gold, metric),
        unscored=metric.unscored,
        notes=(*metric.notes, *notes),
    )


def _with_intervals(
    gold: Floats, metrics: Sequence[Scored], results: Sequence[MetricResult], resamples: int
) -> list[MetricResult]:
    """The same results with intervals, except for a metric with fewer than two systems."""
    epsilons: dict[str, dict[Grouping, float]] = {
        one.name: {by: values["epsilon"] for by, values in one.segment.items()} for one in results
    }
    scores = {
        metric.name: metric.scores.values
        for metric in metrics
        if len(scored_systems(gold, metric.scores.values)[0]) >= FEWEST_SYSTEMS
    }
    intervals = intervals_of(gold, scores, epsilons, resamples=resamples)
    return [replace(one, intervals=intervals.get(one.name)) for one in results]


def _span_agreement(gold: Gold, metric: Scored) -> SpanAgreement | None:
    """Agreement on errors, over the translations that the metric scored and people annotated."""
    if metric.spans is None or not gold.spans:
        return None
    scored = metric.scored_cells()
    cells = [cell for cell in metric.spans if cell in scored and cell in gold.spans]
    return span_agreement(
        [metric.spans[cell] for cell in cells],
        [gold.spans[cell] for cell in cells],
        [gold.hypotheses[cell] for cell in cells],
    )
