"""Building blocks of terminal output: tables, numbers, error spans, token advantages, curves.

Text under judgement is data: it is written as plain text, never as markup, and characters that
could control the terminal are shown as their escapes.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from rewardlab.evaluation.evaluate import Quality
from rewardlab.statistics import Estimate, Interval
from rewardlab.types import ErrorSpan

SEVERITY_STYLE = {"minor": "underline yellow", "major": "underline red", "critical": "bold red"}
BLOCKS = "▁▂▃▄▅▆▇█"


def new_table(
    headings: Sequence[str], *, title: str | None = None, align: str = "l", wrap: int = 0
) -> Table:
    """An empty table without borders.

    Args:
        headings: One heading per column.
        title: Title above the table.
        align: ``l`` or ``r`` for the first columns; all other columns are ``r``.
        wrap: Number of leading columns that wrap; the others are truncated on a narrow terminal.
    """
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for at, heading in enumerate(headings):
        table.add_column(
            heading,
            justify="left" if align[at : at + 1] == "l" else "right",
            no_wrap=at >= wrap,
            overflow="fold" if at < wrap else "ellipsis",
        )
    return table


def number(value: float, form: str = ".3f") -> str:
    """The number as text, empty for NaN.

    Args:
        value: The number.
        form: Format specification for `format`.
    """
    return "" if math.isnan(value) else format(value, form)


def ends(interval: Interval | Estimate | None, form: str = ".3f") -> str:
    """The ends of an interval as text, empty for None.

    Args:
        interval: An interval with a lower and an upper end, or None.
        form: Format specification of each end, for `format`.
    """
    if interval is None or math.isnan(interval.low):
        return ""
    return f"{interval.low:{form}} … {interval.high:{form}}"


def sparkline(values: Sequence[float]) -> str:
    """A curve of blocks with eight heights, from the lowest to the highest value.

    >>> sparkline([0.0, 1.0, 2.0])
    '▁▄█'
    """
    if not values:
        return ""
    low, high = min(values), max(values)
    step = (high - low) or 1.0
    return "".join(BLOCKS[int((value - low) / step * (len(BLOCKS) - 1))] for value in values)


def printable(text: str) -> str:
    """Show control, format and unassigned characters as escapes; length may change."""
    return "".join(
        c if not unicodedata.category(c).startswith("C") else ascii(c)[1:-1] for c in text
    )


def marked(text: str, spans: Sequence[ErrorSpan]) -> Text:
    """A hypothesis with its error spans underlined in the colour of their severity.

    Args:
        text: The hypothesis.
        spans: Errors; those on the source are left out.
    """
    styles = [""] * len(text)
    for span in spans:
        if span.side == "hypothesis":
            style = SEVERITY_STYLE.get(span.severity, "underline")
            styles[span.start : span.end] = [style] * (span.end - span.start)
    shown = Text()
    for character, style in zip(text, styles, strict=True):
        shown.append(printable(character), style=style)
    return shown


def advantages(
    text: str, starts: Sequence[int], ends: Sequence[int], values: Sequence[float]
) -> Text:
    """A hypothesis with tokens on red for a negative and on green for a positive advantage.

    Args:
        text: The hypothesis.
        starts: Position of the first character of each of T tokens.
        ends: One past the last character of each token.
        values: T advantages.
    """
    shown = Text()
    for start, end, value in zip(starts, ends, values, strict=True):
        strength = min(1.0, abs(value) / 3.0)
        level = int(50 + 150 * strength)
        colour = f"rgb({level},0,0)" if value < 0 else f"rgb(0,{level},0)"
        token = printable(text[start:end]) if end > start else "⟨/s⟩"
        shown.append(token, style=f"white on {colour}")
        shown.append(f"{value:+.1f} ", style="dim")
    return shown


def quality_table(title: str, rows: Sequence[tuple[str, Quality]]) -> Table:
    """Exact match, TER and chrF; of these, only chrF is a reward of the demonstration.

    Args:
        title: Title above the table.
        rows: Name and quality of each system.
    """
    table = Table(title=title, title_justify="left")
    for heading in ("", "exact match %", "TER (error)", "chrF (reward)"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, quality in rows:
        table.add_row(
            name, f"{quality.exact_match:.1f}", f"{quality.ter:.1f}", f"{quality.chrf:.1f}"
        )
    return table
