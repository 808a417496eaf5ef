"""Tables of an evaluation on a terminal: scores, differences, properties of the texts.

A new column of scores is a heading in `score_table` and a cell in `_score_cells`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from rewardlab.evaluation.evaluate import MACRO, Evaluation
from rewardlab.evaluation.metrics import Metric, Relation
from rewardlab.evaluation.significance import Score
from rewardlab.report.terminal import ends, new_table, number, printable

MARKS = {Relation.OPTIMISED: "*", Relation.RELATED: "~"}
SIGNIFICANT = 0.05


def score_table(evaluation: Evaluation, place: str) -> Table:
    """Every metric of every system and group in one direction, or on average over all of them.

    A difference is significant if p is below `SIGNIFICANT` and the interval excludes 0. It is green
    if it is an improvement, else red.

    Args:
        evaluation: An evaluation.
        place: A direction, or `MACRO`.
    """
    title = f"{place}, {evaluation.rows[place]:,} rows" if place != MACRO else "mean of directions"
    seeds = ["sd of seeds"] if evaluation.groups else []
    against = f"to {evaluation.baseline}" if evaluation.baseline else "difference"
    headings = ("", "system", "score", "95%", *seeds, against, "95%", "p")
    table = new_table(headings, title=title, align="ll", wrap=2)
    for metric in evaluation.metrics:
        arrow = "↑" if metric.higher_is_better else "↓"
        for at, (team, score) in enumerate(evaluation.scores[place][metric.name].items()):
            members = evaluation.groups.get(team, ())
            named = f"{team}, mean of {len(members)}" if members else team
            mark = MARKS.get(evaluation.relations[team][metric.name])
            table.add_row(
                "" if at else printable(f"{metric.name} {arrow}"),
                printable(named) + (f" {mark}" if mark else ""),
                *_score_cells(metric, score, with_seeds=bool(seeds)),
            )
    return table


def text_table(evaluation: Evaluation, place: str) -> Table:
    """Length ratio, copies and empty translations of every system and group.

    Args:
        evaluation: An evaluation.
        place: A direction, or `MACRO`.
    """
    table = new_table(("system", "length ratio", "copies", "empty"), wrap=1)
    for team, texts in evaluation.texts[place].items():
        shares = (number(share, ".1%") for share in (texts.copy_rate, texts.empty_rate))
        table.add_row(printable(team), number(texts.length_ratio), *shares)
    return table


def reading_aid(evaluation: Evaluation) -> Iterator[str]:
    """Explain the marks: which metrics are not an independent check of which systems."""
    meaning = {
        Relation.OPTIMISED: "optimised by it",
        Relation.RELATED: "optimised by a relative of it",
    }
    for relation, words in meaning.items():
        for metric in evaluation.metrics:
            if names := _related(evaluation, metric, relation):
                verdict = f"{metric.name} is no independent check of {', '.join(names)}, {words}"
                yield printable(f"{MARKS[relation]} {verdict}")
    unknown = dict.fromkeys(
        name
        for metric in evaluation.metrics
        for name in _related(evaluation, metric, Relation.UNKNOWN)
    )
    if unknown:
        yield printable(
            f"no training record for {', '.join(unknown)}: whether a metric was used in training "
            "is unknown"
        )


def _related(evaluation: Evaluation, metric: Metric, relation: Relation) -> list[str]:
    relations = evaluation.relations
    return [name for name in evaluation.systems if relations[name][metric.name] is relation]


def _score_cells(metric: Metric, score: Score, *, with_seeds: bool) -> Iterator[Text | str]:
    form = ".2f" if metric.is_corpus else ".3f"
    unscored = f" ({score.unscored:,} unscored)" if score.unscored else ""
    yield number(score.value, form) + unscored
    yield ends(score.interval, form)
    if with_seeds:
        yield number(score.spread.std, form) if score.spread else ""
    difference = score.difference
    if difference is None:
        yield from ("", "", "")
        return
    better = (difference.value > 0.0) is metric.higher_is_better
    certain = difference.p is not None and difference.p < SIGNIFICANT and difference.is_clear
    style = ("green" if better else "red") if certain else ""
    yield Text(number(difference.value, f"+{form}"), style=style)
    yield ends(difference.interval, f"+{form}")
    yield "" if difference.p is None else f"{difference.p:.4f}"
