"""Results of a meta-evaluation, per metric and overall, and their JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from rewardlab.human.gold import Gold
from rewardlab.json_values import json_value
from rewardlab.metaeval.comparison import Ranking
from rewardlab.metaeval.correlations import Grouping
from rewardlab.metaeval.intervals import Intervals
from rewardlab.metaeval.scoring import Scored
from rewardlab.metaeval.span_agreement import SpanAgreement
from rewardlab.statistics import Interval

CONSTANT = "constant"
"""Name of the metric that gives every translation the same score."""
HUMAN = "human"
"""Name of the human scores among the names of metrics."""


@dataclass(frozen=True)
class MetricResult:
    """Agreement of one metric with people; undefined values are NaN.

    Attributes:
        name: Name of the metric.
        signature: Names everything that the metric's scores depend on.
        system: Values by statistic: ``pearson``, ``kendall``, ``pairwise_accuracy``, ``spa``.
        segment: Values by grouping and statistic: ``pearson``, ``spearman``, ``kendall``,
            ``acc_eq``, ``epsilon``.
        unscored: Number of translations without a score, by reason.
        spans: Agreement of the metric's error spans with the raters' spans; None if either has no
            spans.
        intervals: Intervals of the resampled statistics; None if not requested.
        notes: What is missing, and why.
    """

    name: str
    signature: str
    system: Mapping[str, float]
    segment: Mapping[Grouping, Mapping[str, float]]
    unscored: Mapping[str, int]
    spans: SpanAgreement | None = None
    intervals: Intervals | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Everything but name and notes, as plain values; intervals as ``[low, high]``."""

        def ends(intervals: Mapping[str, Interval]) -> dict[str, list[float]]:
            return {name: [one.low, one.high] for name, one in intervals.items()}

        at = self.intervals
        document = {
            "system": self.system,
            "segment": self.segment,
            "spans": self.spans and self.spans._asdict(),
            "intervals": at
            and {
                "system": ends(at.system),
                "segment": {by: ends(intervals) for by, intervals in at.segment.items()},
            },
            "unscored": self.unscored,
            "signature": self.signature,
        }
        return json_value(document)


@dataclass(frozen=True, eq=False)
class MetaEvaluation:
    """Agreement of metrics with people on one set of translations.

    Attributes:
        gold: Human scores of all systems of the file.
        systems: The compared systems.
        reference_system: System whose texts were the references, or None.
        scores: Scores of every metric, in the order given.
        metrics: Results of every metric, in the same order.
        constant: The result of a metric that gives every translation the same score: a baseline
            that shows what ties alone achieve.
        rankings: Tests of the differences, by statistic: ``acc_eq`` (by item),
            ``pairwise_accuracy``, ``spa``; empty if not requested.
        notes: What a reader must know, one line each.
    """

    gold: Gold
    systems: tuple[str, ...]
    reference_system: str | None
    scores: tuple[Scored, ...]
    metrics: tuple[MetricResult, ...]
    constant: MetricResult
    rankings: Mapping[str, Ranking]
    notes: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        """Names what the numbers depend on, except the metrics, which have their own signatures."""
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

    def as_json(self) -> dict[str, Any]:
        """All results as plain values for a JSON file; undefined values are None.

        Keys: ``signature``; ``gold`` (``systems`` with their means as published, ``n_segments``,
        ``n_raters``, ``funnel``, compared systems and reference system); ``metrics`` by name
        and ``constant``, each with ``system``, ``segment`` by grouping, ``spans``, ``intervals``,
        ``unscored`` and ``signature``; ``comparisons``; ``ranks`` by statistic; ``notes``.
        """
        document = {
            "signature": self.signature,
            "gold": {
                "systems": self.gold.published,
                "n_segments": len(self.gold.scores.segments),
                "n_raters": self.gold.raters,
                "funnel": self.gold.funnel,
                "compared": self.systems,
                "reference_system": self.reference_system,
            },
            "metrics": {metric.name: metric.as_json() for metric in self.metrics},
            "constant": self.constant.as_json(),
            "comparisons": [
                {"statistic": statistic, **one._asdict()}
                for statistic, ranking in self.rankings.items()
                for one in ranking.comparisons
            ],
            "ranks": {name: ranking.ranks for name, ranking in self.rankings.items()},
            "notes": self.notes,
        }
        return json_value(document)
