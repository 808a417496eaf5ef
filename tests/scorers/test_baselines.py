"""What a scorer must beat."""

import gold_scores
import numpy as np
import pytest

from rewardlab.human.rated import Rated
from rewardlab.scorers.baselines import (
    LengthModel,
    MarkingRates,
    mark_at_random,
    mark_everything,
)
from rewardlab.types import Candidate, ErrorSpan

SYSTEMS = ("A", "B", "C")


def rated(source, hypothesis, score=0.0, spans=()):
    return Rated(Candidate(source, hypothesis), score, (tuple(spans),))


def test_a_score_that_follows_from_lengths_is_found():
    """-1 - 2 |source| + 3 |hypothesis|."""
    pairs = [("a", "bb"), ("aa", "b"), ("aaa", "bbbb"), ("a", "bbbbb")]
    rows = [rated(s, h, -1.0 - 2.0 * len(s) + 3.0 * len(h)) for s, h in pairs]
    found = LengthModel.fitted(rows)
    assert (found.intercept, found.per_source, found.per_hypothesis) == pytest.approx((-1, -2, 3))


def test_lengths_score_every_translation():
    scored = LengthModel(10.0, 1.0, -1.0).scored(gold_scores.gold(), SYSTEMS)
    assert scored.scores.values[0].tolist() == [10.0 + 5 - 8, 10.0 + 8 - 11]
    assert scored.scores.systems == SYSTEMS


def test_lengths_need_rows():
    with pytest.raises(ValueError, match="no rows"):
        LengthModel.fitted([])


def test_rates_are_of_characters_and_of_their_worst_severity():
    """Of 20 characters 4 are minor and 2, one of them minor as well, are major; neutral is none."""
    spans = [
        ErrorSpan(0, 5, "Minor"),
        ErrorSpan(4, 6, "Major"),
        ErrorSpan(8, 9, "Neutral"),
        ErrorSpan(0, 3, "Major", side="source"),
    ]
    rates = MarkingRates.counted([rated("source", "ten letter", spans=spans), rated("s", "x" * 10)])
    assert rates == (6 / 20, 2 / 6)
    assert rates.commonest == "minor"
    assert MarkingRates(0.1, 0.6).commonest == "major"


def test_nothing_to_count_is_no_rate():
    assert MarkingRates.counted([]) == (0.0, 0.0)


def test_everything_is_marked():
    scored = mark_everything(gold_scores.gold(), SYSTEMS, MarkingRates(0.1, 0.9))
    assert scored.spans["A", "d:1"] == [ErrorSpan(0, 8, "major")]
    assert len(scored.spans) == 6


def test_words_are_marked_at_the_rate():
    gold = gold_scores.gold()
    long = "word " * 2000
    gold.hypotheses.update({("A", "d:1"): long})
    scored = mark_at_random(gold, SYSTEMS, MarkingRates(0.2, 0.5), seed=3)
    marked = scored.spans["A", "d:1"]
    assert len(marked) / 2000 == pytest.approx(0.2, abs=0.03)
    assert np.mean([span.severity == "major" for span in marked]) == pytest.approx(0.5, abs=0.08)
    assert {long[span.start : span.end] for span in marked} == {"word"}


def test_the_same_seed_marks_the_same_words():
    one, two = (
        mark_at_random(gold_scores.gold(), SYSTEMS, MarkingRates(0.5, 0.5), seed=1) for _ in "ab"
    )
    assert one.spans == two.spans
