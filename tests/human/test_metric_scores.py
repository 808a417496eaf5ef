"""Files of scores with more or fewer translations than people scored, and with several columns."""

import numpy as np
import pytest

from rewardlab.errors import UserError
from rewardlab.human.formats import read_gold
from rewardlab.human.metric_scores import ScoreFile, read_scores, score_file

NAN = np.nan


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def file(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return file


@pytest.fixture
def gold(write):
    """Two systems, two segments; B was not scored on the second."""
    return read_gold(write("gold.seg.score", "A 1\nA 2\nB 3\nB None\n"))


def refused(call, *args, **kwargs):
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    assert caught.value.exit_code == 3
    (problem,) = caught.value.problems
    return problem


# ── more than people scored ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.seg.score", "A .1\nA .2\nB .3\nB .4\nsynthetic_ref .5\nsynthetic_ref .6\n"),
        ("ragged.seg.score", "A .1\nA .2\nB .3\nB .4\nsynthetic_ref .5\n"),
        ("table.tsv", "system\t1\t2\nA\t.1\t.2\nB\t.3\t.4\nsynthetic_ref\t.5\t.6\n"),
        (
            "rows.tsv",
            "system\tsegment\tm\nA\t1\t.1\nA\t2\t.2\nB\t1\t.3\nB\t2\t.4\nsynthetic_ref\t1\t1\n",
        ),
    ],
)
def test_extra_systems_are_left_out_with_a_note(write, gold, name, text):
    found = read_scores(write(name, text), gold, name="m")
    assert found.scores.systems == ("A", "B")
    assert found.scores.values.tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert found.notes == ("m: left out 1 system without human scores ('synthetic_ref')",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("table.tsv", "segment\tA\tB\n1\t.1\t.3\n2\t.2\t.4\n3\t1\t1\n"),
        ("rows.tsv", "system\tsegment\tm\nA\t1\t.1\nA\t2\t.2\nB\t1\t.3\nB\t2\t.4\nB\t3\t1\n"),
    ],
)
def test_extra_segments_are_left_out_with_a_note(write, gold, name, text):
    found = read_scores(write(name, text), gold, name="m")
    assert found.scores.values.tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert found.notes == ("m: left out 1 segment without human scores ('3')",)


MQM = """\
system\tdoc\tdoc_id\tseg_id\trater\tsource\ttarget\tcategory\tseverity
A\td\t1\t2\tr\ta\tA\tNo-error\tNo-error
B\td\t1\t2\tr\ta\t<v>B</v>\tOther\tMinor
A\te\t1\t4\tr\tb\tA\tNo-error\tNo-error
B\te\t1\t4\tr\tb\t<v>B</v>\tOther\tMajor
"""


def test_lines_of_a_whole_test_set_are_found_by_their_numbers(write):
    judged = read_gold(write("mqm.tsv", MQM))
    assert judged.numbers == (2, 4)
    path = write("m.seg.score", "".join(f"{s} {n}.{n}\n" for s in "AB" for n in range(1, 6)))
    found = read_scores(path, judged, name="m")
    assert found.scores.values.tolist() == [[2.2, 4.4], [2.2, 4.4]]
    assert found.notes == (
        (
            "m.seg.score: 3 of 5 segments have no human scores and are left out, by their number "
            "in the test set"
        ),
    )
    rows = "".join(f"{s}\t{n}\t{n}\n" for s in "AB" for n in range(1, 6))
    found = read_scores(write("m.tsv", f"system\tsegment\tm\n{rows}"), judged, name="m")
    assert found.scores.values.tolist() == [[2, 4], [2, 4]]


def test_lines_of_a_whole_test_set_are_not_guessed(write):
    numbered_within = MQM.replace("\te\t1\t4\t", "\td\t2\t4\t").replace("seg_id", "comment")
    judged = read_gold(write("mqm.tsv", numbered_within))
    path = write("m.seg.score", "".join(f"{s} {n}\n" for s in "AB" for n in range(1, 6)))
    assert refused(read_scores, path, judged, name="m").code == "E225"


# ── less than people scored ─────────────────────────────────────────────────────────────────────


def test_a_missing_translation_is_an_error_and_an_empty_score_is_not(write, gold):
    path = write("m.tsv", "system\tsegment\tm\nA\t1\t.1\nA\t2\t\nB\t1\t.3\n")
    np.testing.assert_array_equal(
        read_scores(path, gold, name="m").scores.values, [[0.1, NAN], [0.3, NAN]]
    )
    path = write("m.tsv", "system\tsegment\tm\nA\t1\t1\nB\t1\t2\nB\t2\t2\n")
    problem = refused(read_scores, path, gold, name="m")
    assert problem.code == "E225"
    assert problem.what == "m is not of these translations: 1 translation missing ('A 2')"
    assert problem.fix == "add the rows, with an empty score for what was not scored"


def test_a_missing_system_is_an_error_with_the_option_that_leaves_it_out(write, gold):
    path = write("m.seg.score", "A 1\nA 2\n")
    problem = refused(read_scores, path, gold, name="m")
    assert problem.what == "m is not of these translations: 1 system missing ('B')"
    assert problem.fix.endswith("under its names")  # A alone could not be compared
    three = read_gold(write("g3.seg.score", "A 1\nA 2\nB 3\nB 4\nC 5\nC 6\n"))
    path = write("m3.seg.score", "A 1\nA 2\nC 1\nC 2\n")
    problem = refused(read_scores, path, three, name="m")
    assert problem.fix.endswith(", or leave systems out: --exclude-systems B")
    found = read_scores("m.seg.score", gold, name="m", may_miss=["B"])
    np.testing.assert_array_equal(found.scores.values, [[1, 2], [NAN, NAN]])


@pytest.mark.parametrize("name", ["en-de.BLEU-refA.domain.score", "en-de.BLEU-refA.doc.score"])
def test_scores_of_documents_and_domains_are_refused(write, gold, name):
    level = name.split(".")[-2]
    path = write(name, "news A 1\nnews B 2\n" if level == "domain" else "A 1\nB 2\n")
    for call, args in ((read_scores, (path, gold)), (read_gold, (path,))):
        problem = refused(call, *args, **({"name": "m"} if call is read_scores else {}))
        assert problem.code == "E220"
        assert problem.what == (
            f"a .{level}.score file has one score for each {level}, not for each segment"
        )


def test_several_scores_of_a_whole_system_are_refused(write):
    assert refused(read_gold, write("h.sys.score", "A 1\nA 2\nB 1\nB 2\n")).code == "E224"


def test_a_reference_in_the_name_of_a_file_makes_no_difference(write, gold):
    path = write("en-de.BLEU-refA.seg.score", "A 1\nA 2\nB 3\nB 4\nrefB 5\nrefB 6\n")
    found = read_scores(path, gold, name="bleu")
    assert found.scores.values.tolist() == [[1, 2], [3, 4]]


# ── columns ─────────────────────────────────────────────────────────────────────────────────────

LONG = "system\tsegment\tchrf\tbleu\tchrf.status\nA\t1\t1\t5\tok\nA\t2\t2\t\tok\nB\t1\t3\t7\tok\n"


def test_a_column_is_named_after_the_file_or_by_the_metric(write, gold):
    write("long.tsv", LONG)
    for file, name in ((ScoreFile("long.tsv", "bleu"), "m"), (ScoreFile("long.tsv"), "bleu")):
        found = read_scores(file, gold, name=name)
        np.testing.assert_array_equal(found.scores.values, [[5, NAN], [7, NAN]])
    assert read_scores(ScoreFile("long.tsv", "chrf"), gold, name="m").scores.values[0, 1] == 2


def test_an_unknown_column_is_refused_with_those_that_exist(write, gold):
    write("long.tsv", LONG)
    problem = refused(read_scores, ScoreFile("long.tsv", "ter"), gold, name="m")
    assert problem.code == "E283"
    assert problem.what == "there is no column 'ter'; columns with scores: chrf, bleu"
    assert problem.fix == "--scores m=long.tsv:chrf"
    problem = refused(read_scores, "long.tsv", gold, name="m")
    assert problem.what == "several columns may be meant; columns with scores: chrf, bleu"


def test_a_file_without_columns_has_none_to_name(write, gold):
    texts = {"m.seg.score": "A 1\nA 2\nB 3\nB 4\n", "t.tsv": "system\t1\t2\nA\t1\t2\n"}
    for name, text in texts.items():
        problem = refused(read_scores, ScoreFile(write(name, text), "x"), gold, name="m")
        assert problem.code == "E283"
        assert problem.fix == f"--scores m={name}"


def test_a_path_may_contain_a_colon(write):
    write("a:b.tsv", LONG)
    assert score_file("a:b.tsv") == ("a:b.tsv", "")
    assert score_file("a:b.tsv:chrf") == ("a:b.tsv", "chrf")
    write("plain.tsv", LONG)
    assert score_file("plain.tsv:my:metric") == ("plain.tsv", "my:metric")
    assert score_file("missing.tsv:chrf") == ("missing.tsv", "chrf")


def test_a_long_table_of_scores_is_no_table_of_systems_by_segments(write):
    problem = refused(read_gold, write("long.tsv", LONG))
    assert (problem.code, problem.what) == ("E220", "no column for score")


def test_systems_under_other_names_are_shown_and_none_is_left_out(write, gold):
    path = write(
        "m.tsv",
        "system\tsegment\tm\n"
        + "".join(
            f"{name.lower()}\t{segment}\t0.5\n"
            for name in gold.scores.systems
            for segment in gold.scores.segments
        ),
    )
    with pytest.raises(UserError, match="E225") as refused:
        read_scores(path, gold, name="m")
    (problem,) = refused.value.problems
    assert "its systems are" in problem.fix
    assert "--exclude-systems" not in problem.fix
