"""Tables of a trained scorer's results: figures, and leads over baselines.

A new statistic is a line in `HEADINGS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from rewardlab.report.table import Column, Table, table_of

Figures: TypeAlias = Mapping[str, Mapping[str, Sequence[float]]]
"""Scorer -> statistic -> value, lower and upper end."""
CONSTANT_BELOW = 0.01
"""Standard deviation of a scorer, as a share of people's, below which it is nearly constant."""
HEADINGS: Mapping[str, str] = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "acc_eq": "acc*_eq",
    "accuracy": "preference",
    "span_f1": "span F1",
    "span_f1_severity": "F1, severity",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}


def tables(results: Mapping[str, Any]) -> Iterator[Table]:
    """Figures of every scorer over all files, and the lead of the trained one over baselines."""
    figures: Mapping[str, Any] = results["figures"]
    if figures:
        segments = sum(results["test_segments"].values())
        title = f"{results['family']}: {segments:,} held-out segments, 95% intervals"
        yield figure_table(figures, title)
        yield lead_table(results["leads"], f"{results['family']} minus each baseline")
    if results["preferences"]:
        title = f"{results['preference_pairs']:,} held-out preferences"
        yield figure_table(results["preferences"], title)
    if results.get("free"):
        yield from free_tables(results["free"], results["family"])


def control(results: Mapping[str, Any]) -> str | None:
    """A sentence that says that the scorer is a control, if it is one."""
    if not results.get("shuffled_sources"):
        return None
    return (
        "This is a control: it was trained with the sources of other rows. What it can do, it does "
        "without the source."
    )


def free_tables(free: Mapping[str, Any], family: str) -> Iterator[Table]:
    """What the scorer prefers on held-out parallel text, and which planted errors it marks.

    Args:
        free: The section of ``results.json``.
        family: Name of the scorer.
    """
    columns = [Column("better > worse", "name"), Column("pairs"), Column(family), Column("longer")]
    rows = [
        [
            kind,
            f"{free['pairs'][kind]:,}",
            *(with_interval(own[name]["accuracy"]) for name in names),
        ]
        for kind, own in free["accuracy"].items()
        for names in [(family, "longer")]
    ]
    title = "held-out parallel text: share of pairs in the right order, 95% intervals"
    yield table_of(columns, rows, title=title)
    if correlations := free.get("correlations"):
        title = "translations of each machine: correlation with chrF to the reference"
        columns = (
            Column("machine", "name"),
            Column("scorer", "name"),
            Column("Pearson"),
            Column("Spearman"),
        )
        lines = [
            [name, scorer, *(with_interval(own.get(one)) for one in ("pearson", "spearman"))]
            for name, figures in correlations.items()
            for scorer, own in figures.items()
        ]
        yield table_of(columns, lines, title=title, keys=2)
    if free["spans"]:
        title = f"characters of planted errors in {free['damaged_texts']:,} texts"
        yield figure_table(free["spans"], title)


def unscored(results: Mapping[str, Any]) -> Iterator[str]:
    """Number of answers of the test side without a score, one line per file and reason."""
    free = results.get("free") or {}
    for name, why in (results["unscored"] | {"parallel text": free.get("unscored", {})}).items():
        for status, count in why.items():
            yield f"{name}: {count:,} without a score ({status})"


def constant_on(results: Mapping[str, Any]) -> list[str]:
    """A line for each file on which the scorer gives nearly the same score to every translation."""
    return [
        f"{name}: nearly the same score for every translation (standard deviation "
        f"{one['scorer']:.2g}, people's {one['people']:.2g}): this scorer tells nothing apart, and "
        "rl refuses it (E130). Train longer, at a higher learning rate or on more judgements"
        for name, one in results.get("spread", {}).items()
        if one["people"] and one["scorer"] is not None
        if one["scorer"] < CONSTANT_BELOW * one["people"]
    ]


def figure_table(figures: Figures, title: str = "") -> Table:
    """One row for each scorer, one column for each statistic that any of them has.

    Args:
        figures: Scorer -> statistic -> value, lower and upper end.
        title: The title, or nothing.
    """
    known = {name for one in figures.values() for name in one}
    names = [name for name in HEADINGS if name in known]
    columns = [Column("scorer", "name"), *(Column(HEADINGS[name]) for name in names)]
    rows = [
        [scorer, *(with_interval(own.get(name)) for name in names)]
        for scorer, own in figures.items()
    ]
    return table_of(columns, rows, title=title)


def lead_table(leads: Sequence[Mapping[str, Any]], title: str = "") -> Table:
    """One row for each baseline and statistic; a lead is real if its interval excludes 0.

    Args:
        leads: Leads as in ``results.json``.
        title: The title, or nothing.
    """
    columns = (
        Column("baseline", "name"), Column("statistic", "name"), Column("difference"),
        Column("", "prose"),
    )  # fmt: skip
    return table_of(columns, lead_rows(leads), title=title, keys=2)


def lead_rows(leads: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """Rows of a table of leads, as texts."""
    for one in leads:
        value = with_interval([one["value"], one["low"], one["high"]], signed=True)
        yield [one["baseline"], HEADINGS[one["statistic"]], value, verdict(one)]


def verdict(lead: Mapping[str, Any]) -> str:
    """A phrase that says whether the lead is more than chance."""
    if lead["low"] is None:
        return ""
    if lead["low"] > 0:
        return "ahead"
    return "behind" if lead["high"] < 0 else "no difference shown"


def with_interval(figure: Sequence[float | None] | None, *, signed: bool = False) -> str:
    """A value with the ends of its interval.

    Args:
        figure: Value, lower and upper end; None for missing values.
        signed: Whether to show a plus sign.

    >>> with_interval([0.5, 0.25, 0.75]), with_interval([0.5, None, None]), with_interval(None)
    ('0.500 (0.250 … 0.750)', '0.500', '')
    """
    if figure is None or figure[0] is None:
        return ""
    sign = "+" if signed else ""
    value, low, high = figure
    shown = f"{value:{sign}.3f}"
    return shown if low is None or high is None else f"{shown} ({low:{sign}.3f} … {high:{sign}.3f})"
