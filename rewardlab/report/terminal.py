"""Translations, error spans, token advantages and curves on a terminal.

Text under judgement is data: it is written as plain text, never as markup, and characters that
could steer the terminal are shown as their escapes.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from rewardlab.evaluation.evaluate import MACRO, Evaluation, Quality, Score, Texts
from rewardlab.evaluation.metrics import Metric, Relation
from rewardlab.statistics import Interval
from rewardlab.types import ErrorSpan

SEVERITY_STYLE = {"minor": "underline yellow", "major": "underline red", "critical": "bold red"}
BLOCKS = "▁▂▃▄▅▆▇█"
MARKS = {Relation.OPTIMISED: "*", Relation.RELATED: "~"}
SIGNIFICANT = 0.05


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


def score_table(evaluation: Evaluation, place: str) -> Table:
    """Every metric of every system and group in one direction, or on average over them.

    A difference is green where it is for the better and red where it is for the worse, with p
    below `SIGNIFICANT` and an interval that leaves 0 out.
    """
    title = f"{place}, {evaluation.rows[place]:,} rows" if place != MACRO else "mean of directions"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    seeds = ["sd of seeds"] if evaluation.groups else []
    against = f"to {evaluation.baseline}" if evaluation.baseline else "difference"
    for heading in ("", "system", "score", "95%", *seeds, against, "95%", "p"):
        left = heading in ("", "system")
        table.add_column(heading, justify="left" if left else "right", no_wrap=not left)
    for metric in evaluation.metrics:
        arrow = "↑" if metric.higher_is_better else "↓"
        for number, (team, score) in enumerate(evaluation.scores[place][metric.name].items()):
            members = evaluation.groups.get(team, ())
            named = f"{team}, mean of {len(members)}" if members else team
            mark = MARKS.get(evaluation.relations[team][metric.name])
            table.add_row(
                "" if number else printable(f"{metric.name} {arrow}"),
                printable(named) + (f" {mark}" if mark else ""),
                *_score_cells(metric, score, with_seeds=bool(seeds)),
            )
    return table


def text_table(evaluation: Evaluation, place: str) -> Table:
    """Length ratio, copies and empty translations of every system and group."""
    table = Table(box=None, pad_edge=False)
    for heading in ("system", "length ratio", "copies", "empty"):
        table.add_column(heading, justify="left" if heading == "system" else "right")
    for team, texts in evaluation.texts[place].items():
        table.add_row(printable(team), *_text_cells(texts))
    return table


def reading_aid(evaluation: Evaluation) -> Iterator[str]:
    """What the marks mean: which metrics are no independent check of which systems."""
    told = {
        Relation.OPTIMISED: "optimised by it",
        Relation.RELATED: "optimised by a relative of it",
    }
    for relation, words in told.items():
        for metric in evaluation.metrics:
            if names := _related(evaluation, metric, relation):
                verdict = f"{metric.name} is no independent check of {', '.join(names)}, {words}"
                yield printable(f"{MARKS[relation]} {verdict}")
    unknown = {
        name: None
        for metric in evaluation.metrics
        for name in _related(evaluation, metric, Relation.UNKNOWN)
    }
    if unknown:
        yield printable(f"not all is known of the training of {', '.join(unknown)}")


def _related(evaluation: Evaluation, metric: Metric, relation: Relation) -> list[str]:
    relations = evaluation.relations
    return [name for name in evaluation.systems if relations[name][metric.name] is relation]


def _score_cells(metric: Metric, score: Score, *, with_seeds: bool) -> Iterator[Text | str]:
    digits = 2 if metric.is_corpus else 3
    unscored = f" ({score.unscored:,} unscored)" if score.unscored else ""
    yield _number(score.value, digits) + unscored
    yield _interval(score.interval, digits)
    if with_seeds:
        yield _number(score.spread.std, digits) if score.spread else ""
    difference = score.difference
    if difference is None:
        yield from ("", "", "")
        return
    better = (difference.value > 0.0) is metric.higher_is_better
    certain = difference.p is not None and difference.p < SIGNIFICANT and difference.is_clear
    style = ("green" if better else "red") if certain else ""
    yield Text(_number(difference.value, digits, sign="+"), style=style)
    yield _interval(difference.interval, digits, sign="+")
    yield "" if difference.p is None else f"{difference.p:.4f}"


def _text_cells(texts: Texts) -> Iterator[str]:
    yield _number(texts.length_ratio, 3)
    for share in (texts.copy_rate, texts.empty_rate):
        yield "" if math.isnan(share) else f"{share:.1%}"


def _number(value: float, digits: int, sign: str = "") -> str:
    return "" if math.isnan(value) else f"{value:{sign}.{digits}f}"


def _interval(found: Interval | None, digits: int, sign: str = "") -> str:
    if found is None:
        return ""
    return f"{found.low:{sign}.{digits}f} … {found.high:{sign}.{digits}f}"
