import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.judges.locating import Lost, locate

TEXT = "The cat saw the cat and the dog. 猫😀 e\u0301"


@pytest.mark.parametrize(
    ("span", "context", "place"),
    [
        ("dog", "the dog", 28),
        ("dog", "", 28),
        ("dog", "a dog, not in the text", 28),
        ("cat", "The cat", 4),
        ("cat", "saw the cat and", 16),
        ("cat", "cat", Lost.AMBIGUOUS),
        ("cat", "", Lost.AMBIGUOUS),
        ("cat", "cat saw the cat", Lost.AMBIGUOUS),
        ("cat", "no quotation", Lost.AMBIGUOUS),
        ("Dog", "the dog", Lost.NOWHERE),
        ("bird", "the dog", Lost.NOWHERE),
        ("", "the dog", Lost.NOWHERE),
        ("猫", "猫😀", 33),
        ("😀", "", 34),
        ("é", "", Lost.NOWHERE),  # composed; the text has it decomposed
    ],
)
def test_a_place_is_certain_or_none(span, context, place):
    assert locate(TEXT, span, context) == place


def test_overlapping_places_are_several():
    assert locate("aaa", "aa", "") is Lost.AMBIGUOUS
    assert locate("xaaay", "aa", "xaa") == 1
    assert locate("xaaay", "aa", "aaa") is Lost.AMBIGUOUS


@given(
    text=st.text(alphabet="ab .", max_size=12),
    span=st.text(alphabet="ab .", max_size=4),
    context=st.text(alphabet="ab .", max_size=8),
)
def test_what_is_located_stands_there(text, span, context):
    """Every occurrence that a reader could mean, found by looking at every place."""
    here = [at for at in range(len(text)) if span and text.startswith(span, at)]
    place = locate(text, span, context)
    if not here:
        assert place is Lost.NOWHERE
    elif len(here) == 1:
        assert place == here[0]
    else:
        meant = [
            at + within
            for at in range(len(text))
            for within in range(len(context))
            if context and text.startswith(context, at) and context.startswith(span, within)
        ]
        assert place == (meant[0] if len(meant) == 1 else Lost.AMBIGUOUS)
