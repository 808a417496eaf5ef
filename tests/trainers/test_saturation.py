"""A reward that gives all samples the same score is told, once, with its figures."""

import logging
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_grpo import Words, ours
from tiny_run import inputs

from rewardlab.rewards import ChrF, LexicalSpans, NotEmpty
from rewardlab.trainers.saturation import SaturationWatch, saturation
from rewardlab.types import RewardOutput, Term


def at_the_floor():
    """32 groups of 8 with the figures of a real run: mean -24.7, standard deviation 1.2."""
    scores = np.full((32, 8), -25.0)
    scores[:15, 0] = -20.0
    return scores


def test_scores_at_the_floor():
    found = saturation(at_the_floor(), worst=-25.0)
    # 15 of 256 rows are 5 above the floor, in 15 of 32 groups
    assert found.at_worst == pytest.approx(241 / 256)
    assert found.at_common == pytest.approx(241 / 256)
    assert found.flat == pytest.approx(17 / 32)
    assert (found.rows, found.groups, found.common) == (256, 32, -25.0)
    assert found.mean == pytest.approx(-24.707, abs=1e-3)
    assert found.std == pytest.approx(1.174, abs=1e-3)
    assert found.is_saturated


@pytest.mark.parametrize(
    ("scores", "is_saturated"),
    [
        (np.tile([0.0, -5.0], (32, 4)), False),
        (np.full((32, 8), 10.0), True),  # at the best
        (np.full((15, 8), 10.0), False),  # too few groups to say
        (np.full((20, 2), 10.0), False),  # too few rows
        (np.repeat(np.arange(32.0), 8).reshape(32, 8), True),  # orders sources, not samples
        (np.tile([1.0] * 7 + [0.0], (32, 1)), False),  # a guard that finds something
        (np.where(np.arange(256) % 30, 1.0, 0.0).reshape(32, 8), True),  # in 9 of 256 rows
        (np.tile([-24.9, -24.8], (32, 4)), True),  # near the floor
        (np.tile([-24.0, -10.0], (32, 4)), False),
        (np.full((32, 8), np.nan), False),
    ],
)
def test_what_is_saturated(scores, is_saturated):
    found = saturation(scores, worst=-25.0)
    assert (found is not None and found.is_saturated) is is_saturated


@given(
    st.lists(st.lists(st.floats(-25, 25), min_size=4, max_size=4), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
def test_order_does_not_matter(groups, random):
    scores = np.array(groups)
    found = saturation(scores, worst=-25.0)
    shuffled = [random.sample(group, len(group)) for group in random.sample(groups, len(groups))]
    again = saturation(np.array(shuffled), worst=-25.0)
    assert again == pytest.approx(found)
    assert 0.0 <= found.flat <= 1.0
    assert found.at_common >= 1 / found.rows


def test_a_reward_is_told_once_and_only_if_it_trains():
    watch = SaturationWatch(
        [
            Term(LexicalSpans(), weight=0.0, token_weight=1.0),
            Term(ChrF()),
            Term(NotEmpty(), weight=0.0),
        ]
    )
    floor = at_the_floor()
    differs = np.tile(np.arange(8.0), (32, 1))
    scores = np.stack([floor, differs, np.ones((32, 8))], axis=2).reshape(256, 3)
    halves = scores[:120], scores[120:]
    assert list(watch.see(halves[0], num_generations=8)) == [], "15 groups are few"
    (line,) = watch.see(halves[1], num_generations=8)
    assert line == (
        "the reward lexical_spans hardly tells samples apart: 94% of the latest 256 rows have its "
        "worst score, -25 (mean -24.71, std 1.2), and all samples score the same in 53% of 32 "
        "groups. Start from a better policy, raise the temperature if samples of a prompt are the "
        "same text, or give the weight to another reward"
    )
    assert list(watch.see(scores, num_generations=8)) == []


def test_a_reward_at_its_best_is_told_with_its_score():
    watch = SaturationWatch([Term(NotEmpty())])
    (line,) = watch.see(np.ones((64, 1)), num_generations=4)
    assert "not_empty hardly tells samples apart: 100% of the latest 64 rows have the same" in line


def test_training_says_it_in_the_log(tmp_path, caplog):
    @dataclass(frozen=True)
    class Same(Words):
        def __call__(self, candidates):
            return RewardOutput.of([-9.0] * len(candidates))

    trainer = ours(tmp_path, [Term(Same()), Term(Words(name="differs"))])
    with caplog.at_level(logging.WARNING, logger="rewardlab"):
        for _ in range(8):  # three groups of four each
            trainer._generate_and_score_completions(inputs())
    lines = [one.message for one in caplog.records if one.name.startswith("rewardlab")]
    assert [line.partition(":")[0] for line in lines] == [
        "the reward words hardly tells samples apart"
    ]
    assert "100% of the latest 72 rows have its worst score, -9 (mean -9, std 0)" in lines[0]
