import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.rewards import NumbersKept
from rewardlab.types import Candidate


def judged(source, hypothesis):
    output = NumbersKept()([Candidate(source, hypothesis)])
    return output.scores[0], [
        (
            (hypothesis if span.side == "hypothesis" else source)[span.start : span.end],
            span.severity,
            span.category,
            span.side,
        )
        for span in output.spans[0]
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,000.5", "1.000,5"),
        ("1,000.5", "1 000,5"),
        ("1,000.5", "1\u202f000,5"),
        ("1,000.5", "1'000.5"),
        ("1,000.5", "١٬٠٠٠٫٥"),
        ("1000", "1.000"),
        ("1,234,567", "1.234.567"),
        ("1,00,000", "100,000"),
        ("123", "१२३"),
        ("42", "４２"),
        ("0.125", "0,125"),
        ("2.50", "2,5"),
        ("05", "5"),
        ("12/05/2019", "12.05.2019"),
        ("2019年5月", "May 5, 2019"),
        ("v1.2.3", "Version 1.2.3"),
        ("$99", "99 €"),
        ("in 2019, 300 people", "300 Leute 2019"),
        ("COVID-19", "COVID 19"),
    ],
)
def test_equal_numbers(one, other):
    assert judged(one, other) == (1.0, [])


@pytest.mark.parametrize(
    ("one", "other"), [("1.5", "15"), ("2019", "2109"), ("3.5", "3.05"), ("100", "1000")]
)
def test_different_numbers(one, other):
    score, spans = judged(one, other)
    assert score == 0.0
    assert spans == [
        (other, "major", "Accuracy/Addition", "hypothesis"),
        (one, "major", "Accuracy/Omission", "source"),
    ]


@pytest.mark.parametrize(
    "item",
    [
        "{name}",
        "{{name}}",
        "${total}",
        "%s",
        "%1$d",
        "%(count)d",
        "<x1/>",
        '<a href="b">',
        "__VAR_1__",
        "https://example.org/a?b=2019&c=%20",
        "www.example.org",
        "jane.doe+mt@example.org",
    ],
)
def test_items_kept_as_they_are(item):
    assert judged(f"See {item} here.", f"Siehe {item}.") == (1.0, [])
    score, spans = judged(f"See {item} here.", "Siehe hier.")
    assert score == 0.0
    assert spans == [(item, "major", "Accuracy/Omission", "source")]


def test_share_counts_a_kept_pair_once():
    score, spans = judged("1990 {a} 2000", "1990 {b} 2000")
    assert score == pytest.approx(1 - 2 / 4)  # 1990, 2000, {a} lost, {b} invented
    assert [text for text, *_ in spans] == ["{b}", "{a}"]


def test_a_small_number_may_become_a_word():
    score, spans = judged("2 dogs, 1990", "zwei Hunde, 1990")
    assert score == pytest.approx(1 - 0.2 / 2)
    assert spans == [("2", "minor", "Accuracy/Omission", "source")]
    assert judged("13 dogs", "dreizehn Hunde")[1][0][1] == "major"


def test_of_equal_items_the_last_is_surplus():
    output = NumbersKept()([Candidate("50 Hunde", "50 dogs 50")])
    assert [(span.start, span.end) for span in output.spans[0]] == [(8, 10)]


def test_a_url_ends_before_its_sentence_does():
    assert judged("访问https://e.org/a。谢谢", "Visit https://e.org/a.") == (1.0, [])
    assert judged("(see www.e.org)", "(siehe www.e.org).") == (1.0, [])


def test_percentages_are_no_placeholders():
    assert judged("50%discount, 100 % sicher", "50 % Rabatt, 100% sure") == (1.0, [])


def test_no_items_is_fine():
    assert judged("Hund", "dog") == (1.0, [])
    assert judged("", "") == (1.0, [])


@given(st.integers(1000, 10**12), st.sampled_from([",", ".", " ", "\u00a0", "'", "’"]))
def test_grouping_does_not_matter(number, separator):
    assert judged(str(number), f"{number:,}".replace(",", separator)) == (1.0, [])
