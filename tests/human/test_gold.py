"""Human scores from every format, and scores of metrics beside them. All texts are made up."""

import json
import math

import numpy as np
import pytest

from rewardlab.errors import UserError
from rewardlab.human.formats import read_gold
from rewardlab.human.metric_scores import read_scores
from rewardlab.human.score_files import write_seg_scores, write_sys_scores
from rewardlab.types import WMT_MQM, WMT_MQM_NO_SOURCE, ErrorSpan, SeverityTable

MQM_HEADER = "system\tdoc\tdoc_id\tseg_id\trater\tsource\ttarget\tcategory\tseverity\n"
MQM = MQM_HEADER + (
    "B\td:da-en\t1\t1\tr1\tHej.\t<v>Hello</v>.\tOther\tMinor\n"
    "B\td:da-en\t1\t1\tr2\tHej.\tHello.\tNo-error\tNo-error\n"
    "A\td:da-en\t1\t1\tr1\tHej.\tHi.\tNo-error\tNo-error\n"
    "A\td:da-en\t2\t2\tr2\t<v>Ja</v>.\tYes.\tSource error\tMajor\n"
    "C\td:da-en\t2\t2\t\tJa.\tYeah.\t\t\n"
)


@pytest.fixture
def write(tmp_path):
    def file(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return file


def refused(call, *arguments, **options):
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


# ── formats ─────────────────────────────────────────────────────────────────────────────────────


def test_mqm_is_an_error_as_published_and_a_score_inside(write):
    gold = read_gold(write("x.tsv", MQM))
    assert gold.scores.systems == ("A", "B")
    assert gold.scores.segments == ("d:da-en:1", "d:da-en:2")
    np.testing.assert_array_equal(gold.scores.values, [[0.0, -5.0], [-0.5, math.nan]])
    assert not np.signbit(gold.scores.values[0, 0])
    assert gold.published == {"A": 2.5, "B": 0.5}
    assert gold.raters == 2
    assert gold.documents == ("d:da-en", "d:da-en")
    assert gold.sources == ("Hej.", "Ja.")
    assert gold.hypotheses["B", "d:da-en:1"] == "Hello."
    assert gold.spans == {
        ("B", "d:da-en:1"): ((ErrorSpan(0, 5, "Minor", "Other"),), ()),
        ("A", "d:da-en:1"): ((),),
        ("A", "d:da-en:2"): ((ErrorSpan(0, 2, "Major", "Source error", "source"),),),
    }
    assert (gold.source_lang, gold.target_lang) == ("da", "en")
    assert gold.severities is WMT_MQM
    assert gold.scores.signature.startswith("mqm|severities:wmt|sha256:")
    # nobody has rated C, but its text is there, as that of a reference may be
    assert gold.unscored == ("C",)
    assert gold.hypotheses["C", "d:da-en:2"] == "Yeah."
    assert gold.funnel == (
        "mqm by its first line: 5 rows; 3 systems x 2 segments (by test set number), "
        "4 ratings of 2 raters, 3 of 6 translations without one; rows without a rating: 1; "
        "severities wmt; systems without a score left out: 'C'"
    )


def test_the_severity_table_decides_what_errors_cost(write):
    path = write("x.tsv", MQM)
    gold = read_gold(path, severities=WMT_MQM_NO_SOURCE, lower_is_better=True)
    assert gold.published == {"A": 0.0, "B": 0.5}
    assert gold.scores.values[1, 0] == -0.5  # negated once, whatever the caller says
    own = read_gold(path, severities=SeverityTable("own", {"minor": 3.0}))
    assert own.published == {"A": 0.0, "B": 1.5}
    assert "severities own, 1 errors of severities it does not know: 'Major'" in own.funnel


def test_a_table_that_knows_no_severity_of_the_file_is_refused(write):
    path = write("x.tsv", MQM)
    assert refused(
        read_gold, path, severities=SeverityTable("own", {"leicht": 1, "schwer": 5})
    ) == [
        (
            f"error[E228] {path}: no weight for any severity of the file: 'Major', 'Minor'. "
            "fix: the table own knows leicht, schwer; give a table that knows the file's words"
        )
    ]


def test_lists_are_scores_segment_by_segment(write):
    text = "B 1\nA 2.5\nB None\nA 3\nC None\nC None\n"
    gold = read_gold(write("x.seg.score", text))
    assert gold.scores.systems == ("A", "B")
    assert gold.scores.segments == ("1", "2")
    np.testing.assert_array_equal(gold.scores.values, [[2.5, 3.0], [1.0, math.nan]])
    assert gold.published == {"A": 2.75, "B": 1.0}
    assert (gold.raters, gold.sources, gold.severities) == (0, None, None)
    assert gold.documents == ("", "")
    assert gold.unscored == ("C",)
    assert gold.funnel == (
        "mtme by its name: 6 rows; 2 systems x 2 segments; 1 of 4 scores missing; "
        "systems without a score left out: 'C'"
    )


def test_errors_that_are_called_so_are_negated_and_published_as_they_are(write):
    gold = read_gold(write("scores", "A 1\nB 2\nA 3\nB 4\n"), lower_is_better=True)
    np.testing.assert_array_equal(gold.scores.values, [[-1.0, -3.0], [-2.0, -4.0]])
    assert gold.published == {"A": 2.0, "B": 3.0}
    assert gold.scores.signature.endswith("|negated")
    assert gold.funnel.startswith("mtme by its first line: ")


def test_scores_of_whole_systems_have_one_segment(write):
    gold = read_gold(write("x.sys.score", "A 1\nB -2\n"))
    assert gold.scores.segments == ("system",)
    assert gold.published == {"A": 1.0, "B": -2.0}
    assert read_gold(write("x.seg.score", "A 1\nB -2\n")).scores.segments == ("1",)


def test_a_test_set_of_mt_metrics_eval_brings_its_texts(write):
    write("wmt/sources/da-en.txt", "Hej.\nJa.\n")
    write("wmt/sources/da-sv.txt", "Nej.\n")
    write("wmt/documents/da-en.docs", "news\td1\nnews\td2\n")
    write("wmt/references/da-en.refA.txt", "Hello.\nYes.\n")
    write("wmt/system-outputs/da-en/A.1.txt", "Hi.\n[No translation supplied]\n")
    write("wmt/system-outputs/da-en/B.jsonl", '{"target": "Hey."}\n{"target": "Yeah."}\n')
    path = write(
        "wmt/human-scores/da-en.mqm.seg.score", "A.1 1\nA.1 2\nB 3\nB 4\nrefA None\nrefA None\n"
    )
    gold = read_gold(path)
    assert gold.scores.systems == ("A.1", "B")
    assert gold.sources == ("Hej.", "Ja.")
    assert gold.documents == ("d1", "d2")
    assert gold.hypotheses == {
        ("A.1", "1"): "Hi.",
        ("B", "1"): "Hey.",
        ("B", "2"): "Yeah.",
        ("refA", "1"): "Hello.",
        ("refA", "2"): "Yes.",
    }
    assert (gold.source_lang, gold.target_lang) == ("da", "en")
    ratings = write(
        "wmt/human-scores/da-en.mqm.seg.rating",
        'A.1\t{"errors": [{"start": 0, "end": 2, "severity": "minor", "category": null}]}\n'
        'A.1\tNone\nB\t{"errors": []}\nB\t{"errors": []}\n',
    )
    marked = read_gold(ratings)
    assert marked.spans["A.1", "1"] == ((ErrorSpan(0, 2, "minor"),),)
    assert marked.published == {"A.1": 1.0, "B": 0.0}
    assert marked.sources == gold.sources
    assert marked.hypotheses == gold.hypotheses
    assert marked.raters == 1


def test_texts_beside_scores_that_are_not_of_the_same_segments_are_refused(write):
    write("wmt/sources/da-en.txt", "Hej.\nJa.\n")
    path = write("wmt/human-scores/da-en.mqm.seg.score", "A 1\nB 3\n")
    assert refused(read_gold, path) == [
        (
            f"error[E229] {path}: scores of 1 segment, but the test set they lie in has 2. "
            "fix: write None for segments without a score"
        )
    ]
    write("wmt/system-outputs/da-en/A.txt", "Hi.\n")
    assert refused(read_gold, path) == [
        (
            f"error[E229] {path}: the texts of this test set differ in number: 1 lines of A, 2 of "
            "source. fix: give every file a line for each segment"
        )
    ]
    write("wmt/system-outputs/da-en/A.txt", "Hi.\nYes.\n")
    broken = write("wmt/system-outputs/da-en/B.jsonl", '{"target": "Hey."}\n{"text": "Yeah."}\n')
    assert refused(read_gold, path) == [
        (
            f'error[E226] {broken}:2: \'{{"text": "Yeah."}}\' has no text: target is null. '
            'fix: write {"target": "..."}'
        )
    ]


def test_standalone_ratings_are_known_by_their_name(write):
    record = {"source": "Hej.", "segment_id": 0, "src_lang": "da", "tgt_lang": "en"}
    error = {"start": 0, "end": 2, "severity": "major", "category": "Fluency"}
    lines = [
        {**record, "system_id": "A", "hypothesis": "Hi.", "errors": [error]},
        {**record, "system_id": "B", "hypothesis": "Hello.", "errors": []},
    ]
    gold = read_gold(write("x.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines)))
    assert gold.published == {"A": 5.0, "B": 0.0}
    assert gold.sources == ("Hej.",)
    assert (gold.source_lang, gold.target_lang) == ("da", "en")


def test_direct_scores_and_tables_are_known_by_their_headers(write):
    direct = read_gold(write("x.tsv", "system\tseg_id\tscore\nA\t1\t80\nB\t1\t90\n"))
    assert direct.published == {"A": 80.0, "B": 90.0}
    assert direct.funnel == "esa by its first line: 2 rows; 2 systems x 1 segment"
    table = read_gold(write("y.tsv", "system\ts1\ts2\nB\t1\t\nA\t2\t3\n"))
    np.testing.assert_array_equal(table.scores.values, [[2.0, 3.0], [1.0, math.nan]])
    assert table.funnel == (
        "table by its first line: 2 rows; 2 systems x 2 segments; 1 of 4 scores missing"
    )


def test_segments_that_nobody_scored_are_counted(write):
    gold = read_gold(write("y.tsv", "system\ts1\ts2\nB\t1\t\nA\t2\t\n"))
    assert gold.scores.segments == ("s1", "s2")
    assert gold.funnel.endswith("2 of 4 scores missing; 1 segment without a score")


def test_a_marot_file_without_header_is_known(write):
    rows = MQM.removeprefix(MQM_HEADER).replace("\n", "\t{}\n")
    assert read_gold(write("x.tsv", rows)).published == {"A": 2.5, "B": 0.5}


# ── what is refused ─────────────────────────────────────────────────────────────────────────────


def test_a_file_in_no_format_is_refused_with_how_it_begins(write):
    path = write("x.csv", "\nname,segment,score\nA,1,2\n")
    assert refused(read_gold, path) == [
        (
            f"error[E220] {path}:2: no file in a format of mqm, mtme, esa, table begins with "
            "'name,segment,score'. fix: give a header, separated by tabs: system doc docSegId "
            "rater source target category severity"
        )
    ]


def test_errors_without_their_severity_are_no_table(write):
    lines = [line.rpartition("\t")[0] for line in MQM.splitlines()]
    path = write("x.tsv", "\n".join(lines))
    (said,) = refused(read_gold, path)
    missing = "the header is not that of an MQM file: no column severity. fix: write the columns"
    assert said.startswith(f"error[E220] {path}:1: {missing}")


def test_another_format_than_the_one_asked_for_is_proposed(write):
    (said,) = refused(read_gold, write("x.tsv", MQM), format="mtme")
    assert said.endswith(". fix: --format mqm")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("mqm", "the header is not that of an MQM file: no column doc, docsegid, rater"),
        ("esa", "no column for segment and score"),
        ("mtme", "no file in a format of mtme begins with 'system\\ts1'"),
    ],
)
def test_a_format_that_was_asked_for_says_what_is_missing(write, wanted, message):
    path = write("x.tsv", "system\ts1\nA\t1\n")
    (said,) = refused(read_gold, path, format=wanted)
    assert said.startswith(f"error[E220] {path}:1: {message}")


@pytest.mark.parametrize("name", ["x.tsv", "x.seg.score", "x.jsonl"])
def test_empty_files_are_refused(write, name):
    path = write(name, "\n")
    assert refused(read_gold, path) == [
        f"error[E206] {path}: no rows. fix: give a file with scores or annotations"
    ]


def test_files_that_cannot_be_read_are_refused(tmp_path):
    (message,) = refused(read_gold, tmp_path / "none.tsv")
    assert message.startswith(f"error[E201] {tmp_path}/none.tsv: cannot be read")


@pytest.mark.parametrize(
    ("text", "left"),
    [("A 1\nA 2\n", "'A' alone"), ("A 1\nB None\n", "'A' alone"), ("A None\nB None\n", "none")],
)
def test_fewer_than_two_systems_are_refused(write, text, left):
    path = write("x.seg.score", text)
    assert refused(read_gold, path) == [
        (
            f"error[E223] {path}: fewer than 2 systems have scores: {left}. "
            "fix: there is nothing to compare: give scores of several"
        )
    ]


# ── scores of metrics ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def gold(write):
    return read_gold(write("gold.tsv", "system\ts1\ts2\nref\t0\t1\nA\t2\t3\nB\t4\t5\nC\t\t\n"))


def test_scores_are_aligned_by_name_or_by_order(gold, write):
    table = write("m.tsv", "segment\tB\tA\tref\ns2\t1\tNaN\t3\ns1\t4\t5\t6\n")
    aligned = read_scores(table, gold, name="m").scores
    assert aligned.systems == gold.scores.systems == ("A", "B", "ref")
    assert aligned.segments == gold.scores.segments == ("s1", "s2")
    np.testing.assert_array_equal(aligned.values, [[5, math.nan], [4, 1], [6, 3]])
    assert aligned.signature.startswith("m|file|sha256:")
    lists = write("m.seg.score", "ref 6\nref 3\nB 4\nB 1\nA 5\nA None\n")
    np.testing.assert_array_equal(read_scores(lists, gold, name="m").scores.values, aligned.values)
    rows = write(
        "rows.tsv",
        "system\tsegment\tscore\nA\ts1\t5\nA\ts2\t\nB\ts1\t4\nB\ts2\t1\nref\ts2\t3\nref\ts1\t6\n",
    )
    np.testing.assert_array_equal(read_scores(rows, gold, name="m").scores.values, aligned.values)


def test_a_table_with_one_segment_that_is_a_number_is_a_table(write):
    gold = read_gold(write("h.tsv", "system\t1\nA\t2\nB\t3\n"))
    assert gold.scores.segments == ("1",)
    scores = read_scores(write("m.tsv", "system\t1\nA\t4\nB\t5\n"), gold, name="m").scores
    assert scores.values.tolist() == [[4.0], [5.0]]


def test_scores_that_were_written_are_read_back(gold, tmp_path):
    write_seg_scores(gold.scores, tmp_path / "h.seg.score")
    back = read_scores(tmp_path / "h.seg.score", gold, name="h").scores
    np.testing.assert_array_equal(back.values, gold.scores.values)


def test_systems_that_may_be_missing_have_no_scores(gold, write):
    lists = write("m.seg.score", "A 1\nA 2\nB 3\nB 4\n")
    scores = read_scores(lists, gold, name="m", may_miss={"ref"}).scores
    np.testing.assert_array_equal(scores.values, [[1, 2], [3, 4], [math.nan, math.nan]])


def test_scores_of_systems_that_nobody_scored_are_no_error(gold, write):
    lists = write("m.seg.score", "A 1\nA 2\nB 3\nB 4\nref 5\nref 6\nC 7\nC 8\n")
    assert read_scores(lists, gold, name="m").scores.systems == ("A", "B", "ref")


def test_what_does_not_match_is_counted_and_five_are_named(gold, write):
    others = "".join(f"X{n}\t1\t2\t3\n" for n in range(7))
    path = write("m.tsv", f"system\ts2\tt1\tt2\nA\t1\t2\t3\n{others}")
    assert refused(read_scores, path, gold, name="mine") == [
        (
            f"error[E225] {path}: mine is not of these translations: 2 systems missing "
            "('B', 'ref'); 1 segment missing ('s1'); 7 systems without human scores ('X0', "
            "'X1', 'X2', 'X3', 'X4' and 2 more); 2 segments without human scores ('t1', 't2'). "
            "fix: score every translation of the gold file, under its names"
        )
    ]


def test_another_number_of_segments_is_refused(gold, write):
    path = write("m.sys.score", "A 1\nB 2\nref 3\n")
    assert refused(read_scores, path, gold, name="m") == [
        (
            f"error[E225] {path}: 1 scores for each system, and the human scores are of 2 "
            "segments. fix: give one for each, in their order"
        )
    ]


def test_scores_of_whole_systems_meet_scores_of_whole_systems(write, tmp_path):
    gold = read_gold(write("h.sys.score", "A 1\nB 2\n"))
    write_sys_scores(gold.scores, tmp_path / "m.sys.score")
    scores = read_scores(tmp_path / "m.sys.score", gold, name="m").scores
    assert scores.values.tolist() == [[1.0], [2.0]]


def test_a_score_that_is_no_number_is_refused(gold, write):
    path = write("m.seg.score", "A 1\nA nan\n")
    assert refused(read_scores, path, gold, name="m") == [
        (
            f"error[E222] {path}:2: the score 'nan' is no finite number (1 of 2 rows; at: 2). "
            "fix: write a number, or None"
        )
    ]


def test_the_languages_of_a_file_must_exist_and_a_caller_may_name_others(write):
    gold = read_gold(write("x.tsv", MQM.replace("da-en", "dn-en")))
    options = {"where": "--gold", "fix": "--source-lang LANGUAGE"}
    assert refused(gold.in_languages, None, None, **options) == [
        (
            "error[E260] --gold: the source language: unknown language 'dn'. "
            "fix: --source-lang LANGUAGE, did you mean dan?"
        )
    ]
    assert gold.in_languages("Danish", None, **options).source_lang == "Danish"
