"""What a trained scorer was measured to know, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from rewardlab.report.terminal import printable

HEADINGS: Mapping[str, str] = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "acc_eq": "acc*_eq",
    "accuracy": "preference",
    "span_f1": "span F1",
    "span_f1_severity": "F1, severity",
}


def tables(results: Mapping[str, Any]) -> Iterator[Table]:
    """Figures of every scorer over all files, and by how much the trained one leads."""
    figures: Mapping[str, Any] = results["figures"]
    if figures:
        segments = sum(results["test_segments"].values())
        title = f"{results['family']}: {segments:,} held-out segments, 95% intervals"
        yield figure_table(figures, title)
        yield lead_table(results["leads"], results["family"])
    if results["preferences"]:
        title = f"{results['preference_pairs']:,} held-out preferences"
        yield figure_table(results["preferences"], title)


def unscored(results: Mapping[str, Any]) -> Iterator[str]:
    """How many answers of the test side have no score, a line for each file and reason."""
    for name, why in results["unscored"].items():
        for status, count in why.items():
            yield f"{name}: {count:,} without a score ({status})"


def figure_table(figures: Mapping[str, Mapping[str, Sequence[float]]], title: str) -> Table:
    """One row for each scorer, one column for each statistic that any of them has."""
    known = {name for one in figures.values() for name in one}
    columns = [name for name in HEADINGS if name in known]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("scorer", no_wrap=True)
    for name in columns:
        table.add_column(HEADINGS[name], justify="right", no_wrap=True)
    for scorer, own in figures.items():
        table.add_row(printable(scorer), *(with_interval(own.get(name)) for name in columns))
    return table


def lead_table(leads: Sequence[Mapping[str, Any]], family: str) -> Table:
    """One row for each baseline and statistic; a lead is real where its interval excludes 0."""
    table = Table(
        title=f"{family} minus each baseline", title_justify="left", box=None, pad_edge=False
    )
    for heading, justify in (("baseline", "left"), ("statistic", "left"), ("difference", "right")):
        table.add_column(heading, justify=justify, no_wrap=True)  # pyright: ignore[reportArgumentType]
    table.add_column("")
    for one in leads:
        value = with_interval([one["value"], one["low"], one["high"]], signed=True)
        table.add_row(printable(one["baseline"]), HEADINGS[one["statistic"]], value, verdict(one))
    return table


def verdict(lead: Mapping[str, Any]) -> str:
    """Whether a difference is more than chance."""
    if lead["low"] is None:
        return ""
    if lead["low"] > 0:
        return "ahead"
    return "behind" if lead["high"] < 0 else "no difference shown"


def with_interval(figure: Sequence[float | None] | None, *, signed: bool = False) -> str:
    """A value with the ends of its interval.

    >>> with_interval([0.5, 0.25, 0.75]), with_interval([0.5, None, None]), with_interval(None)
    ('0.500 (0.250 … 0.750)', '0.500', '')
    """
    if figure is None or figure[0] is None:
        return ""
    sign = "+" if signed else ""
    value, low, high = figure
    shown = f"{value:{sign}.3f}"
    return shown if low is None or high is None else f"{shown} ({low:{sign}.3f} … {high:{sign}.3f})"
