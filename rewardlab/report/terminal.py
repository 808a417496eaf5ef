"""Building blocks of terminal output: tables, numbers, error spans, token advantages, curves.

Text under judgement is data: it is written as plain text, never as markup, and characters that
could control the terminal are shown as their escapes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from rewardlab.report.table import Cell, Kind, Table, fitted, folded
from rewardlab.spans import printable, token_texts
from rewardlab.statistics import Estimate, Interval
from rewardlab.types import ErrorSpan

SEVERITY_STYLE = {"minor": "underline yellow", "major": "underline red", "critical": "bold red"}
BLOCKS = "▁▂▃▄▅▆▇█"


def rendered(table: Table, width: int) -> Iterator[Group]:
    """A table for a terminal: each part under its title, numbers whole.

    Args:
        table: The table.
        width: The width of the terminal.
    """
    for part, widths in fitted(table, width):
        title = [Text(printable(part.title), style="italic")] if part.title else []
        shown = RichTable(box=None, pad_edge=False)
        for column, size in zip(part.columns, widths, strict=True):
            justify = "right" if column.kind == "number" else "left"
            heading = _cell(Cell(column.heading), size, column.kind)
            shown.add_column(heading, justify=justify, width=size, overflow="fold")
        for row in part.rows:
            cells = zip(row, part.columns, widths, strict=True)
            shown.add_row(*(_cell(cell, size, column.kind) for cell, column, size in cells))
        yield Group(*title, shown)


def _cell(cell: Cell, width: int, kind: Kind) -> Text:
    text = printable(cell.text)
    return Text(text if kind == "prose" else folded(text, max(width, 2)), style=cell.style)


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


def sparkline(values: Sequence[float | None], width: int | None = None) -> str:
    """A curve of blocks with eight heights, from the lowest to the highest value.

    Args:
        values: The values; None leaves a space.
        width: The most blocks; neighbouring values are averaged if there are more. None for all.

    >>> sparkline([0.0, None, 1.0, 2.0]), sparkline([0.0, 2.0, 4.0, 6.0], 2)
    ('▁ ▄█', '▁█')
    """
    shown = values if width is None or len(values) <= width else _averaged(values, width)
    known = [value for value in shown if value is not None]
    if not known:
        return " " * len(shown)
    low, high = min(known), max(known)
    step = (high - low) or 1.0
    return "".join(
        " " if value is None else BLOCKS[int((value - low) / step * (len(BLOCKS) - 1))]
        for value in shown
    )


def _averaged(values: Sequence[float | None], width: int) -> list[float | None]:
    """The mean of the known values in each of ``width`` parts of nearly the same length."""
    means: list[float | None] = []
    for part in range(width):
        some = values[part * len(values) // width : (part + 1) * len(values) // width]
        known = [value for value in some if value is not None]
        means.append(math.fsum(known) / len(known) if known else None)
    return means


def marked(text: str, spans: Sequence[ErrorSpan]) -> Text:
    """A hypothesis with its error spans underlined in the colour of their severity.

    Args:
        text: The hypothesis.
        spans: Errors; those on the source are left out. Where two overlap, the worse one shows.
    """
    styles = [""] * len(text)
    for span in sorted(spans, key=_badness):
        if span.side == "hypothesis":
            style = SEVERITY_STYLE.get(span.severity, "underline")
            styles[span.start : span.end] = [style] * len(styles[span.start : span.end])
    shown = Text()
    for style, characters in groupby(zip(text, styles, strict=True), key=lambda pair: pair[1]):
        shown.append("".join(printable(character) for character, _ in characters), style=style)
    return shown


def _badness(span: ErrorSpan) -> int:
    known = [*SEVERITY_STYLE]
    return known.index(span.severity) if span.severity in known else -1


def advantages(
    text: str, starts: Sequence[int], ends: Sequence[int], values: Sequence[float]
) -> Text:
    """A hypothesis with tokens on red for a negative and on green for a positive advantage.

    Several tokens in a row that have no character, such as those of a reasoning block, are shown as
    one, with the mean of their advantages. A character of several tokens is shown on the last.

    Args:
        text: The hypothesis.
        starts: Position of the first character of each of T tokens.
        ends: One past the last character of each token.
        values: T advantages.
    """
    shown = Text()
    visible = [end > start for start, end in zip(starts, ends, strict=True)]
    tokens = zip(visible, token_texts(text, starts, ends), values, strict=True)
    for is_visible, group in groupby(tokens, key=lambda token: token[0]):
        some = list(group)
        if is_visible:
            for _, token, value in some:
                _append_token(shown, printable(token) or "…", value)
        else:
            name = f"⟨{len(some):,} tokens⟩"
            if len(some) == 1:  # the space before the hypothesis, or the end of the sequence
                name = "⟨/s⟩" if shown or not any(visible) else "␣"
            _append_token(shown, name, math.fsum(value for *_, value in some) / len(some))
    return shown


def _append_token(shown: Text, token: str, value: float) -> None:
    level = int(50 + 150 * min(1.0, abs(value) / 3.0))
    colour = f"rgb({level},0,0)" if value < 0 else f"rgb(0,{level},0)"
    shown.append(token, style=f"white on {colour}")
    shown.append(f"{value:+z.1f} ", style="dim")


def labelled(lines: Iterable[tuple[str, str | Text]]) -> RichTable:
    """Lines with a label before each; long ones continue beside their label.

    Args:
        lines: Labels, and texts; a text without a style is escaped.
    """
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for label, text in lines:
        grid.add_row(label, text if isinstance(text, Text) else Text(printable(text)))
    return grid
