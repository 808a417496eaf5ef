"""The bootstrap by hand, and against sacrebleu's own paired test."""

import random

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest, estimate_ci

from rewardlab.evaluation.significance import (
    compare,
    corpus_segments,
    mean_segments,
    p_value,
)
from rewardlab.statistics import draws, interval

WORDS = ["the", "a", "dog", "cat", "house", "runs", "sleeps", "over", "bridge", ",", ".", "狗"]


def corpus(rows=80):
    """References, and three systems that garble them more and less; one answers nothing at all."""
    chance = random.Random(7)  # noqa: S311 - words, not secrets
    references = [" ".join(chance.choices(WORDS, k=chance.randint(2, 14))) for _ in range(rows)]

    def garbled(text, share):
        return " ".join(
            chance.choice(WORDS) if chance.random() < share else word for word in text.split()
        )

    systems = {
        "base": [garbled(text, 0.3) for text in references],
        "close": [garbled(text, 0.33) for text in references],
        "better": [garbled(text, 0.1) for text in references],
        "silent": [""] * rows,
    }
    systems["better"][rows // 2] = ""
    return references, systems


@pytest.mark.parametrize(
    "metric",
    [BLEU(), BLEU(tokenize="zh", lowercase=True), CHRF(), CHRF(word_order=2), TER()],
    ids=["bleu", "bleu-zh", "chrf", "chrf++", "ter"],
)
@pytest.mark.parametrize("rows", [80, 1])
def test_scores_intervals_and_p_values_are_sacrebleus(metric, rows):
    references, systems = corpus(rows)
    _, peer = PairedTest(
        list(systems.items()), {"m": metric}, [references], test_type="bs", n_samples=400
    )()
    [(_, results)] = [item for item in peer.items() if item[0] != "System"]
    drawn = [draws(rows, resamples=400, seed=12345)]
    segments = [[corpus_segments(metric, texts, references)] for texts in systems.values()]
    ours = compare(segments, drawn, {name: (at,) for at, name in enumerate(systems)}, "base")
    for name, theirs in zip(systems, results, strict=True):
        direction, macro = ours[name]
        assert direction == macro, "the average over one direction is that direction"
        assert direction.value == theirs.score
        if rows > 1:
            assert direction.interval.mean == pytest.approx(theirs.mean, rel=1e-7)
            assert direction.interval.half == pytest.approx(theirs.ci, rel=1e-6)
            assert theirs.p_value is None or direction.difference.p == theirs.p_value
        else:
            assert direction.interval is None
    assert rows == 1 or ours["close"][0].difference.p > 0.005 > ours["better"][0].difference.p


def test_draws_are_sacrebleus():
    drawn = draws(5, resamples=3, seed=12345)
    assert np.array_equal(drawn, np.random.default_rng(12345).choice(5, size=(3, 5), replace=True))
    assert not np.array_equal(drawn, draws(5, resamples=3, seed=1))


def test_the_mean_of_the_scored_rows():
    found = mean_segments(np.array([1.0, np.nan, 0.0, 0.5]))
    assert found.value == 0.5
    assert found.scored.tolist() == [True, False, True, True]
    # rows 0 and 2, rows 1 and 1, rows 3, 3, 0, 1
    drawn = np.array([[0, 2, 1, 1], [1, 1, 1, 1], [3, 3, 0, 1]])
    assert found.resampled(drawn).tolist() == pytest.approx([0.5, np.nan, 2 / 3], nan_ok=True)


def test_an_interval_cuts_a_fortieth_off_each_end():
    found = interval(np.arange(40.0)[::-1])
    assert (found.mean, found.low, found.high, found.half) == (19.5, 1.0, 38.0, 18.5)
    assert (found.mean, found.half) == tuple(map(float, estimate_ci(np.arange(40.0))))
    assert interval(np.array([np.nan, 2.0])).low == 2.0
    assert interval(np.full(9, np.nan)) is None


@pytest.mark.parametrize(
    ("samples", "difference", "p"),
    [
        # |d| less its mean of 2 is -1, 0, 1, 0: none is above 2, one is above 0.5
        ([1.0, -2.0, 3.0, 2.0], 2.0, 1 / 5),
        ([1.0, -2.0, 3.0, 2.0], -0.5, 2 / 5),
        ([1.0, -2.0, np.nan, 3.0, 2.0], 0.5, 2 / 5),
        ([0.0, 0.0], 0.0, 1.0),
        ([np.nan, np.nan], 1.0, None),
        ([1.0, 2.0], np.nan, None),
    ],
)
def test_p_values_by_hand(samples, difference, p):
    assert p_value(np.array(samples), difference) == p


def test_sacrebleu_calls_equal_outputs_different_and_we_do_not():
    """Should this fail after an update, the exception in `p_value` and the docs can go."""
    texts = ["a b c d e", "x y"]
    _, peer = PairedTest([("a", texts), ("b", texts)], {"m": CHRF()}, [texts], "bs", 99)()
    assert peer["chrF2"][1].p_value == 0.01
    segments = [[corpus_segments(CHRF(), texts, texts)]] * 2
    drawn = [draws(2, resamples=99, seed=12345)]
    difference = compare(segments, drawn, {"a": (0,), "b": (1,)}, "a")["b"][0].difference
    assert (difference.value, difference.p) == (0.0, 1.0)
    assert (difference.interval.low, difference.interval.high) == (0.0, 0.0)
    assert not difference.is_clear


def scored(*rows):
    return [mean_segments(np.array(direction)) for direction in rows]


def test_systems_are_compared_on_the_same_draws():
    """A system that is a quarter better on every row is so in every resample."""
    base = [0.0, 0.5, 0.25, 0.75]
    cells = [scored(base), scored([score + 0.25 for score in base])]
    drawn = [draws(4, resamples=200, seed=1)]
    found = compare(cells, drawn, {"base": (0,), "more": (1,)}, "base")
    assert found["base"][0].difference is None
    difference = found["more"][0].difference
    assert (difference.value, difference.interval.low, difference.interval.high) == (0.25,) * 3
    assert difference.rows == 4
    assert difference.is_clear
    assert found["more"][0].interval.low < found["more"][0].interval.high


def test_groups_are_means_over_seeds_and_directions_weigh_the_same():
    # two directions of two and four rows; the seeds of "rl" score 1/2, 1 and 1, 3/4
    cells = [
        scored([0.0, 0.0], [0.0, 0.0, 0.0, 0.0]),
        scored([1.0, 0.0], [1.0, 1.0, 1.0, 1.0]),
        scored([1.0, 1.0], [1.0, 0.0, 1.0, 1.0]),
    ]
    teams = {"sft": (0,), "rl-1": (1,), "rl-2": (2,), "rl": (1, 2)}
    drawn = [draws(2, resamples=100, seed=3), draws(4, resamples=100, seed=3)]
    found = compare(cells, drawn, teams, "sft")["rl"]
    assert [place.value for place in found] == [0.75, 0.875, (0.75 + 0.875) / 2]
    assert [place.difference.value for place in found] == [0.75, 0.875, 0.8125]
    assert [place.scored for place in found] == [4, 8, 12]
    spread = found[0].spread
    # 1/2 and 1: the deviations from 3/4 are a quarter, their sample variance 2/16
    assert (spread.members, spread.low, spread.high) == (2, 0.5, 1.0)
    assert spread.std == pytest.approx((2 / 16) ** 0.5)
    assert compare(cells, drawn, teams, "rl")["sft"][2].difference.value == -0.8125


def test_a_difference_is_over_the_rows_that_both_scored():
    nan = np.nan
    cells = [scored([0.0, 1.0, 0.0, nan]), scored([1.0, nan, 0.5, 0.0])]
    drawn = [draws(4, resamples=50, seed=3)]
    found = compare(cells, drawn, {"a": (0,), "b": (1,)}, "a")["b"][0]
    assert (found.value, found.scored, found.unscored) == (0.5, 3, 1)
    # rows 0 and 2: one half and one of difference
    assert (found.difference.value, found.difference.rows) == (0.75, 2)
    assert 0.5 <= found.difference.interval.low <= found.difference.interval.high <= 1.0


def test_without_a_scored_row_there_is_no_score_and_no_average():
    cells = [scored([1.0, 0.0], [np.nan, np.nan])]
    drawn = [draws(2, resamples=50, seed=3)] * 2
    first, second, macro = compare(cells, drawn, {"a": (0,)}, None)["a"]
    assert first.value == 0.5
    assert (first.scored, second.scored, macro.scored, macro.unscored) == (2, 0, 2, 2)
    for place in (second, macro):
        assert np.isnan(place.value)
        assert place.interval is None
