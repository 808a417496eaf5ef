import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.rewards import LexicalSpans
from rewardlab.rewards.lexical_spans import common_subsequence, similarity
from rewardlab.types import WMT_MQM, Candidate, Status


def judged(source, hypothesis, reference):
    """The score and (text, severity, category, side, explanation) of each span."""
    output = LexicalSpans()([Candidate(source, hypothesis, reference)])
    assert output.status == [Status.OK]
    return output.scores[0], [
        (
            (hypothesis if span.side == "hypothesis" else source)[span.start : span.end],
            span.severity,
            span.category,
            span.side,
            span.explanation,
        )
        for span in output.spans[0]
    ]


@pytest.mark.parametrize(
    ("hypothesis", "reference", "score", "spans"),
    [
        ("the dog sleeps", "the dog sleeps", 0.0, []),
        (
            "the cat sleeps",
            "the dog sleeps",
            -5.0,
            [("cat", "major", "Accuracy/Mistranslation", "reference: dog")],
        ),
        (
            "the dog walk",
            "the dog walks",
            -1.0,
            [("walk", "minor", "Fluency/Grammar", "reference: walks")],
        ),
        (
            "the Dog sleeps",
            "the dog sleeps",
            -1.0,
            [("Dog", "minor", "Fluency/Spelling", "reference: dog")],
        ),
        (
            "the big red dog sleeps",
            "the dog sleeps",
            -5.0,
            [("big red", "major", "Accuracy/Addition", None)],
        ),
        (
            "the dog sleeps!",
            "the dog sleeps.",
            -0.1,
            [("!", "minor", "Fluency/Punctuation", "reference: .")],
        ),
        (
            "the dog, sleeps",
            "the dog sleeps",
            -0.1,
            [(",", "minor", "Fluency/Punctuation", None)],
        ),
        (
            "sleeps the dog",
            "the dog sleeps",
            -1.0,
            [("sleeps", "minor", "Fluency/Word order", None)],
        ),
        (
            "Tonight he sleeps",
            "he sleeps tonight",
            -1.0,
            [("Tonight", "minor", "Fluency/Word order", None)],
        ),
        (
            "in 1991 it rained",
            "in 1990 it rained",
            -5.0,
            [("1991", "major", "Accuracy/Mistranslation", "reference: 1990")],
        ),
        (
            "it costs €5",
            "it costs $5",
            -5.0,
            [("€", "major", "Accuracy/Mistranslation", "reference: $")],
        ),
        (
            "我喜欢上海",
            "我喜欢北京",
            -5.0,
            [("上海", "major", "Accuracy/Mistranslation", "reference: 北 京")],
        ),
        (  # the pair of similar words is found inside the gap
            "we saw dreadful houses there",
            "we saw house there",
            -6.0,
            [
                ("dreadful", "major", "Accuracy/Addition", None),
                ("houses", "minor", "Fluency/Grammar", "reference: house"),
            ],
        ),
    ],
)
def test_hypothesis_side_by_hand(hypothesis, reference, score, spans):
    found_score, found = judged("Quelle", hypothesis, reference)
    assert found_score == pytest.approx(score)
    assert [(text, *rest[:2], rest[3]) for text, *rest in found] == spans
    assert {rest[2] for _, *rest in found} <= {"hypothesis"}


def test_an_omitted_name_is_marked_where_the_source_has_it():
    score, spans = judged("Anna Schmidt schlief", "slept", "Anna Schmidt slept")
    assert score == -5.0
    assert spans == [
        ("Anna Schmidt", "major", "Accuracy/Omission", "source", "missing: Anna Schmidt")
    ]


def test_an_omission_without_its_literal_place_is_on_the_whole_source():
    _, spans = judged("Sie schlief nicht", "She slept", "She slept not")
    assert spans == [("Sie schlief nicht", "major", "Accuracy/Omission", "source", "missing: not")]


def test_a_word_that_the_source_has_twice_is_not_located():
    _, spans = judged("7 mal 7", "times", "7 times")
    assert [text for text, *_ in spans] == ["7 mal 7"]


def test_a_moved_word_is_not_an_omission_as_well():
    _, spans = judged("s", "b a", "a b")
    assert [rest[1] for _, *rest in spans] == ["Fluency/Word order"]


def test_missing_punctuation_is_minor():
    score, spans = judged("Ja, klar", "Yes sure", "Yes, sure")
    assert score == pytest.approx(-0.1)
    assert spans == [(",", "minor", "Fluency/Punctuation", "source", "missing: ,")]


def test_a_long_stretch_becomes_several_spans_so_that_dropping_a_clause_is_not_cheap():
    score, spans = judged("Quelle", "a b c d e f g h i j k end", "end")
    assert [text for text, *_ in spans] == ["a b c d e", "f g h i j", "k"]
    assert score == -15.0


def test_a_hypothesis_without_words_is_no_translation():
    assert judged("Hund", "", "dog") == (
        -25.0,
        [("Hund", "major", "Non-translation", "source", None)],
    )
    assert judged("Hund", "...", "dog") == (
        -25.0,
        [("...", "major", "Non-translation", "hypothesis", None)],
    )
    assert judged("Hund", "", "") == (0.0, [])
    assert judged("!", "!", "!") == (0.0, [])


def test_the_score_is_capped():
    hypothesis = " ".join("abcdefghijklmnopqrstuvwxyz")
    assert judged("s", f"{hypothesis} {hypothesis} {hypothesis}", "1")[0] == -25.0


def test_not_applicable():
    no_reference, no_source, too_long = (
        Candidate("a", "b"),
        Candidate("", "b", "c"),
        Candidate("a", "b", "c " * 10_001),
    )
    output = LexicalSpans()([no_reference, no_source, too_long])
    assert output.status == [Status.NOT_APPLICABLE] * 3


def test_words_after_the_limit_are_an_addition():
    hypothesis = "a " * 20_001
    _, spans = judged("s", hypothesis, "a")
    assert spans[-1] == ("a", "major", "Accuracy/Addition", "hypothesis", "not compared")


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_common_subsequence_is_one_and_is_longest(one, other):
    pairs = common_subsequence(one, other)
    assert all(one[i] == other[j] for i, j in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(pairs))
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]  # the textbook's table
    for i, x in enumerate(one):
        for j, y in enumerate(other):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
            )
    assert len(pairs) == table[-1][-1]


def test_similarity_by_hand():
    assert similarity("walk", "walks") == pytest.approx(8 / 9)
    assert similarity("Dog", "dOG") == 1.0
    assert similarity("cat", "car") == pytest.approx(4 / 6)
    assert similarity("a" * 65, "a" * 64) == 0.0


@given(
    st.lists(st.sampled_from(["dog", "dogs", "Cat", ",", "7", "北"]), max_size=10).map(" ".join),
    st.lists(st.sampled_from(["dog", "dogs", "cat", ".", "7", "北"]), max_size=10).map(" ".join),
)
def test_the_score_is_minus_the_weight_of_the_spans(hypothesis, reference):
    candidate = Candidate("dog 7", hypothesis, reference)
    output = LexicalSpans()([candidate])
    assert output.scores[0] == max(-25.0, -WMT_MQM.total(output.spans[0]))
    assert (output.scores[0] == 0.0) == (hypothesis == reference)


def test_short_texts_are_fast():
    candidate = Candidate(
        "Der Hund schläft heute nicht im Haus, sagte Anna.",
        "The dog sleep today not in a house, Anna told.",
        "Anna said the dog was not sleeping in the house today.",
    )
    started = time.process_time()
    LexicalSpans()([candidate] * 1000)
    assert time.process_time() - started < 2.0  # measured: 0.2 s


def test_invisible_characters_are_no_errors():
    row = Candidate("The dog barks.", "\u200fDer Hund\u200b bel\u00adlt.\u200f", "Der Hund bellt.")
    assert LexicalSpans()([row]).scores.tolist() == [0.0]
