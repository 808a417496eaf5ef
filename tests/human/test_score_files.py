import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.data.lines import lines_of, read_lines
from rewardlab.errors import UserError
from rewardlab.human.score_files import (
    read_lists,
    read_table,
    write_seg_scores,
    write_sys_scores,
)
from rewardlab.human.score_matrix import ScoreMatrix

NAN = math.nan


def file(text):
    return lines_of(text.encode(), "f")


def refused(call, *arguments):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


def test_lists_are_read_system_by_system_in_any_mixture():
    scores = read_lists(file("A\t-1.5\nB 2\nA\tNone\n\nB  1e-3\n"))
    assert scores == {"A": [-1.5, pytest.approx(NAN, nan_ok=True)], "B": [2.0, 0.001]}


@pytest.mark.parametrize("word", ["nan", "NaN", "inf", "-inf", "1e999", "1_0", "x", "none", "٣"])
def test_what_is_no_finite_number_is_refused_with_its_line(word):
    assert refused(read_lists, file(f"A 1\nB {word}\n")) == [
        (
            f"error[E222] f:2: the score {word!r} is no finite number (1 of 2 rows; at: 2). "
            "fix: write a number, or None"
        )
    ]


def test_other_lines_and_lengths_are_refused():
    assert refused(read_lists, file("A 1\nA\nA 1 2\nA x\n")) == [
        (
            "error[E221] f:2: a line has 1 words and needs two (2 of 4 rows; at: 2, 3). "
            "fix: write a system and its score"
        ),
        (
            "error[E222] f:4: the score 'x' is no finite number (1 of 4 rows; at: 4). "
            "fix: write a number, or None"
        ),
    ]
    assert refused(read_lists, file("A 1\nA 2\nB 1\n")) == [
        (
            "error[E224] f: systems have other numbers of segments than the 2 of most: 'B: 1'. "
            "fix: write None where there is no score"
        )
    ]
    assert refused(read_lists, file("\n")) == [
        "error[E206] f: no rows. fix: give a file with scores or annotations"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "system\t2\t10\t1\nB\t4\tnan\t1.5\nA\t\tNone\t3\n",
        "seg_id\tB\tA\n2\t4\t\n10\tn/a\t null \n1\t1.5\t3\n",
    ],
)
def test_a_table_has_systems_or_segments_as_rows(text):
    matrix = read_table(file(text))
    assert matrix.systems == ("B", "A")
    assert matrix.segments == ("1", "2", "10")  # all of them integers, so in their order
    np.testing.assert_array_equal(matrix.values, [[1.5, 4, NAN], [3, NAN, NAN]])


def test_segments_with_other_names_stay_in_the_order_of_the_file():
    assert read_table(file("Segment\tA\nz\t1\na\t2\n")).segments == ("z", "a")


def test_everything_wrong_with_a_table_is_said_at_once():
    assert refused(read_table, file("system\ts1\ts1\t\nA\t1\tx\t1\nA\t1\n\t1\tinf\t2\n")) == [
        (
            "error[E222] f:2: the score 'x' is no finite number (2 of 3 rows; at: 2, 4). "
            "fix: write a number, or None"
        ),
        (
            "error[E221] f:3: a row has 2 cells and the header 4 (1 of 3 rows; at: 3). "
            "fix: give every row all cells"
        ),
        (
            "error[E221] f:1: names that are empty or twice: 's1', ''. "
            "fix: give each a name of its own"
        ),
        (
            "error[E221] f:2: names that are empty or twice: 'A', ''. "
            "fix: give each a name of its own"
        ),
    ]


def test_a_table_needs_a_header_and_rows():
    assert refused(read_table, file("system\ta\n")) == [
        "error[E206] f: no rows. fix: give a file with scores or annotations"
    ]
    assert refused(read_table, file("name\ta\nA\t1\n")) == [
        (
            "error[E220] f:1: a table's header starts with system or segment, this one with "
            "'name'. fix: name the first column for what the rows are"
        )
    ]


MATRIX = ScoreMatrix(("A", "B"), ("s", "t"), np.array([[0.1 + 0.2, NAN], [-1e-300, 25.0]]), "x")


def test_score_files_are_lines_of_system_and_score(tmp_path):
    """The form that mt_metrics_eval.data.ReadScoreFile splits at white space (68a481a)."""
    write_seg_scores(MATRIX, tmp_path / "m.seg.score")
    write_sys_scores(MATRIX, tmp_path / "m.sys.score")
    assert (tmp_path / "m.seg.score").read_text() == (
        "A\t0.30000000000000004\nA\tNone\nB\t-1e-300\nB\t25.0\n"
    )
    assert (tmp_path / "m.sys.score").read_text() == "A\t0.30000000000000004\nB\t12.5\n"


@pytest.mark.parametrize("name", ["two words", "", "tab\tbed", " a", "line\nbreak"])
def test_names_that_the_form_cannot_hold_are_refused(name, tmp_path):
    matrix = ScoreMatrix(("A", name), ("s",), np.zeros((2, 1)), "x")
    path = tmp_path / "m.seg.score"
    (message,) = refused(write_seg_scores, matrix, path)
    assert message == (
        f"error[E230] {path}: names of systems with white space cannot stand in such a file: "
        f"{name!r}. fix: rename them in the files they come from"
    )
    assert not path.exists()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=6))
def test_what_is_written_is_read_back_bit_by_bit(numbers):
    segments = tuple(str(at) for at in range(len(numbers)))
    matrix = ScoreMatrix(("A", "B"), segments, np.array([numbers, numbers[::-1]]), "x")
    with TemporaryDirectory() as directory:
        path = Path(directory) / "m.seg.score"
        write_seg_scores(matrix, path)
        scores = read_lists(read_lines(path))
    # equal bits, but for the payload of a NaN: negative zeros stay what they are
    back = np.array([scores["A"], scores["B"]])
    np.testing.assert_array_equal(back, matrix.values)
    np.testing.assert_array_equal(
        np.signbit(back)[~np.isnan(back)], np.signbit(matrix.values)[~np.isnan(back)]
    )
