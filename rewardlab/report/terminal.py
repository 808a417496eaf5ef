"""Translations, error spans, token advantages and curves on a terminal.

Text under judgement is data: it is written as plain text, never as markup, and characters that
could steer the terminal are shown as their escapes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from rewardlab.evaluation import Quality
from rewardlab.types import ErrorSpan

SEVERITY_STYLE = {"minor": "underline yellow", "major": "underline red", "critical": "bold red"}
BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float]) -> str:
    """Eight heights from the least to the greatest value.

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
    """The hypothesis with its error spans underlined in the colour of their severity."""
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
    """Every token with its advantage below zero on red and above zero on green.

    Args:
        text: The hypothesis.
        starts: First character of each of T tokens.
        ends: One past the last.
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
    """One line per system: exact match and TER, which are no rewards, and chrF, which is."""
    table = Table(title=title, title_justify="left")
    for heading in ("", "exact match %", "TER (error)", "chrF (reward)"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, found in rows:
        table.add_row(name, f"{found.exact_match:.1f}", f"{found.ter:.1f}", f"{found.chrf:.1f}")
    return table
