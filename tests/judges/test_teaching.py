import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.judges.answers import MQMAnswer, read_answer
from rewardlab.judges.marking import error_total, mark
from rewardlab.judges.severities import WMT_JUDGE
from rewardlab.judges.teaching import answer_for, category_of, context_of, written
from rewardlab.types import WMT_MQM, Candidate, ErrorSpan, Status

NAMES = (
    "Accuracy/Mistranslation",
    "Fluency/Punctuation",
    "Non-translation!",
    "Source error",
    "Accuracy/Gender Mismatch",
    "Locale convention/Name format",
    "style/Unnatural or awkward",
    None,
)
WORDS = st.lists(
    st.sampled_from(["so", "so", "well", ",", " ", "\n", "猫", "😀", '"', "\\", "<eos>", "\u202e"])
    | st.text(max_size=3),
    max_size=12,
).map("".join)


@st.composite
def rated(draw):
    """A candidate of few words, said again and again, and spans on either side of it."""
    candidate = Candidate(draw(WORDS), draw(WORDS))
    spans = []
    for side, text in (("source", candidate.source), ("hypothesis", candidate.hypothesis)):
        for _ in range(draw(st.integers(0, 3)) if text else 0):
            start = draw(st.integers(0, len(text) - 1))
            end = draw(st.integers(start + 1, len(text)))
            severity = draw(st.sampled_from(["Minor", "major", "Critical", "neutral", "Trivial"]))
            spans.append(ErrorSpan(start, end, severity, draw(st.sampled_from(NAMES)), side))
    return candidate, spans


@given(rated())
def test_every_error_returns_to_its_place_at_its_cost(row):
    candidate, spans = row
    taught = answer_for(candidate, spans)
    read = read_answer(written(taught.answer), MQMAnswer)
    assert read == (Status.OK, taught.answer)
    weighing = [span for span in spans if WMT_MQM.weight(span) > 0]
    assert taught.neutral == len(spans) - len(weighing)
    assert taught.beyond == 0
    texts = {"source": candidate.source, "translation": candidate.hypothesis}
    marks = mark(texts, read.answer.errors)
    assert (marks.ambiguous, marks.dropped) == (taught.ambiguous, 0)
    found = [(span.side, span.start, span.end) for span in marks.spans]
    rated_places = [(span.side, span.start, span.end) for span in weighing]
    assert len(found) == len(rated_places) - taught.ambiguous
    for place in found:  # each is one of the rater's, none twice
        rated_places.remove(place)
    human = min(25.0, sum(WMT_MQM.weight(span) for span in weighing))
    assert error_total(read.answer.errors, WMT_JUDGE) == pytest.approx(human)


def test_an_answer_is_one_line_with_the_keys_of_the_form():
    candidate = Candidate("Das ist alt.", "This is is <old>.")
    spans = [
        ErrorSpan(8, 11, "Major", "Accuracy/Omission", "source"),
        ErrorSpan(11, 16, "Critical", "Accuracy/Mistranslation"),
        ErrorSpan(8, 10, "Minor", "Fluency/Grammar"),
        ErrorSpan(0, 4, "Neutral", "Style/Awkward"),
    ]
    taught = answer_for(candidate, spans)
    assert written(taught.answer) == (
        '{"errors": ['
        '{"span": "is", "span_with_context": "is \\u003c", "severity": "minor", '
        '"category": "Fluency/Grammar", "in": "translation"}, '
        '{"span": "\\u003cold\\u003e", "span_with_context": "", "severity": "major", '
        '"category": "Accuracy/Mistranslation", "in": "translation"}, '
        '{"span": "alt", "span_with_context": "", "severity": "major", '
        '"category": "Accuracy/Omission", "in": "source"}]}'
    )
    assert taught[1:] == (1, 0, 0)


def test_no_errors_is_an_answer():
    assert written(answer_for(Candidate("a", "b"), []).answer) == '{"errors": []}'


@pytest.mark.parametrize(
    ("text", "start", "end", "context"),
    [
        ("the cat and the dog", 0, 3, "the cat"),
        ("the cat and the dog", 12, 15, "the dog"),
        ("the cat and the dog", 4, 7, ""),
        ("a dog and a dog ran", 12, 15, "dog ran"),
        ("a dog ran and a dog", 2, 5, "dog ran"),
        ("red sea red sky red sun", 8, 11, "red sky"),
        ("good day to you, good day to me", 0, 8, "good day to you"),
        ("good day to you, good day to me", 17, 25, ", good day"),
        ("undo, redo", 2, 4, "do,"),
        ("猫狗猫鸟", 2, 3, "猫鸟"),
        ("so so so", 0, 2, None),
        ("so so so", 3, 5, None),
        ("aaa", 0, 2, None),
    ],
)
def test_as_few_neighbouring_words_as_tell_places_apart(text, start, end, context):
    assert context_of(text, start, end) == context


def test_a_long_text_said_twice_is_no_long_search():
    """Only words as far as the seam tell the first from the second; word by word, no more."""
    once = " ".join(str(number) for number in range(1000))
    assert context_of(f"{once} {once}", 0, 4) == f"{once} 0"


def test_what_no_answer_has_room_for_is_counted():
    text = "x" * 5000 + "".join(f" {number:03}" for number in range(60))
    spans = [ErrorSpan(0, 4001, "minor")]
    spans += [ErrorSpan(5001 + 4 * number, 5004 + 4 * number, "minor") for number in range(60)]
    taught = answer_for(Candidate("x", text), spans)
    assert len(taught.answer.errors) == 50
    assert taught.beyond == 11


def test_an_error_beyond_its_text_is_no_error_of_it():
    with pytest.raises(ValueError, match="reaches beyond the 3 characters of the hypothesis"):
        answer_for(Candidate("x", "abc", id="7"), [ErrorSpan(2, 4, "minor")])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Accuracy/Mistranslation", "Accuracy/Mistranslation"),
        ("fluency/punctuation", "Fluency/Punctuation"),
        ("Terminology/Inconsistent use of terminology", "Terminology/Inconsistent use"),
        ("Terminology", "Terminology/Inappropriate for context"),
        ("Locale convention/Name format", "Locale convention"),
        ("Accuracy/Source language fragment", "Accuracy/Untranslated text"),
        ("Style/Bad sentence structure", "Style/Awkward"),
        ("Non-translation!", "Non-translation"),
        ("Fluency/Display", "Other"),
        ("Source error", "Other"),
        ("", "Other"),
    ],
)
def test_categories_of_all_years(theirs, ours):
    assert category_of(theirs) == ours


@pytest.mark.parametrize(
    ("severity", "category", "written_as"),
    [
        ("Critical", "Accuracy/Mistranslation", ("major", "Accuracy/Mistranslation")),  # 5
        ("Critical", "Non-translation", ("critical", "Non-translation")),  # 25
        ("Critical", "Non-translation!", ("major", "Other")),  # people's table has it at 5
        ("Major", "Non-translation!", ("major", "Non-translation")),  # 25
        ("Minor", "Fluency/Punctuation", ("minor", "Fluency/Punctuation")),  # 0.1
        ("Minor", "Fluency/Punctuations", ("minor", "Other")),  # 1
        ("Major", "Source error", ("major", "Other")),  # 5
    ],
)
def test_words_are_chosen_by_what_they_cost(severity, category, written_as):
    whole = [ErrorSpan(0, 1, severity, category)]
    (error,) = answer_for(Candidate("a", "b"), whole).answer.errors
    assert (error.severity, error.category) == written_as
