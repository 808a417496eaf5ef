"""What a scorer prefers, how it orders a machine's translations, and which damage it marks."""

import math

import numpy as np
import pytest

from rewardlab.data.funnel import Funnel
from rewardlab.human.rated import Preference, Rated
from rewardlab.scorers.free_heldout import has_planted_characters, measure_free, resampled
from rewardlab.scorers.free_supervision import FreeExamples
from rewardlab.types import Candidate, ErrorSpan, RewardOutput, Status


class Longest:
    """Prefers longer texts, and marks their first two characters."""

    name = "longest"

    def __call__(self, candidates):
        return RewardOutput.of(
            [float(len(one.hypothesis)) for one in candidates],
            spans=[[ErrorSpan(0, 2, "minor")] for _ in candidates],
        )


class Constant:
    """Gives every text the same score, except that it does not score some."""

    name = "constant"

    def __init__(self, unscored=()):
        self.unscored = unscored

    def __call__(self, candidates):
        failed = [one.hypothesis in self.unscored for one in candidates]
        return RewardOutput.of(
            [math.nan if bad else 1.0 for bad in failed],
            status=[Status.NON_FINITE if bad else Status.OK for bad in failed],
        )


def pair(better, worse, source="s"):
    return Preference(Candidate(source, better), Candidate(source, worse), 1.0, "d")


def marked(text, *spans, source="s"):
    return Rated(Candidate(source, text), -1.0, (spans,))


PAIRS = {"human > machine": [pair("aaa", "b"), pair("c", "dd"), pair("ee", "ff"), pair("ggg", "h")]}
PLANTED = [
    marked("abcdef", ErrorSpan(1, 4, "minor"), source="1"),
    marked("ghijkl", ErrorSpan(4, 6, "minor"), source="2"),
    marked("source", ErrorSpan(0, 1, "minor", side="source"), source="3"),
    Rated(Candidate("s", "whole"), 0.0, ((),)),
]
TRAIN = [marked("ab cd ef gh", ErrorSpan(0, 11, "major")), Rated(Candidate("s", "x"), 0.0, ((),))]


def measured(rated=PLANTED, pairs=PAIRS, machine=(), reward=None, train=TRAIN):
    examples = FreeExamples(list(rated), dict(pairs), dict.fromkeys(machine, Funnel()))
    return measure_free(examples, reward or Longest(), train=train, resamples=50, seed=0)


def test_a_tie_counts_half():
    found = measured()
    accuracy = found.accuracy["human > machine"]
    assert accuracy["longest", "accuracy"].value == 2.5 / 4
    assert accuracy["shorter", "accuracy"].value == 1.5 / 4
    assert found.pairs == {"human > machine": 4}


def test_a_pair_with_a_text_without_a_score_is_left_out_and_counted():
    found = measured(rated=(), reward=Constant(unscored=("aaa",)))
    assert found.accuracy["human > machine"]["constant", "accuracy"].value == 0.5
    assert found.failed == {"non_finite": 1}
    assert found.spans == {}


def test_spans_are_compared_on_planted_characters():
    """One of four marked characters is in an error; one of five characters of errors is marked."""
    found = measured()
    assert found.spans["longest", "precision"].value == 1 / 4
    assert found.spans["longest", "recall"].value == 1 / 5
    assert found.spans["longest", "f1"].value == pytest.approx(2 / 9)
    assert found.spans["mark_everything", "precision"].value == 5 / 12
    assert found.spans["mark_everything", "recall"].value == 1.0
    assert found.damaged == 2


def test_random_words_are_as_frequent_as_errors_in_damaged_training_texts():
    """All characters of the damaged training text are marked, so every word is."""
    found = measured()
    assert found.spans["random", "precision"] == found.spans["mark_everything", "precision"]


def test_an_error_without_characters_cannot_be_found():
    """An omission, and a missing final mark, which has its place in the source."""
    assert not has_planted_characters(marked("text"))
    assert not has_planted_characters(marked("text", ErrorSpan(0, 1, "minor", side="source")))
    assert has_planted_characters(marked("text", ErrorSpan(0, 1, "minor")))


class TestCorrelations:
    ROWS = (
        Rated(Candidate("aa", "xxx"), -3.0, (), "rules"),
        Rated(Candidate("bb", "x"), -2.0, (), "rules"),
        Rated(Candidate("cc", "xx"), -1.0, (), "rules"),
    )

    def test_with_the_scores_of_one_machine(self):
        """Lengths 3, 1, 2 against -3, -2, -1: means 2 and -2, so (-1·1 + 0·-1 + 1·0) / 2."""
        rows = (*self.ROWS, Rated(Candidate("dd", "xxxx"), -9.0, (), "other"))
        found = measured(rated=rows, machine=("rules",)).correlations
        assert [*found] == ["rules"]
        assert found["rules"]["longest", "pearson"].value == pytest.approx(-0.5)
        assert found["rules"]["longest", "spearman"].value == pytest.approx(-0.5)

    def test_beside_lengths_fitted_on_the_training_side(self):
        """In training, a character more costs two points."""
        train = [Rated(Candidate("ss", "x" * n), -2.0 * n, ((),)) for n in (1, 2, 3)]
        found = measured(rated=self.ROWS, machine=("rules",), train=train).correlations
        assert found["rules"]["length", "pearson"].value == pytest.approx(0.5)

    def test_a_scorer_that_tells_nothing_apart_has_none(self):
        found = measured(rated=self.ROWS, machine=("rules",), reward=Constant()).correlations
        assert found["rules"]["constant", "pearson"] == (0.0, 0.0, 0.0)

    def test_one_translation_has_no_correlation(self):
        assert measured(rated=self.ROWS[:1], machine=("rules",)).correlations == {}


def test_texts_of_one_source_are_drawn_together():
    counts = resampled(["a", "b", "a", "c"], resamples=30, seed=0)
    assert counts.shape == (31, 4)
    assert counts[0].tolist() == [1, 1, 1, 1]
    assert np.array_equal(counts[:, 0], counts[:, 2])
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_copies_of_one_text_do_not_narrow_an_interval():
    """Four pairs, and the same four with a second damaged copy of each source."""
    four = [pair("aaa", "b", "1"), pair("c", "dd", "2"), pair("ee", "f", "3"), pair("g", "hh", "4")]
    once = measured(pairs={"kind": four}).accuracy["kind"]["longest", "accuracy"]
    twice = measured(pairs={"kind": [*four, *four]}).accuracy["kind"]["longest", "accuracy"]
    assert once == twice
    assert once.low < 0.5 < once.high
