import dataclasses

from rich.console import Console

from rewardlab.data.corpora import Row
from rewardlab.evaluation.evaluate import System, evaluate
from rewardlab.evaluation.metrics import Metric
from rewardlab.report.evaluation import reading_aid, score_table, text_table
from rewardlab.rewards import TER, ExactMatch, NumbersKept
from rewardlab.store.lineage import TrainedOn


def plain(renderable):
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


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
    assert lines[1].split() == [
        "system",
        "score",
        "95%",
        "sd",
        "of",
        "seeds",
        "to",
        "sft",
        "95%",
        "p",
    ]
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
    [differences] = [column for column in table.columns if column.header == "to sft"]
    styles = [getattr(cell, "style", "") for cell in differences.cells]
    # a lower TER, more exact matches, more numbers kept: each is better, and sft has none
    assert styles == ["", *["green"] * 4] * 3
    swapped = dataclasses.replace(evaluation(), metrics=(Metric(ExactMatch(name="ter")),))
    table = score_table(swapped, "da-nb")
    assert {getattr(cell, "style", "") for cell in table.columns[5].cells} == {"", "red"}


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
