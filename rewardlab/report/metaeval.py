"""Tables of a meta-evaluation on a terminal, and its statistics as tab-separated values.

A new column of the table of metrics is a line in `_columns`; the tab-separated values contain all
statistics automatically.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from rich.table import Table

from rewardlab.metaeval.correlations import GROUPINGS, Grouping
from rewardlab.metaeval.results import MetaEvaluation, MetricResult
from rewardlab.report.terminal import ends, new_table, number, printable

TSV_HEADER = ("metric", "level", "grouping", "statistic", "value")
SPAN_STATISTICS = (
    "precision", "recall", "f1", "weighted_precision", "weighted_recall", "weighted_f1",
)  # fmt: skip
Column: TypeAlias = tuple[str, Callable[[MetricResult], str]]
"""A heading, and the function that writes a metric's cell under it."""
LEGEND = (
    "acc_eq, ε: pairs of translations of one text, ties calibrated; SPA, pairs, r, τ: of systems",
    "r item ... τ all: Pearson's r and Kendall's τ_b of segments, by item, by system, ungrouped",
)


def metric_table(evaluation: MetaEvaluation) -> Table:
    """One row per metric, the best acc_eq by item first; the constant metric is always last.

    A rank belongs to the statistic in the column before it: each metric is significantly worse than
    some metric with the next lower rank number.
    """
    title = (
        f"{len(evaluation.metrics)} metrics on {len(evaluation.systems)} systems x "
        f"{len(evaluation.gold.scores.segments):,} segments"
    )
    columns = list(_columns(evaluation))
    table = new_table([heading for heading, _ in columns], title=title)
    for metric in (*_best_first(evaluation.metrics), evaluation.constant):
        table.add_row(*(cell(metric) for _, cell in columns))
    return table


def _columns(evaluation: MetaEvaluation) -> Iterator[Column]:
    def ranks(statistic: str) -> Iterator[Column]:
        if ranking := evaluation.rankings.get(statistic):
            yield "rank", lambda one: str(ranking.ranks.get(one.name, ""))

    with_intervals = any(metric.intervals is not None for metric in evaluation.metrics)
    yield "metric", lambda one: printable(one.name)
    yield _segment("acc_eq", "item", "acc_eq")
    if with_intervals:
        yield "95%", lambda one: ends(one.intervals and one.intervals.segment["item"].get("acc_eq"))
    yield from ranks("acc_eq")
    yield _segment("ε", "item", "epsilon", ".3g")
    yield _system("SPA", "spa")
    if with_intervals:
        yield "95%", lambda one: ends(one.intervals and one.intervals.system.get("spa"))
    yield from ranks("spa")
    yield _system("pairs", "pairwise_accuracy")
    yield _system("r", "pearson")
    yield _system("τ", "kendall")
    groupings: dict[str, Grouping] = {"item": "item", "system": "system", "all": "none"}
    for name, by in groupings.items():
        yield _segment(f"r {name}", by, "pearson")
        yield _segment(f"τ {name}", by, "kendall")


def _segment(heading: str, by: Grouping, statistic: str, form: str = ".3f") -> Column:
    return heading, lambda one: number(one.segment[by][statistic], form) or "-"


def _system(heading: str, statistic: str) -> Column:
    return heading, lambda one: number(one.system[statistic]) or "-"


def gold_table(evaluation: MetaEvaluation) -> Table:
    """The systems, best human score first, with their means in the sign of the file."""
    gold = evaluation.gold
    means = gold.scores.system_scores()
    order = np.argsort(np.where(np.isnan(means), -np.inf, means), kind="stable")[::-1]
    table = new_table(("system", "human mean, as published", ""), align="lrl", wrap=1)
    for system in (gold.scores.systems[row] for row in order):
        role = "" if system in evaluation.systems else "left out"
        role = "reference" if system == evaluation.reference_system else role
        table.add_row(printable(system), number(gold.published[system]) or "-", role)
    return table


def span_table(evaluation: MetaEvaluation) -> Table | None:
    """Agreement of error spans with the raters' by character; None if no metric has spans."""
    marked = [metric for metric in _best_first(evaluation.metrics) if metric.spans is not None]
    if not marked:
        return None
    headings = ("error spans", "P", "R", "F1", "weighted P", "weighted R", "weighted F1")
    table = new_table(headings, wrap=1)
    for metric in marked:
        values = [number(getattr(metric.spans, name)) or "-" for name in SPAN_STATISTICS]
        table.add_row(printable(metric.name), *values)
    return table


def tsv_lines(evaluation: MetaEvaluation) -> Iterator[str]:
    """One statistic per line, the constant metric's last; undefined values are empty.

    Intervals are two additional statistics, ``NAME.low`` and ``NAME.high``.
    """
    yield "\t".join(TSV_HEADER)
    for metric in (*evaluation.metrics, evaluation.constant):
        for level, grouping, statistic, value in _long(metric):
            number = "" if math.isnan(value) else repr(float(value))
            yield f"{metric.name}\t{level}\t{grouping}\t{statistic}\t{number}"


def _long(metric: MetricResult) -> Iterator[tuple[str, str, str, float]]:
    at = metric.intervals
    groups = [("system", "", metric.system, at.system if at else {})]
    groups += [
        ("segment", by, metric.segment[by], at.segment[by] if at else {}) for by in GROUPINGS
    ]
    for level, grouping, statistics, intervals in groups:
        for statistic, value in statistics.items():
            yield level, grouping, statistic, value
            if interval := intervals.get(statistic):
                yield level, grouping, f"{statistic}.low", interval.low
                yield level, grouping, f"{statistic}.high", interval.high
    if metric.spans is not None:
        for name in SPAN_STATISTICS:
            yield "span", "", name, getattr(metric.spans, name)


def _best_first(metrics: Sequence[MetricResult]) -> list[MetricResult]:
    def place(metric: MetricResult) -> float:
        value = metric.segment["item"]["acc_eq"]
        return math.inf if math.isnan(value) else -value

    return sorted(metrics, key=place)
