"""Labels of pieces to spans, by hand."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.models.comet_spans import PieceLabels, error_spans, published_spans

LABELS = "ONMC"  # no error, miNor, Major, Critical


def labelled(labels, offsets, shares=None):
    """Labels of the special pieces and of those between, each with the share it got."""
    shares = shares or [0.7] * len(labels)
    probabilities = np.zeros((len(labels), 4), dtype=np.float32)
    for row, (label, share) in enumerate(zip(labels, shares, strict=True)):
        probabilities[row] = (1 - share) / 3
        probabilities[row, LABELS.index(label)] = share
    return PieceLabels(probabilities, [(0, 0), *offsets, (0, 0)])


TEXT = "The dog runs."
WORDS = [(0, 3), (3, 7), (7, 12), (12, 13)]  # The| dog| runs|.


def plain(spans):
    return [(TEXT[s.start : s.end], s.severity) for s in spans]


def test_the_space_before_a_word_is_not_in_its_span():
    labels = labelled("OONOOO", WORDS)
    assert plain(error_spans(labels, TEXT)) == [("dog", "minor")]
    assert plain(published_spans(labels)) == [(" dog", "minor")]


def test_the_most_severe_piece_decides():
    labels = labelled("OONCOO", WORDS)
    assert plain(error_spans(labels, TEXT)) == [("dog runs", "critical")]
    assert plain(published_spans(labels)) == [(" dog runs", "minor")]


def test_a_span_at_the_end_is_kept():
    labels = labelled("OOOONM", WORDS)  # </s> is an error too, so the span is still open
    assert plain(error_spans(labels, TEXT)) == [(".", "minor")]
    assert published_spans(labels) == []


def test_special_pieces_are_no_part_of_the_text():
    labels = labelled("CNOOOC", WORDS)
    assert plain(error_spans(labels, TEXT)) == [("The", "minor")]
    assert plain(published_spans(labels)) == [("The", "critical")]
    only = labelled("MOOOOO", WORDS)
    assert error_spans(only, TEXT) == []
    assert [span[:3] for span in published_spans(only)] == [(0, 0, "major")]


def test_an_error_between_two_that_are_none():
    labels = labelled("OMOMOO", WORDS)
    assert plain(error_spans(labels, TEXT)) == [("The", "major"), ("runs", "major")]


def test_confidence_is_the_mean_over_the_pieces():
    labels = labelled("OONCOO", WORDS, [0.7, 0.7, 0.6, 0.9, 0.7, 0.7])
    (span,) = error_spans(labels, TEXT)
    assert abs(span.confidence - 0.75) < 1e-6


def test_a_piece_without_characters_joins_nothing():
    labels = labelled("ONONOO", [(0, 3), (3, 3), (3, 7), (7, 12)])
    assert plain(error_spans(labels, TEXT)) == [("The dog", "minor")]


def test_white_space_alone_is_a_span_only_if_it_is_all_there_is():
    labels = labelled("OONO", [(0, 1), (1, 3)])
    assert [span[:2] for span in error_spans(labels, "a  ")] == [(1, 3)]


def test_no_pieces():
    assert error_spans(labelled("MM", []), "") == []


@given(
    st.text(alphabet="ab \t犬", min_size=1, max_size=12).flatmap(
        lambda text: st.tuples(
            st.just(text), st.lists(st.sampled_from(LABELS), min_size=len(text), max_size=len(text))
        )
    )
)
def test_spans_cover_every_error_once_and_nothing_else(case):
    """With a piece per character: spans are in order, apart, and hold what is marked."""
    text, labels = case
    found = error_spans(
        labelled(f"O{''.join(labels)}O", [(i, i + 1) for i in range(len(text))]), text
    )
    inside = {place for span in found for place in range(span.start, span.end)}
    marked = {place for place, label in enumerate(labels) if label != "O"}
    assert {place for place in marked if not text[place].isspace()} <= inside <= marked
    assert all(one.end < other.start for one, other in pairwise(found))
    for span in found:
        assert 0 <= span.start < span.end <= len(text)
