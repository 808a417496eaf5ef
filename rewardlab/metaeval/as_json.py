"""A meta-evaluation as plain values, for a JSON file; what has no value is None."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

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
    return cast("dict[str, Any]", plain(document))


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


def plain(value: object) -> object:
    """Mappings, lists and numbers that JSON has; NaN becomes None.

    >>> plain({"a": (1.5, float("nan"))})
    {'a': [1.5, None]}
    """
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {str(key): plain(item) for key, item in items}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    return int(value) if isinstance(value, np.integer) else value
