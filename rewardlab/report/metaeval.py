"""Tables of a meta-evaluation, and its statistics as tab-separated values.

A new column of the table of metrics is a line in `_columns`; the tab-separated values contain all
statistics automatically.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from rewardlab.errors import quantity
from rewardlab.metaeval.comparison import ALPHA
from rewardlab.metaeval.correlations import GROUPINGS, Grouping
from rewardlab.metaeval.intervals import Intervals
from rewardlab.metaeval.results import MetaEvaluation, MetricResult
from rewardlab.report.table import Column, Page, Table, table_of
from rewardlab.report.terminal import ends, number
from rewardlab.statistics import Interval

TSV_HEADER = ("metric", "level", "grouping", "statistic", "value")
SPAN_STATISTICS = (
    "precision", "recall", "f1", "weighted_precision", "weighted_recall", "weighted_f1",
)  # fmt: skip
Cell: TypeAlias = Callable[[MetricResult], str]
Cells: TypeAlias = tuple[Column, Cell]
"""A column, and the function that writes a metric's cell in it."""
TESTED = (
    "p: chance of a difference this large between equally good metrics (one-sided); "
    f"{ALPHA} or less opens a new rank"
)
TESTS = {"acc_eq": "acc_eq", "spa": "SPA", "pairwise_accuracy": "pairs"}
"""Headings of the compared statistics in the table of metrics."""
TIES, SPA, SYSTEMS = "ties", "SPA", "systems"
"""Parts of the table of metrics, which is split between them on a narrow terminal."""
LEGEND = (
    "acc_eq, ε: pairs of translations of one text, ties calibrated; SPA, pairs, r, τ: of systems",
    "r item ... τ all: Pearson's r and Kendall's τ_b of segments, by item, by system, ungrouped",
)


def metaeval_page(evaluation: MetaEvaluation) -> Page:
    """All tables, their legend and the notes."""
    tables = (
        gold_table(evaluation),
        metric_table(evaluation),
        *comparison_tables(evaluation),
        span_table(evaluation),
    )
    tested = (TESTED,) if evaluation.rankings else ()
    notes = (*LEGEND, *tested, *(f"note: {note}" for note in evaluation.notes))
    return Page(
        "Meta-evaluation",
        tuple(table for table in tables if table is not None),
        notes,
        depends_on=(
            evaluation.gold.funnel,
            evaluation.signature,
            *(f"{metric.name}: {metric.signature}" for metric in evaluation.metrics),
        ),
    )


def metric_table(evaluation: MetaEvaluation) -> Table:
    """One row per metric, the best acc_eq by item first; the constant metric is always last.

    A rank belongs to the statistic in the column before it: each metric is significantly worse than
    some metric with the next lower rank number.
    """
    title = (
        f"{quantity(len(evaluation.metrics), 'metric')} on "
        f"{quantity(len(evaluation.systems), 'system')} x "
        f"{quantity(len(evaluation.gold.scores.segments), 'segment')}"
    )
    columns = list(_columns(evaluation))
    rows = [
        [cell(metric) for _, cell in columns]
        for metric in (*_best_first(evaluation.metrics), evaluation.constant)
    ]
    return table_of([column for column, _ in columns], rows, title=title)


def comparison_tables(evaluation: MetaEvaluation) -> Iterator[Table]:
    """A table of p-values for each compared statistic: is the metric of the row the better one?"""
    for statistic, ranking in evaluation.rankings.items():
        names = [*ranking.values]
        p = {(one.first, one.second): one.p for one in ranking.comparisons}
        rows = [
            [better, *(number(p.get((better, other), math.nan)) for other in names[1:])]
            for better in names[:-1]
        ]
        columns = [Column("better", "name"), *map(Column, names[1:])]
        yield table_of(columns, rows, title=f"p-values of differences in {TESTS[statistic]}")


def _columns(evaluation: MetaEvaluation) -> Iterator[Cells]:
    def ranks(statistic: str, part: str) -> Iterator[Cells]:
        if ranking := evaluation.rankings.get(statistic):
            yield Column("rank", part=part), lambda one: str(ranking.ranks.get(one.name, ""))

    def interval(of: Callable[[Intervals], Mapping[str, Interval]], name: str) -> Cell:
        return lambda one: ends(one.intervals and of(one.intervals).get(name))

    with_intervals = any(metric.intervals is not None for metric in evaluation.metrics)
    yield Column("metric", "name"), lambda one: one.name
    yield _segment("acc_eq", "item", "acc_eq", part=TIES)
    if with_intervals:
        yield Column("95%", part=TIES), interval(lambda at: at.segment["item"], "acc_eq")
    yield from ranks("acc_eq", TIES)
    yield _segment("ε", "item", "epsilon", ".3g", part=TIES)
    yield _system("SPA", "spa", part=SPA)
    if with_intervals:
        yield Column("95%", part=SPA), interval(lambda at: at.system, "spa")
    yield from ranks("spa", SPA)
    yield _system("pairs", "pairwise_accuracy", part=SYSTEMS)
    yield _system("r", "pearson", part=SYSTEMS)
    yield _system("τ", "kendall", part=SYSTEMS)
    groupings: dict[str, tuple[Grouping, str]] = {
        "item": ("item", "by item"), "system": ("system", "by system"), "all": ("none", "ungrouped")
    }  # fmt: skip
    for name, (by, part) in groupings.items():
        yield _segment(f"r {name}", by, "pearson", part=part)
        yield _segment(f"τ {name}", by, "kendall", part=part)


def _segment(heading: str, by: Grouping, statistic: str, form: str = ".3f", *, part: str) -> Cells:
    return Column(heading, part=part), lambda one: number(one.segment[by][statistic], form) or "-"


def _system(heading: str, statistic: str, *, part: str) -> Cells:
    return Column(heading, part=part), lambda one: number(one.system[statistic]) or "-"


def gold_table(evaluation: MetaEvaluation) -> Table:
    """The systems, best human score first, with their means in the sign of the file."""
    gold = evaluation.gold
    means = gold.scores.system_scores()
    order = np.argsort(np.where(np.isnan(means), -np.inf, means), kind="stable")[::-1]
    direction = "lower is better" if gold.negated else "higher is better"
    heading = f"human mean, as published ({direction})"
    rows: list[list[str]] = []
    for system in (gold.scores.systems[row] for row in order):
        role = "" if system in evaluation.systems else "left out"
        role = "reference" if system == evaluation.reference_system else role
        rows.append([system, number(gold.published[system]) or "-", role])
    return table_of([Column("system", "name"), Column(heading), Column("", "prose")], rows)


def span_table(evaluation: MetaEvaluation) -> Table | None:
    """Agreement of error spans with the raters' by character; None if no metric has spans."""
    marked = [metric for metric in _best_first(evaluation.metrics) if metric.spans is not None]
    if not marked:
        return None
    headings = ("P", "R", "F1", "weighted P", "weighted R", "weighted F1")
    rows = [
        [one.name, *(number(getattr(one.spans, name)) or "-" for name in SPAN_STATISTICS)]
        for one in marked
    ]
    return table_of([Column("error spans", "name"), *map(Column, headings)], rows)


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
