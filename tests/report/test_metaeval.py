"""Tables and TSV of a meta-evaluation."""

import dataclasses

import gold_scores
import numpy as np
import on_terminal
import pytest

from rewardlab.metaeval.meta_evaluate import meta_evaluate
from rewardlab.metaeval.scoring import Scored
from rewardlab.report.metaeval import (
    LEGEND,
    TESTED,
    comparison_tables,
    gold_table,
    metaeval_page,
    metric_table,
    span_table,
    tsv_lines,
)
from rewardlab.types import ErrorSpan

SYSTEMS = ("A", "B", "C")


def plain(table, width=160):
    return on_terminal.plain(table, width)


def evaluation(**options):
    """A good metric that marks an error, its opposite, and one that scores nothing."""
    good = np.array(gold_scores.GOOD)
    spans = {("B", "d:1"): [ErrorSpan(4, 8, "major")], ("C", "d:1"): []}
    metrics = [
        Scored("bad\x1b", gold_scores.matrix(-good)),
        Scored("nothing", gold_scores.matrix(np.full((3, 2), np.nan))),
        Scored("good", gold_scores.matrix(good), spans=spans),
    ]
    return meta_evaluate(gold_scores.gold(), metrics, systems=SYSTEMS, **options)


def test_the_best_metric_is_first_and_the_constant_one_last():
    lines = plain(metric_table(evaluation())).splitlines()
    assert lines[0].strip() == "3 metrics on 3 systems x 2 segments"
    assert [line.split()[0] for line in lines[2:]] == ["good", "bad\\x1b", "nothing", "constant"]
    good, bad, nothing, constant = (line.split()[1:] for line in lines[2:])
    # acc_eq 1 at ε = 0.5, SPA, pairs, r and τ of systems
    assert good[:4] == ["1.000", "0.5", "1.000", "1.000"]
    assert bad[0] == "0.167"
    assert {*nothing} == {"-"}
    assert constant[:2] == ["0.167", "0"]


def test_the_p_values_of_all_pairs_are_shown_for_each_statistic():
    compared = evaluation(compare=True)
    tables = [plain(table).splitlines() for table in comparison_tables(compared)]
    p = {name: ranking.comparisons[0].p for name, ranking in compared.rankings.items()}
    assert [table[0].split()[-1] for table in tables] == ["acc_eq", "SPA", "pairs"]
    for table, statistic in zip(tables, ("acc_eq", "spa", "pairwise_accuracy"), strict=True):
        assert table[1].split() == ["better", "bad\\x1b"]
        assert table[2].split() == ["good", f"{p[statistic]:.3f}"]
    assert TESTED in metaeval_page(compared).notes
    assert TESTED not in metaeval_page(evaluation()).notes


def test_headings_and_their_legend():
    heading = plain(metric_table(evaluation())).splitlines()[1].split()
    assert heading == [
        "metric", "acc_eq", "ε", "SPA", "pairs", "r", "τ", "r", "item", "τ", "item",
        "r", "system", "τ", "system", "r", "all", "τ", "all",
    ]  # fmt: skip
    assert all(len(line) <= 100 for line in LEGEND)


def test_comparisons_add_ranks():
    lines = plain(metric_table(evaluation(compare=True))).splitlines()
    assert lines[1].split().count("rank") == 2
    assert lines[2].split()[:4] == ["good", "1.000", "1", "0.5"]


def test_intervals_stand_beside_their_statistic():
    found = evaluation(resamples=20)
    lines = plain(metric_table(found)).splitlines()
    assert lines[1].split().count("95%") == 2
    assert lines[2].count("…") == 2
    statistics = {tuple(line.split("\t")[:4]) for line in tsv_lines(found)}
    assert ("good", "segment", "item", "acc_eq.low") in statistics
    assert ("good", "system", "", "spa.high") in statistics


def test_systems_stand_as_people_see_them():
    lines = plain(gold_table(evaluation(reference_system="refA"))).splitlines()
    assert [line.split() for line in lines] == [
        ["system", "human", "mean,", "as", "published", "(lower", "is", "better)"],
        ["refA", "0.000", "reference"],
        ["A", "0.500"],
        ["B", "2.500"],
        ["C", "3.500"],
    ]
    assert ["refA", "0.000", "left", "out"] in [
        line.split() for line in plain(gold_table(evaluation())).splitlines()
    ]


def test_the_human_mean_says_its_direction():
    higher = dataclasses.replace(gold_scores.gold(), negated=False)
    found = meta_evaluate(higher, [], systems=SYSTEMS)
    assert "human mean, as published (higher is better)" in plain(gold_table(found))


def test_error_spans_have_a_table_of_their_own():
    lines = plain(span_table(evaluation())).splitlines()
    assert lines[1].split()[0] == "good"
    assert len(lines) == 2
    found = meta_evaluate(gold_scores.gold(), [], systems=SYSTEMS)
    assert span_table(found) is None


def test_tab_separated_values_are_long():
    lines = [line.split("\t") for line in tsv_lines(evaluation())]
    assert lines[0] == ["metric", "level", "grouping", "statistic", "value"]
    assert {len(line) for line in lines} == {5}
    values = {tuple(line[:4]): line[4] for line in lines}
    assert values["good", "segment", "item", "epsilon"] == "0.5"
    assert values["good", "system", "", "pairwise_accuracy"] == "1.0"
    assert values["nothing", "system", "", "spa"] == ""
    assert float(values["good", "span", "", "precision"]) == 1.0
    assert values["constant", "segment", "item", "acc_eq"] == repr(1 / 6)
    assert lines[-1][0] == "constant"


@pytest.mark.parametrize("table", [metric_table, gold_table])
def test_names_cannot_steer_the_terminal(table):
    assert "\x1b" not in plain(table(evaluation()))
