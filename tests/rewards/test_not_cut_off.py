import pytest

from rewardlab.rewards import NotCutOff
from rewardlab.types import Candidate, ErrorSpan


def judged(source, hypothesis, target_lang="de"):
    output = NotCutOff()([Candidate(source, hypothesis, target_lang=target_lang)])
    return output.scores[0] if output.status[0].scored else None


@pytest.mark.parametrize("text", ["Er ging.", "„Er ging.“", "Er ging …", "(Beifall)", "Er sagte:"])
def test_what_ends_as_a_sentence_does(text):
    assert judged("He left.", text) == 1.0


@pytest.mark.parametrize("text", ["Er ging", "Er ging in den", "Er,", "", "der 'Plan'"])
def test_what_stops_in_the_middle(text):
    assert judged("He left.", text) == 0.0


def test_all_of_the_source_is_marked():
    (spans,) = NotCutOff()([Candidate("He left.", "Er")]).spans
    assert spans == [ErrorSpan(0, 8, "major", "Accuracy/Omission", side="source")]


@pytest.mark.parametrize("source", ["Police arrest 15", "", "the 'plan'"])
def test_a_headline_needs_no_end(source):
    assert judged(source, "Polizei nimmt 15") is None


@pytest.mark.parametrize(("code", "score"), [("th", None), ("lo", None), ("ja", 0.0), ("br", 0.0)])
def test_languages_without_a_mark_at_the_end(code, score):
    assert judged("He left.", "เขาไปแล้ว", code) == score


def test_without_a_language_the_marks_are_expected():
    assert judged("He left.", "Er ging", None) == 0.0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("الكلب ينبح.\u200f", "ar"),
        ("कुत्ता भौंकता है |", "hi"),
        ("কুকুর ঘেউ করে |", "bn"),
        ("Er ging.\ufeff", "de"),
    ],
)
def test_a_complete_text_is_not_cut_off(text, code):
    assert judged("He left.", text, code) == 1.0
