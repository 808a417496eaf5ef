"""A meta-evaluation as plain values, for a JSON file; what has no value is None."""

from __future__ import annotations

from typing import Any

from rewardlab.json_values import json_value
from rewardlab.metaeval.agreement import MetaEvaluation, MetricResult


def as_json(found: MetaEvaluation) -> dict[str, Any]:
    """Everything that was measured.

    Keys: ``signature``; ``gold`` (``systems`` with their means as published, ``n_segments``,
    ``n_raters``, ``funnel``, what was compared and with which reference); ``metrics`` by name and
    ``constant``, each with ``system``, ``segment`` by grouping, ``spans``, ``intervals``,
    ``unscored`` and ``signature``; ``comparisons``; ``ranks`` by statistic; ``notes``.
    """
    gold = found.gold
    document = {
        "signature": found.signature,
        "gold": {
            "systems": dict(gold.published),
            "n_segments": len(gold.scores.segments),
            "n_raters": gold.raters,
            "funnel": gold.funnel,
            "compared": list(found.systems),
            "reference_system": found.reference_system,
        },
        "metrics": {metric.name: _metric(metric) for metric in found.metrics},
        "constant": _metric(found.constant),
        "comparisons": [
            {"statistic": statistic, **one._asdict()}
            for statistic, ranking in found.rankings.items()
            for one in ranking.comparisons
        ],
        "ranks": {name: ranking.ranks for name, ranking in found.rankings.items()},
        "notes": list(found.notes),
    }
    return json_value(document)


def _metric(metric: MetricResult) -> dict[str, Any]:
    intervals = metric.intervals
    return {
        "system": metric.system,
        "segment": metric.segment,
        "spans": metric.spans and metric.spans._asdict(),
        "intervals": intervals and {"system": intervals.system, "segment": intervals.segment},
        "unscored": metric.unscored,
        "signature": metric.signature,
    }
