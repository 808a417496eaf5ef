"""Tables of an evaluation: scores, differences, properties of the texts.

A new column of scores is a heading in `score_table` and a cell in `_score_cells` or
`_difference_cells`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rewardlab.errors import quantity
from rewardlab.evaluation.evaluate import MACRO, Evaluation
from rewardlab.evaluation.metrics import Metric, Relation
from rewardlab.evaluation.significance import Score
from rewardlab.report.table import Cell, Column, Table, filled, table_of
from rewardlab.report.terminal import ends, number
from rewardlab.spans import printable

MARKS = {Relation.OPTIMISED: "*", Relation.RELATED: "~"}
SIGNIFICANT = 0.05


def tables(evaluation: Evaluation) -> Iterator[Table]:
    """Scores and properties of the texts for each direction, then on average over all of them."""
    places = [*evaluation.rows, MACRO] if len(evaluation.rows) > 1 else [*evaluation.rows]
    for place in places:
        yield score_table(evaluation, place)
        yield text_table(evaluation, place)


def score_table(evaluation: Evaluation, place: str) -> Table:
    """Every metric of every system and group in one direction, or on average over all of them.

    A difference is significant if p is below `SIGNIFICANT` and the interval excludes 0. It is green
    if it is an improvement, else red.

    Args:
        evaluation: An evaluation.
        place: A direction, or `MACRO`.
    """
    title = (
        f"{place}, {quantity(evaluation.rows[place], 'row')}"
        if place != MACRO
        else "mean of directions"
    )
    seeds = ["sd of seeds"] if evaluation.groups else []
    against = [f"to {evaluation.baseline}", "95%", "p"] if evaluation.baseline else []
    columns = [
        *(Column(heading, "name") for heading in ("metric", "system")),
        *(Column(heading, part="scores") for heading in ("score", "95%", *seeds)),
        *(Column(heading, part="differences") for heading in against),
    ]
    rows: list[list[Cell | str]] = []
    for metric in evaluation.metrics:
        arrow = "↑" if metric.higher_is_better else "↓"
        for at, (team, score) in enumerate(evaluation.scores[place][metric.name].items()):
            members = evaluation.groups.get(team, ())
            named = f"{team}, mean of {len(members)}" if members else team
            mark = MARKS.get(evaluation.relations[team][metric.name])
            name = "" if at else f"{metric.name} {arrow}"
            cells: list[Cell | str] = [*_score_cells(metric, score, with_seeds=bool(seeds))]
            cells += _difference_cells(metric, score) if against else []
            rows.append([name, named + (f" {mark}" if mark else ""), *cells])
    return table_of(columns, rows, title=title, keys=2)


def text_table(evaluation: Evaluation, place: str) -> Table:
    """Length ratio, copies and empty translations of every system and group.

    Args:
        evaluation: An evaluation.
        place: A direction, or `MACRO`.
    """
    columns = [Column("system", "name"), *map(Column, ("length ratio", "copies", "empty"))]
    rows = [
        [
            team,
            number(texts.length_ratio),
            *(number(share, ".1%") for share in (texts.copy_rate, texts.empty_rate)),
        ]
        for team, texts in evaluation.texts[place].items()
    ]
    return filled(table_of(columns, rows))


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


def _score_cells(metric: Metric, score: Score, *, with_seeds: bool) -> Iterator[str]:
    form = _form(metric)
    unscored = f" ({score.unscored:,} unscored)" if score.unscored else ""
    yield number(score.value, form) + unscored
    yield ends(score.interval, form)
    if with_seeds:
        yield number(score.spread.std, form) if score.spread else ""


def _difference_cells(metric: Metric, score: Score) -> Iterator[Cell | str]:
    """The difference to the baseline; empty for the baseline itself."""
    difference = score.difference
    if difference is None:
        yield from ("", "", "")
        return
    better = (difference.value > 0.0) is metric.higher_is_better
    certain = difference.p is not None and difference.p < SIGNIFICANT and difference.is_clear
    style = ("green" if better else "red") if certain else ""
    yield Cell(number(difference.value, f"+{_form(metric)}"), style)
    yield ends(difference.interval, f"+{_form(metric)}")
    yield "" if difference.p is None else f"{difference.p:.4f}"


def _form(metric: Metric) -> str:
    return ".2f" if metric.is_corpus else ".3f"
