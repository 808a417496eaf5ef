import pytest

from rewardlab.errors import UserError
from rewardlab.human.annotations import segment_order
from rewardlab.human.tables import Column, RowProblems, columns_of, number_of


def test_columns_are_known_by_the_most_telling_of_their_names():
    wanted = {"id": Column(("seg_id", "segment")), "score": Column(("score",), needed=False)}
    assert columns_of([" Segment ", "SEG_ID"], wanted) == {"id": 1}
    assert columns_of(["segment", "score"], wanted) == {"id": 0, "score": 1}


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1", 1.0), (" -1.50 ", -1.5), ("+.5e-3", 0.0005), ("3.", 3.0), ("1e999", None)]
    + [(cell, None) for cell in ("", "nan", "inf", "1_0", "0x1", "١", "1,5", "1 2", "--1")],
)
def test_a_number_is_a_finite_decimal_in_ascii(cell, value):
    assert number_of(cell) == value


def test_problems_of_one_kind_are_one_with_the_first_value_and_five_places():
    problems = RowProblems("f.tsv", 2_000)
    for line in range(3, 40):
        problems.add("E222", "the score {} is odd", "write another", line=line, value=f"x{line}")
    problems.add("E221", "no name", "name it", line=1, value="")
    with pytest.raises(UserError) as caught:
        problems.raise_if_any()
    assert [str(problem) for problem in caught.value.problems] == [
        (
            "error[E222] f.tsv:3: the score 'x3' is odd (37 of 2,000 rows; first 5: 3, 4, 5, 6, 7)"
            ". fix: write another"
        ),
        "error[E221] f.tsv:1: no name (1 of 2,000 rows; at: 1). fix: name it",
    ]


def test_a_row_with_several_problems_of_one_kind_is_one_row():
    problems = RowProblems("f.tsv", 8)
    for line in (2, 2, 3, 2):
        problems.add("E222", "the score {} is odd", "write another", line=line, value="x")
    with pytest.raises(UserError) as caught:
        problems.raise_if_any()
    (problem,) = caught.value.problems
    assert problem.what == "the score 'x' is odd (2 of 8 rows; at: 2, 3)"


def test_numbers_of_the_test_set_order_segments_only_where_they_name_each_alone():
    keys = [("b", "2"), ("a", "10"), ("a", "9"), ("b", "1")]
    alone = dict(zip(keys, [7, -1, 8, 3], strict=True))
    assert segment_order(alone)[0] == [("a", "10"), ("b", "1"), ("b", "2"), ("a", "9")]
    by_document = [("b", "1"), ("b", "2"), ("a", "9"), ("a", "10")]
    assert segment_order(alone | {keys[0]: 8})[0] == by_document
    assert segment_order(alone | {keys[0]: None})[0] == by_document
    assert segment_order(dict.fromkeys(keys))[0] == by_document
