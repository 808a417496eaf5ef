"""Ratings in JSON. The records are those of mt_metrics_eval.ratings at 68a481a, texts made up."""

import json

import pytest

from rewardlab.data.lines import lines_of
from rewardlab.errors import UserError
from rewardlab.human.annotations import RatedError
from rewardlab.human.json_ratings import read_evalset_ratings, read_standalone_ratings
from rewardlab.human.mtme_texts import TextsBeside
from rewardlab.types import WMT_MQM, ErrorSpan


def error(start, end, severity="major", category=None, **more):
    return {"start": start, "end": end, "category": category, "severity": severity, **more}


def rating(*errors):
    return json.dumps({"errors": list(errors)})


def evalset(*lines, hypotheses=None, sources=None):
    file = lines_of("".join(f"{line}\n" for line in lines).encode(), "x.seg.rating")
    beside = TextsBeside("mqm", hypotheses=hypotheses or {}, sources=sources)
    return file, read_evalset_ratings(file, beside)


def standalone(*objects):
    lines = [one if isinstance(one, str) else json.dumps(one) for one in objects]
    file = lines_of("\n".join(lines).encode(), "x.jsonl")
    return file, read_standalone_ratings(file)


def weighed(file, annotations):
    return annotations.weighed(file, WMT_MQM)


def record(**changes):
    return {
        "source": "Hej.",
        "hypothesis": "Hello.",
        "errors": [],
        "document_id": "d",
        "segment_id": 0,
        "system_id": "A",
        "rater_id": "r1",
        "src_lang": "da",
        "tgt_lang": "en",
        **changes,
    }


def refused(read, *lines):
    with pytest.raises(UserError) as caught:
        read(*lines)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


def test_the_nth_line_of_a_system_is_its_nth_segment():
    file, annotations = evalset(
        f"A\t{rating(error(0, 2))}",
        f"B\t{rating()}\tr7",
        "A\tNone",
        f"B\t{rating(error(1, 3, 'minor', 'Fluency', is_source_error=True, score=-1))}\tr7",
    )
    major = ErrorSpan(0, 2, "major")
    minor = ErrorSpan(1, 3, "minor", "Fluency", "source")
    assert annotations.rated() == {
        ("A", "1"): {"mqm": [RatedError("major", None, (major,))]},
        ("B", "1"): {"r7": []},
        ("B", "2"): {"r7": [RatedError("minor", "Fluency", (minor,))]},
    }
    gold = weighed(file, annotations)
    assert gold.scores.segments == ("1", "2")
    assert gold.raters == 2
    assert gold.hypotheses == {}
    assert "rows without a rating: 1" in gold.funnel


def test_errors_must_lie_in_their_texts_where_these_are_known():
    errors = (error(0, 2), error(4, 9), error(1, 1), error(2, 4, is_source_error=True))
    lines = (f"A\t{rating(*errors)}", f"B\t{rating()}")
    gold = weighed(*evalset(*lines, hypotheses={("A", "1"): "Hello"}, sources=["Hej."]))
    (spans,) = gold.spans["A", "1"]
    assert spans == (ErrorSpan(0, 2, "major"), ErrorSpan(2, 4, "major", side="source"))
    assert gold.scores.values[0, 0] == -20.0
    assert "marks around nothing: 1, marks outside their text: 1" in gold.funnel
    assert (gold.scores.segments, gold.documents, gold.sources) == (("1",), ("",), ("Hej.",))
    assert gold.hypotheses == {("A", "1"): "Hello"}


def test_a_rating_can_bring_its_texts():
    file, annotations = standalone(
        record(errors=[error(0, 5, "minor")]),
        record(rater_id="r2"),
        record(segment_id=1, source="Farvel.", hypothesis="Bye.", rater_id=None),
        record(system_id="B", hypothesis="Hi.", errors=[error(1, 3, is_source_error=True)]),
        record(system_id="B", hypothesis="Hi.", errors=[error(1, 3, is_source_error=True)]),
    )
    assert {cell: [*raters] for cell, raters in annotations.rated().items()} == {
        ("A", "d:0"): ["r1", "r2"],
        ("A", "d:1"): ["rater"],
        ("B", "d:0"): ["r1"],
    }
    gold = weighed(file, annotations)
    assert (gold.scores.segments, gold.documents) == (("d:0", "d:1"), ("d", "d"))
    assert gold.sources == ("Hej.", "Farvel.")
    assert gold.hypotheses["B", "d:0"] == "Hi."
    assert gold.spans["B", "d:0"] == ((ErrorSpan(1, 3, "major", side="source"),),)
    assert (gold.source_lang, gold.target_lang) == ("da", "en")
    assert gold.funnel.startswith("5 rows: 1 exact duplicate left out; 2 systems x 2 segments")


def test_systems_with_different_numbers_of_lines_are_refused():
    assert refused(evalset, "A\tNone", "A\tNone", "B\tNone", "B\tNone", "C\tNone") == [
        (
            "error[E224] x.seg.rating: systems have other numbers of segments than the 2 of most: "
            "'C: 1'. fix: write None where there is no score"
        )
    ]


@pytest.mark.parametrize(
    ("errors", "why"),
    [
        ("{}", "no errors"),
        ("[]", "it is a list, not an object"),
        ('{"errors": 1}', "errors is the number 1, not a list"),
        (
            rating(error("0", 1)),
            "start is the text '0' and end the number 1, not both whole numbers",
        ),
        (rating(error(0, True)), "start is the number 0 and end true, not both whole numbers"),
        (rating(error(3, 1)), "an error from 3 to 1"),
        (rating(error(-1, 1)), "an error from -1 to 1"),
        (rating(error(0, 1, None)), "severity is null, not text"),
        (rating(error(0, 1, category=5)), "category is the number 5, not text"),
        ('{"errors": [', "Expecting value: line 1 column 13 (char 12)"),
        ("[" * 100_000, "recursion depth"),
    ],
)
def test_lines_that_are_no_rating_are_refused_with_the_reason(errors, why):
    (message,) = refused(evalset, f"A\t{rating()}", f"A\t{errors}")
    assert message.startswith("error[E226] x.seg.rating:2: ")
    assert f" is no rating: {why} (1 of 2" in message or "recursion depth" in message
    assert "(1 of 2 rows; at: 2). fix: write {" in message


def test_cells_that_are_none_are_counted():
    assert refused(evalset, "A", "A\tNone\tr\tx") == [
        (
            "error[E226] x.seg.rating:1: 1 cells where there should be 2 or 3 "
            "(2 of 2 rows; at: 1, 2). fix: write system, rating, rater"
        )
    ]


def test_a_rater_rates_a_translation_once():
    assert refused(standalone, record(), record(errors=[error(0, 1)])) == [
        (
            "error[E226] x.jsonl:2: 'A, d:0' is rated again by the same rater "
            "(1 of 2 rows; at: 2). fix: keep one of the two"
        )
    ]


@pytest.mark.parametrize(
    "broken",
    [
        "not json",
        {"errors": []},
        record(segment_id="1"),
        record(segment_id=-1),
        record(segment_id=True),
        record(source=None),
        record(system_id=3),
    ],
)
def test_records_that_lack_something_are_refused(broken):
    (message,) = refused(standalone, record(), broken)
    assert message.startswith("error[E226] x.jsonl:2: ")


def test_empty_files_are_refused():
    assert refused(standalone, "") == [
        "error[E206] x.jsonl: no rows. fix: give a file with scores or annotations"
    ]
    assert refused(evalset) == [
        "error[E206] x.seg.rating: no rows. fix: give a file with scores or annotations"
    ]
