import dataclasses

import pytest
from on_terminal import plain
from rich.cells import cell_len

from rewardlab.data.rows import Row
from rewardlab.evaluation.evaluate import System, evaluate
from rewardlab.evaluation.metrics import Metric
from rewardlab.report.evaluation import reading_aid, score_table, tables, text_table
from rewardlab.rewards import TER, ExactMatch, NumbersKept
from rewardlab.store.lineage import TrainedOn


def evaluation():
    """Ten rows; the seeds of "rl" were trained by TER and get everything right, but one row."""
    rows = [Row(str(n), f"{n} {n}", f"ref {n} {n}", "da", "nb") for n in range(10)]
    right = [row.reference for row in rows]
    trained = (TrainedOn("spans", "edit_distance", weight=1.0),)
    systems = [
        System("sft", ["x" for _ in rows], known=True),
        System("rl-1", right, group="rl", trained=trained, known=True),
        System("rl-2", [*right[:9], "x"], group="rl", trained=trained, known=True),
        System("file\x1b", right),
    ]
    metrics = [Metric(TER()), Metric(ExactMatch()), Metric(NumbersKept())]
    return evaluate(rows, systems, metrics, baseline="sft", resamples=200)


def test_scores_have_arrows_marks_intervals_and_p_values():
    lines = plain(score_table(evaluation(), "da-nb")).splitlines()
    assert lines[0].strip() == "da-nb, 10 rows"
    headings = ["metric", "system", "score", "95%", "sd of seeds", "to sft", "95%", "p"]
    assert lines[1].split() == " ".join(headings).split()
    ter = [line.split() for line in lines[2:7]]
    assert ter[0] == ["ter", "↓", "sft", "100.00", "100.00", "…", "100.00"]
    assert ter[1] == [
        "rl-1", "~", "0.00", "0.00", "…", "0.00", "-100.00", "-100.00", "…", "-100.00", "0.0050",
    ]  # fmt: skip
    # TER of rl-2 is three edits of thirty words; of two seeds the deviation is 10 / sqrt 2
    assert ter[4][:8] == ["rl,", "mean", "of", "2", "~", "5.00", ter[4][6], "…"]
    assert "7.07" in ter[4]
    assert lines[7].split()[:3] == ["exact_match", "↑", "sft"]


def test_a_clear_difference_has_the_colour_of_its_worth():
    table = score_table(evaluation(), "da-nb")
    at = [column.heading for column in table.columns].index("to sft")
    styles = [row[at].style for row in table.rows]
    # a lower TER, more exact matches, more numbers kept: each is better, and sft has none
    assert styles == ["", *["green"] * 4] * 3
    swapped = dataclasses.replace(evaluation(), metrics=(Metric(ExactMatch(name="ter")),))
    table = score_table(swapped, "da-nb")
    assert {row[5].style for row in table.rows} == {"", "red"}


def test_names_cannot_steer_the_terminal():
    assert "\x1b" not in plain(score_table(evaluation(), "da-nb"))
    assert "\x1b" not in "".join(reading_aid(evaluation()))


def test_a_mean_over_directions_has_a_title_of_its_own():
    assert plain(score_table(evaluation(), "macro")).startswith("mean of directions")


def test_what_is_no_independent_check_is_said():
    assert list(reading_aid(evaluation())) == [
        "~ ter is no independent check of rl-1, rl-2, optimised by a relative of it",
        "no training record for file\\x1b: whether a metric was used in training is unknown",
    ]


def test_texts_are_described():
    lines = plain(text_table(evaluation(), "da-nb")).splitlines()
    assert lines[0].split() == ["system", "length", "ratio", "copies", "empty"]
    assert lines[1].split() == ["sft", "0.143", "0.0%", "0.0%"]


def test_without_a_baseline_there_are_no_columns_of_differences():
    rows = [Row(str(n), f"{n}", f"ref {n}", "da", "nb") for n in range(3)]
    one = System("one", [row.reference for row in rows], known=True)
    found = evaluate(rows, [one], [Metric(TER())], resamples=20)
    headings = [column.heading for column in score_table(found, "da-nb").columns]
    assert headings == ["metric", "system", "score", "95%"]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_scores_and_differences_are_whole_at_every_width(width):
    for table in tables(evaluation()):
        shown = plain(table, width)
        assert max(map(cell_len, shown.splitlines())) <= width
        words = shown.split()
        for row in table.rows:
            assert all(word in words for cell in row[table.keys :] for word in cell.text.split())
