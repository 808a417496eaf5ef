import math

import numpy as np
import pytest

from rewardlab.data.lines import lines_of
from rewardlab.errors import UserError
from rewardlab.human.direct_assessment import ESA
from rewardlab.types import WMT_MQM


def read(*rows):
    return ESA.read(lines_of("".join(f"{row}\n" for row in rows).encode(), "f"), WMT_MQM)


def refused(*rows):
    with pytest.raises(UserError) as caught:
        read(*rows)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


HEADER = "System\tdoc\tseg_id\trater\tscore\tsource\ttarget"


def test_a_score_is_the_mean_over_raters():
    found = read(
        HEADER,
        "A\td\t2\tr1\t80\tHej.\tHello.",
        "A\td\t2\tr2\t90\tHej.\tHello.",
        "B\td\t2\tr1\t70\tHej.\tHi.",
        "A\td\t1\tr1\t100\tJa.\tYes.",
        "B\td\t1\tr2\tNone\tJa.\tYeah.",
    )
    assert found.scores.systems == ("A", "B")
    assert found.scores.segments == ("d:1", "d:2")
    np.testing.assert_array_equal(found.scores.values, [[100, 85], [math.nan, 70]])
    assert found.documents == ("d", "d")
    assert found.sources == ("Ja.", "Hej.")
    assert found.hypotheses["B", "d:1"] == "Yeah."
    assert found.raters == 2
    assert found.funnel == "5 rows: 1 row without a score"


def test_what_a_rater_said_again_is_averaged_first_and_the_same_row_counts_once():
    found = read(
        "system\tsegment\tannotator\tscore",
        "A\t1\tr1\t0",
        "A\t1\tr1\t10",
        "A\t1\tr1\t10",
        "A\t1\tr2\t25",
        "B\t1\tr1\t1",
    )
    assert found.scores.values.tolist() == [[15.0], [1.0]]  # ((0 + 10) / 2 + 25) / 2
    assert found.funnel == "5 rows: 1 exact duplicate, 1 score that a rater gave again"
    assert (found.sources, found.hypotheses, found.documents) == (None, {}, ("",))


def test_raters_and_texts_may_be_missing():
    found = read("segment_id\tsystem\tESA_score", "10\tA\t1", "9\tA\t2", "9\tB\t3", "10\tB\t4")
    assert found.raters == 0
    assert found.scores.segments == ("9", "10")
    assert found.scores.values.tolist() == [[2.0, 1.0], [3.0, 4.0]]


def test_a_text_that_differs_is_counted_and_the_first_is_kept():
    found = read(
        HEADER, "A\td\t1\tr1\t1\tHej.\tHello.", "A\td\t1\tr2\t1\tHej!\tHello!", "B\td\t1\tr1\t1\t\t"
    )
    assert found.hypotheses["A", "d:1"] == "Hello."
    assert "3 rows whose text differs from the first" in found.funnel


def test_everything_wrong_is_said_at_once():
    assert refused(
        "system\tsegment\tscore", "A\t1\tgood", "A\t2\tinf", "A\t3", "\t4\t1", "A\t\t1"
    ) == [
        (
            "error[E221] f:4: a row has 2 cells and the header 3 (1 of 5 rows; at: 4). "
            "fix: give every row all cells"
        ),
        (
            "error[E222] f:2: the score 'good' is no finite number (2 of 5 rows; at: 2, 3). "
            "fix: write a number, or None"
        ),
        (
            "error[E221] f:5: a row needs a system and a segment, and has ', 4' "
            "(2 of 5 rows; at: 5, 6). fix: name both"
        ),
    ]


def test_a_header_that_lacks_a_column_is_refused():
    assert refused("system\tmark", "A\t1") == [
        "error[E220] f:1: no column for segment and score. fix: call it seg_id"
    ]
    assert refused("system\tsegment\tscore") == [
        "error[E206] f: no rows. fix: give a file with scores or annotations"
    ]


def test_segments_that_would_have_one_id_are_refused():
    assert refused("system\tdoc\tseg_id\tscore", "A\td\t1\t5", "A\t\td:1\t5") == [
        (
            "error[E221] f: segments of different documents have the same id: 'd:1'. "
            "fix: name the document in every row"
        )
    ]


# ── keys ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["doc_id", "document", "docID", "Doc Name", "document-id", "talk"])
@pytest.mark.parametrize("segment", ["segment_id", "seg_id", "Segment"])
def test_segments_that_are_numbered_anew_in_each_document_are_apart(name, segment):
    found = read(
        f"system_id\t{name}\t{segment}\toverall",
        *(f"{s}\t{d}\t{n}\t{score}" for s, d, n, score in (
            ("A", "d1", 1, 90), ("A", "d1", 2, 80), ("A", "d2", 1, 10), ("A", "d2", 2, 20),
            ("B", "d1", 1, 50), ("B", "d1", 2, 50), ("B", "d2", 1, 60), ("B", "d2", 2, 60),
        )),
    )  # fmt: skip
    assert found.scores.segments == ("d1:1", "d1:2", "d2:1", "d2:2")
    assert found.scores.values.tolist() == [[90, 80, 10, 20], [50, 50, 60, 60]]


def test_the_number_in_a_document_may_be_called_doc_id():
    found = read("system\tdoc\tdoc_id\tscore", "A\td\t1\t5", "A\te\t1\t6", "B\td\t1\t7")
    assert found.scores.segments == ("d:1", "e:1")
    assert read("system\tdoc_id\tscore", "A\t1\t5", "B\t1\t6").scores.segments == ("1",)


def test_a_group_is_part_of_a_document_only_where_it_must_be():
    rows = ("A\tnews\td\t1\t5", "A\ttalks\td\t1\t6", "B\tnews\td\t1\t7")
    found = read("system\tdomain\tdoc\tseg_id\tscore", *rows)
    assert found.scores.segments == ("news/d:1", "talks/d:1")
    rows = ("A\tnews\td\t1\t5", "A\ttalks\te\t1\t6", "B\tnews\td\t1\t7")
    found = read("system\tdomain\tdoc\tseg_id\tscore", *rows)
    assert found.scores.segments == ("d:1", "e:1")


def test_several_scores_of_one_translation_need_raters():
    header = "system\tsegment\tscore"
    assert refused(header, "A\t1\t5", "A\t1\t6", "B\t1\t7", "B\t1\t7", "B\t1\t8") == [
        (
            "error[E282] f:3: another score of 'A, 1', and no column names raters "
            "(2 of 5 rows; at: 3, 6). "
            "fix: add the column that tells the rows apart: "
            "doc, domain, lp (language pair) or rater"
        )
    ]
    found = read(f"{header}\tevaluator", "A\t1\t5\tr1", "A\t1\t6\tr2", "B\t1\t7\tr1")
    assert found.scores.values.tolist() == [[5.5], [7.0]]


def test_a_column_that_is_not_read_and_tells_rows_of_one_rater_apart_is_named():
    header = "system\tsegment\tannotator\tedition\tscore"
    rows = [f"{s}\t{n}\tr\t{e}\t{n}" for s in "AB" for n in (1, 2) for e in ("first", "second")]
    (message,) = refused(header, *rows)
    assert message.startswith("error[E282] f: 4 translations have several scores by one rater")
    assert "'edition'" in message


def test_segments_with_several_sources_are_refused():
    rows = ("A\t1\tr1\t5\tThe dog barks.\tx", "A\t1\tr2\t6\tShe bought books.\tx")
    (message,) = refused("system\tsegment\trater\tscore\tsource\ttarget", *rows)
    assert message == (
        "error[E282] f: 1 segments have several sources, such as '1': 'The dog barks.' and "
        "'She bought books.'. fix: add the column that tells the rows apart: doc or domain"
    )


def test_a_few_scores_outside_the_scale_are_noted_and_another_scale_is_not():
    rows = [f"A\t{number}\t{score}" for number, score in enumerate([*range(50, 70), 850], 1)]
    noted = read("system\tsegment\tscore", *rows).notes
    assert noted == ("1 score not from 0 to 100, first 850 ('A', 21)",)
    z_scores = [f"A\t{number}\t{score}" for number, score in enumerate([-0.5, 0.2, -1.0, 0.7], 1)]
    assert read("system\tsegment\tscore", *z_scores).notes == ()
