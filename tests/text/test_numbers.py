"""Numbers and times by value: the same in every form, and never ten times as much."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.rewards import NumbersAgree, NumbersKept
from rewardlab.types import Candidate

GUARDS = (NumbersKept(), NumbersAgree())


def scores(source, hypothesis):
    """Of both guards, in both directions."""
    rows = [Candidate(source, hypothesis), Candidate(hypothesis, source)]
    return [score for guard in GUARDS for score in guard(rows).scores.tolist()]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("４５，０００", "45,000"),
        ("45，000人", "45,000 people"),
        ("１，２３４．５", "1.234,5"),
        ("３．５", "3,5"),
        ("26،013", "26,013"),
        ("26\u200f،013", "26,013"),
        ("1\u2060000", "1000"),
        ("۲۶٬۰۱۳", "26.013"),
        ("٣٫٥", "3.5"),
        ("٣،٥", "3,5"),
        ("12,34,567", "1,234,567"),
        ("१२,३४,५६७", "1.234.567"),
        ("1’234’567", "1,234,567"),
        ("1ʼ234", "1234"),
        ("1\u202f234,5", "1,234.5"),
        ("1\u2009234", "1\u2007234"),
        ("7:30 p.m.", "19:30 Uhr"),
        ("7:30 p.m.", "19.30 Uhr"),
        ("7.30 pm", "19h30"),
        ("7:30 p. m.", "19 Uhr 30"),
        ("kl. 19.30", "7:30 PM"),
        ("klo 7.30", "7:30"),
        ("7 p.m.", "19 Uhr"),
        ("7:00 p.m.", "19 Uhr"),
        ("7 pm", "um 7 Uhr abends"),
        ("7:30 pm", "um 7:30 abends"),
        ("12 a.m.", "0 Uhr"),
        ("12:30 a.m.", "0:30 Uhr"),
        ("12 p.m.", "12 Uhr"),
        ("下午7点30分", "7:30 p.m."),
        ("오후 7시 30분", "19:30"),
        ("午後7時半", "7:30 pm"),
        ("٧:٣٠ م", "7:30 pm"),
        ("2.5 million", "2,500,000"),
        ("2.5 million", "250万"),
        ("２５万", "250,000"),
        ("3万2千", "32,000"),
        ("1억 2천만", "120 million"),
        ("5 crore", "50 million"),
        ("12 lakh", "1,200,000"),
        ("3 billion", "3 Milliarden"),
        ("3 billones", "3 Billionen"),
        ("2,5 mil millones", "2.5 billion"),
        ("1,5 Mrd.", "1.5bn"),
        ("2.5 million", "2.5 unknown"),
        ("100 km", "100 Kilometer"),
        ("5 m", "5 Meter"),
        ("10:20:30", "10:20:30"),
        ("John 3:16-18", "Johannes 3:16-18"),
    ],
)
def test_the_same_numbers(one, other):
    assert scores(one, other) == [1.0] * 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2.5 million", "25 million"),
        ("2.5 million", "2.5 billion"),
        ("45,000", "450,000"),
        ("４５，０００", "４５０，０００"),
        ("7:30 pm", "7:30 am"),
        ("7:30 p.m.", "18:30"),
        ("19:30", "19:03"),
        ("25万", "250万"),
        ("3万", "3千"),
        ("26،013", "2601"),
    ],
)
def test_different_numbers(one, other):
    assert max(scores(one, other)) < 0.99


@pytest.mark.parametrize(
    ("one", "other"), [("7:30 p.m.", "um 19.30"), ("7.30", "19:30"), ("3", "15")]
)
def test_the_hour_may_be_stated_by_another_clock(one, other):
    assert NumbersAgree()([Candidate(one, other)]).scores.tolist() == [1.0]


def in_script(text, zero):
    return "".join(chr(zero + int(one)) if one.isdigit() else one for one in text)


def grouped(number, separator):
    return f"{number:,}".replace(",", separator)


def indian(number):
    head, tail = divmod(number, 1000)
    pairs = []
    while head:
        head, pair = divmod(head, 100)
        pairs.append(f"{pair:02}" if head else str(pair))
    return ",".join([*reversed(pairs), f"{tail:03}"]) if pairs else str(tail)


FORMS = (
    str,
    *(lambda n, s=s: grouped(n, s) for s in (",", ".", " ", "\u00a0", "\u202f", "'", "’", "،")),
    indian,
    lambda n: in_script(grouped(n, "٬"), 0x660),
    lambda n: in_script(grouped(n, "٬"), 0x6F0),
    lambda n: in_script(indian(n), 0x966),
    lambda n: in_script(indian(n), 0x9E6),
    lambda n: in_script(grouped(n, "，"), 0xFF10),
    lambda n: f"{n / 10**6:f}".rstrip("0").rstrip(".") + " million",
    lambda n: f"{n / 10**4:f}".rstrip("0").rstrip(".") + "万",
)
"""Ways to write a whole number."""
numbers = st.one_of(st.integers(1, 99), st.integers(100, 10**9))


@settings(deadline=None)
@given(numbers, st.sampled_from(FORMS), st.sampled_from(FORMS))
def test_a_number_is_the_same_in_every_form(number, form, other):
    # Three decimals after a point, as in 1.234 million, are read as a thousand.
    texts = form(number), other(number)
    if not any(_three_decimals(text) for text in texts):
        assert scores(*texts) == [1.0] * 4


@settings(deadline=None)
@given(numbers, st.sampled_from(FORMS), st.sampled_from(FORMS))
def test_ten_times_as_much_never_agrees(number, form, other):
    texts = form(number), other(10 * number)
    if not any(_three_decimals(text) for text in texts):
        assert max(scores(*texts)) < 0.99


def _three_decimals(text):
    words = text.replace("万", " million").split(" million")
    return len(words) > 1 and len(words[0].partition(".")[2]) == 3 and not words[0].startswith("0.")


times = st.tuples(st.integers(0, 23), st.integers(0, 59))
CLOCKS = (
    lambda h, m: f"{h}:{m:02}",
    lambda h, m: f"{h}.{m:02} Uhr",
    lambda h, m: f"{h}h{m:02}",
    lambda h, m: f"{h} Uhr {m:02}",
    lambda h, m: f"{h}時{m:02}分",
    lambda h, m: f"{h % 12 or 12}:{m:02} {'p.m.' if h > 11 else 'a.m.'}",
    lambda h, m: f"{h % 12 or 12}.{m:02}{'pm' if h > 11 else 'am'}",
    lambda h, m: f"{'下午' if h > 11 else '上午'}{h % 12 or 12}:{m:02}",
)


@settings(deadline=None)
@given(times, st.sampled_from(CLOCKS), st.sampled_from(CLOCKS))
def test_a_time_is_the_same_by_every_clock(time, clock, other):
    assert scores(f"x {clock(*time)} x", f"x {other(*time)} x") == [1.0] * 4
