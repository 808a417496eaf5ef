"""MQM files as people and tools leave them. All texts are made up for these tests."""

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.data.lines import lines_of, read_lines
from rewardlab.errors import UserError
from rewardlab.human.annotations import RatedError, languages_of, mean_error, rater_error
from rewardlab.human.formats import read_gold
from rewardlab.human.mqm import MQM, read_annotations
from rewardlab.types import WMT_MQM, WMT_MQM_NO_SOURCE, XCOMET, ErrorSpan

RAW = "system doc doc_id seg_id rater source target category severity".replace(" ", "\t")
MAROT = "system doc docSegId globalSegId rater source target category severity metadata".replace(
    " ", "\t"
)


def line(*cells):
    return "\t".join(map(str, cells))


def file_of(*lines, header=RAW):
    """Lines under a header; None for no header."""
    text = "\n".join(([] if header is None else [header]) + list(lines)) + "\n"
    return lines_of(text.encode(), "file.tsv")


def parsed(*lines, header=RAW, severities=WMT_MQM):
    """The gold of the lines."""
    return MQM.read(file_of(*lines, header=header), severities)


def ratings(*lines, system="A", segment=("news", "1"), header=RAW):
    """Rater -> the errors found in one translation."""
    return read_annotations(file_of(*lines, header=header)).ratings[system, segment]


def refused(*lines, header=RAW):
    with pytest.raises(UserError) as caught:
        parsed(*lines, header=header)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


def row(  # a row of the raw form, said by name where it matters
    *,
    system="A",
    doc="news",
    number=1,
    overall=1,
    rater="r1",
    source="Hej med dig.",
    target="Hello you.",
    category="No-error",
    severity="No-error",
):
    return line(system, doc, number, overall, rater, source, target, category, severity)


def test_a_row_is_an_error_with_its_span_or_says_there_is_none(tmp_path):
    path = tmp_path / "mqm.tsv"
    lines = [
        RAW,
        row(target="Hello <v>you</v>.", category="Style/Awkward", severity="Minor"),
        row(source="Hej <v>med</v> dig.", category="Accuracy/Omission", severity="Major"),
        row(system="B", target="Hi."),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    gold = MQM.read(read_lines(path), WMT_MQM)
    assert gold.scores.segments == ("news:1",)
    assert (gold.documents, gold.sources) == (("news",), ("Hej med dig.",))
    assert gold.scores.systems == ("A", "B")
    assert gold.raters == 1
    assert gold.hypotheses == {("A", "news:1"): "Hello you.", ("B", "news:1"): "Hi."}
    minor = ErrorSpan(6, 9, "Minor", "Style/Awkward")
    major = ErrorSpan(4, 7, "Major", "Accuracy/Omission", side="source")
    assert read_annotations(read_lines(path)).ratings == {
        ("A", ("news", "1")): {
            "r1": [
                RatedError("Minor", "Style/Awkward", (minor,)),
                RatedError("Major", "Accuracy/Omission", (major,)),
            ]
        },
        ("B", ("news", "1")): {"r1": []},
    }
    assert gold.spans == {("A", "news:1"): ((minor, major),), ("B", "news:1"): ((),)}
    assert gold.scores.values.tolist() == [[-6.0], [0.0]]
    assert gold.funnel == (
        "3 rows; 2 systems x 1 segment (by test set number), 2 ratings of 1 rater, "
        "0 of 2 translations without one; severities wmt"
    )


def test_a_row_weighs_once_however_it_is_marked():
    rows = (
        row(target="<v>Hello</v> <v>you</v>.", severity="Major", category="Other"),
        row(severity="Minor", category="Other"),  # an error of the whole translation
    )
    (errors,) = ratings(*rows).values()
    assert [len(error.spans) for error in errors] == [2, 0]
    assert rater_error(errors, WMT_MQM) == 6.0
    (spans,) = parsed(*rows).spans["A", "news:1"]
    assert len(spans) == 2


def test_marks_on_both_sides_of_one_row_are_one_error():
    (error,) = ratings(
        row(source="<v>Hej</v> med dig.", target="<v>Hello</v> you.", severity="Minor", category="")
    )["r1"]
    assert error == RatedError(
        "Minor", None, (ErrorSpan(0, 5, "Minor"), ErrorSpan(0, 3, "Minor", side="source"))
    )


def test_the_marot_form_has_other_names_metadata_and_a_comment_in_its_header():
    metadata = json.dumps({"timestamp": 1, "marked_text": "you"})
    file = parsed(
        line("A", "n:en-de", 2, 7, "r1", "b", "B <v>b</v>", "Fluency/Grammar", "Major", metadata),
        line("A", "n:en-de", 1, 9, "r1", "a", "A", "No-error", "No-error", "{}"),
        header=f"{MAROT}\t# Documentation: somewhere",
    )
    assert file.scores.segments == ("n:en-de:2", "n:en-de:1")
    assert file.spans["A", "n:en-de:2"] == ((ErrorSpan(2, 3, "Major", "Fluency/Grammar"),),)
    assert (file.source_lang, file.target_lang) == ("en", "de")


def test_marot_files_need_no_header_and_rows_may_lack_metadata():
    file = parsed(
        line("A", "n", 1, 0, "r1", "a", "<v>A</v>", "Other", "Minor"),
        line("B", "n", 1, 0, "r1", "a", "B", "No-error", "No-error", ""),
        header=None,
    )
    assert file.scores.systems == ("A", "B")
    assert file.scores.values.tolist() == [[-1.0], [0.0]]


def test_headers_are_known_in_any_case_and_order_and_again_further_down():
    file = parsed(
        line("Minor", "A", "n", "1", "r1", "a", "<v>A</v>", "Other"),
        line("Severity", "SYSTEM", "doc", "DocSegId", "rater", "source", "target", "category"),
        line("No-error", "B", "n", "1", "r1", "a", "B", "No-error"),
        header=line(
            "Severity", "SYSTEM", "doc", "DocSegId", "rater", "source", "target", "category"
        ),
    )
    assert file.scores.systems == ("A", "B")
    joined = parsed(row(), RAW, row(system="B"))
    assert joined.funnel.startswith("3 rows: 1 repeated header left out; ")


def test_byte_order_mark_crlf_gzip_and_quotes_do_no_harm(tmp_path):
    quoted = row(target='He said "<v>Hello</v>', severity="Minor", category="Other")
    text = f"\ufeff{RAW}\r\n{quoted}\r\n\r\n{row(system='B')}\r\n"
    path = tmp_path / "mqm.tsv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    file = read_gold(path)
    assert file.hypotheses["A", "news:1"] == 'He said "Hello'
    assert file.scores.values.tolist() == [[-1.0], [0.0]]
    assert "a byte-order mark was taken off the start" in "\n".join(file.notes)
    assert "4 of 4 lines end in CRLF; read as LF" in "\n".join(file.notes)


def test_exact_duplicates_count_once_and_other_columns_tell_rows_apart():
    error = ("A", "n", 1, 1, "r1", "a", "<v>A</v>", "Other", "Minor")
    file = parsed(line(*error, "x"), line(*error, "x"), line(*error, "y"), header=MAROT)
    assert file.scores.values.tolist() == [[-2.0]]
    assert file.funnel.startswith("3 rows: 1 exact duplicate left out; ")


def test_attention_checks_are_no_errors_and_no_ratings():
    rows = (
        row(category="Found", severity="HOTW-test"),
        row(target="Hello <v>you</v>.", category="Other", severity="Major"),
        row(rater="r2", category="Missed", severity="HOTW-test"),
        row(system="B", target="Hi.", category="Found", severity="hotw-test"),
    )
    file = parsed(*rows)
    assert [*ratings(*rows)] == ["r1"]
    assert file.scores.values[0, 0] == -5.0
    assert ("B", "news:1") not in file.spans
    assert file.hypotheses["B", "news:1"] == "Hi."
    assert "4 rows: 3 attention checks left out" in file.funnel
    assert "raters of a translation with attention checks alone: 2" in file.funnel
    assert "1 of 2 translations without one" in file.funnel


def test_a_row_without_a_rater_is_a_translation_to_be_rated():
    file = parsed(
        row(rater="", category="", severity=""),
        row(system="B", target="Hi.", rater="", category="", severity=""),
        row(system="B", target="Hi."),
    )
    assert file.hypotheses == {("A", "news:1"): "Hello you.", ("B", "news:1"): "Hi."}
    assert set(file.spans) == {("B", "news:1")}
    assert "rows without a rating: 2" in file.funnel


@pytest.mark.parametrize(
    ("severity", "category"),
    [("No-error", "No-error"), ("no-error", "no-error"), ("", "No_Error"), ("No Error", "")],
)
def test_no_error_in_all_its_spellings_is_a_rating_without_errors(severity, category):
    assert ratings(row(severity=severity, category=category)) == {"r1": []}


def test_a_rater_who_found_errors_and_none_has_found_errors():
    file = parsed(row(), row(severity="Minor", category="Other", target="<v>Hello</v> you."))
    assert file.scores.values.tolist() == [[-1.0]]


def test_marks_on_a_row_without_an_error_are_counted_and_mean_nothing():
    file = parsed(row(target="<v>Hello</v> you."))
    assert ratings(row(target="<v>Hello</v> you.")) == {"r1": []}
    assert file.funnel.endswith("marks where no error is named: 1; severities wmt")


def test_odd_marks_are_read_as_far_as_they_mean_something_and_counted():
    odd = {"severity": "Minor", "category": "Other"}
    file = parsed(
        row(target="Hello <v>you.", **odd),
        row(target="</v>Hello you.", **odd),
        row(target="<v></v>Hello you.", **odd),
        row(target="<v>Hello <v>you</v>.</v>", **odd),
    )
    (spans,) = file.spans["A", "news:1"]
    assert [(span.start, span.end) for span in spans] == [(6, 10), (0, 10)]
    assert file.scores.values.tolist() == [[-4.0]]
    assert file.funnel.endswith(
        "marks that nothing closes: 1, ends of marks without a beginning: 1, "
        "marks inside a mark: 1, marks around nothing: 1; severities wmt"
    )


def test_the_first_text_counts_and_marks_of_others_move_to_it_or_go():
    odd = {"severity": "Minor", "category": "Other"}
    file = parsed(
        row(),
        row(target="Hello <v>you.  </v>", **odd),  # white space at the end
        row(target="Hello you.<v> </v>", **odd),  # nothing but that
        row(target="Hello to <v>you</v>.", **odd),  # another text with the same end
        row(target="Hello <v>to</v> you.", **odd),  # what the first text does not have
        row(system="B", source="Hej <v>med</v> dig. ", target="Hi.", **odd),
    )
    assert file.hypotheses["A", "news:1"] == "Hello you."
    assert file.sources == ("Hej med dig.",)
    (spans,) = file.spans["A", "news:1"]
    assert [(span.start, span.end) for span in spans] == [(6, 10), (6, 9)]
    assert file.scores.values[0, 0] == -4.0
    (other,) = file.spans["B", "news:1"]
    assert other == (ErrorSpan(4, 7, "Minor", "Other", side="source"),)
    assert "rows whose text differs from the first in white space at the end: 3" in file.funnel
    assert "rows whose text differs from the first: 2" in file.funnel
    assert "marks lost where texts differ: 2" in file.funnel


def test_segments_stand_in_the_order_of_their_test_set_numbers():
    file = parsed(
        row(doc="b", number=1, overall=10),
        row(doc="a", number=2, overall=9),
        row(doc="a", number=1, overall=2),
    )
    assert file.scores.segments == ("a:1", "a:2", "b:1")


@pytest.mark.parametrize("overall", [(0, 0, 0), ("", "", ""), (1, 2, "x")])
def test_without_such_numbers_documents_stand_as_they_come_and_are_ordered_inside(overall):
    file = parsed(
        row(doc="b", number=10, overall=overall[0]),
        row(doc="a", number=1, overall=overall[1]),
        row(doc="b", number=9, overall=overall[2]),
    )
    assert file.scores.segments == ("b:9", "b:10", "a:1")
    assert "(document by document)" in file.funnel


def test_numbers_in_a_document_that_are_no_integers_stay_in_the_order_of_the_file():
    file = parsed(row(number="x2", overall=""), row(number="x10", overall=""))
    assert file.scores.segments == ("news:x2", "news:x10")


def test_weights_are_added_in_the_order_of_the_file_bit_by_bit():
    """Which translations tie depends on it; 0.1 + 0.1 + 0.1 is not 0.3 here.

    The scores are those of mt-metrics-eval 0.0.3 (68a481a) for the same rows, on Python 3.11:
    python -m mt_metrics_eval.converters.score_mqm --input FILE
    """
    punctuation = {"severity": "Minor", "category": "Fluency/Punctuation"}
    marked = ["<v>Hello</v> you.", "Hello <v>you</v>.", "Hello you<v>.</v>"]
    rows = (
        *(row(target=target, **punctuation) for target in marked),
        row(rater="r2", target=marked[0], severity="Minor", category="Other"),
        row(rater="r3"),
    )
    found = ratings(*rows)
    assert {rater: rater_error(errors, WMT_MQM) for rater, errors in found.items()} == {
        "r1": 0.30000000000000004, "r2": 1.0, "r3": 0.0,
    }  # fmt: skip
    assert [*found] == ["r1", "r2", "r3"]
    assert mean_error(found.values(), WMT_MQM) == 0.43333333333333335
    assert parsed(*rows).scores.values.tolist() == [[-0.43333333333333335]]


@pytest.mark.parametrize(
    ("category", "severity", "wmt", "no_source"),
    [
        ("Accuracy/Omission (Translation)", "Major", 5.0, 5.0),
        ("Non-translation!", "Major", 25.0, 25.0),
        ("Fluency/Punctuation", "Minor", 0.1, 0.1),
        ("Fluency/Punctuation", "Major", 5.0, 5.0),
        ("Source issue", "Minor", 1.0, 0.0),
        ("Source error", "Major", 5.0, 0.0),
        ("Accuracy/Creative Reinterpretation", "Major", 5.0, 0.0),
        ("Accuracy/Mistranslation", "Minor", 1.0, 1.0),
        ("Other", "Neutral", 0.0, 0.0),
        ("Other", "Whatever", 0.0, 0.0),
    ],
)
def test_what_an_error_weighs(category, severity, wmt, no_source):
    errors = ratings(row(category=category, severity=severity))["r1"]
    assert rater_error(errors, WMT_MQM) == wmt
    assert rater_error(errors, WMT_MQM_NO_SOURCE) == no_source


def test_a_table_with_a_cap_cuts_what_one_rater_takes_off():
    critical = [row(category=f"Other/{n}", severity="Critical") for n in range(4)]
    assert parsed(*critical, severities=XCOMET).scores.values.tolist() == [[-25.0]]
    assert parsed(*critical).scores.values.tolist() == [[-20.0]]


@pytest.mark.parametrize(
    ("documents", "pair"),
    [
        (["a:en-de", "b:en-de"], ("en", "de")),
        (["a:en-pt_BR"], ("en", "pt_BR")),
        (["a:en-de", "b"], (None, None)),
        (["a:English-German"], (None, None)),
        (["a:1"], (None, None)),
        ([], (None, None)),
    ],
)
def test_languages_are_known_where_every_document_says_the_same(documents, pair):
    assert languages_of(documents) == pair


def test_a_rater_who_has_said_nothing_yet_has_not_rated():
    found = parsed(row(), row(system="B", category="", severity="", target="Hi."))
    assert found.spans.keys() == {("A", "news:1")}
    assert found.hypotheses["B", "news:1"] == "Hi."
    assert "rows without a rating: 1" in found.funnel


def test_white_space_around_names_tells_nothing_apart():
    found = parsed(row(), row(system="A ", doc=" news", number=" 1", rater="r1 "))
    assert found.scores.systems == ("A",)
    assert (found.scores.segments, found.documents) == (("news:1",), ("news",))
    assert found.sources == ("Hej med dig.",)
    assert found.raters == 1


def test_a_header_without_a_column_is_refused_with_what_is_missing():
    assert refused(row(), header=RAW.replace("severity", "seriousness")) == [
        (
            "error[E220] file.tsv:1: the header is not that of an MQM file: no column severity. "
            "fix: write the columns system doc docSegId globalSegId rater source target category "
            "severity metadata, separated by tabs"
        )
    ]


@pytest.mark.parametrize("text", ["", "\n\n", RAW, f"{RAW}\n\n"])
def test_a_file_without_rows_is_refused(text):
    with pytest.raises(UserError) as caught:
        read_annotations(lines_of(text.encode(), "file.tsv"))
    assert str(caught.value) == (
        "error[E206] file.tsv: no rows. fix: give a file with scores or annotations"
    )


def test_everything_wrong_with_the_rows_is_said_at_once():
    assert refused(
        row(),
        "A\tnews\t1",
        row(target="a\ttab"),
        row(system=" "),
        row(number="1:2"),
        row(rater="", severity="Major", category="Other"),
        "B\tnews",
    ) == [
        (
            "error[E221] file.tsv:3: a row has 3 cells and needs 9 (3 of 7 rows; at: 3, 4, 8)"
            ". fix: a tab or line break inside a text splits its row: write a space"
        ),
        (
            "error[E221] file.tsv:5: a row needs a system, and a segment number without a colon, "
            "and has ' , 1' (2 of 7 rows; at: 5, 6). fix: name both"
        ),
        (
            "error[E221] file.tsv:7: severity 'Major' without a rater (1 of 7 rows; at: 7). "
            "fix: write who rated into the column rater"
        ),
    ]


CELLS = st.sampled_from(
    [
        "<v>a</v>",
        "a<v>",
        "a",
        "ab ",
        "</v>b<v>a",
        "<v>é b",
        "No-error",
        "Minor",
        "HOTW-test",
        "",
        "1",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=9, max_size=9), min_size=1, max_size=4))
def test_any_rows_are_judgements_or_refused_and_spans_lie_in_their_texts(rows):
    text = "\n".join([MAROT, *("\t".join(cells) for cells in rows)])
    try:
        file = read_annotations(lines_of(text.encode(), "file.tsv"))
    except UserError as error:
        assert error.exit_code == 3  # noqa: PT017
        return
    for cell, raters in file.ratings.items():
        for span in (s for errors in raters.values() for error in errors for s in error.spans):
            own = span.side == "hypothesis"
            side = file.hypotheses.get(cell) if own else file.sources.get(cell[1])
            assert span.end <= len(side)
