"""What RL can learn from a reward on a policy's own samples: hand-computed measures."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from rewardlab.preflight.on_samples import Samples, on_samples
from rewardlab.rewards import ChrF, ExactMatch, FromFunction, LengthRatio
from rewardlab.rewards.base import BaseReward
from rewardlab.types import Gate, RewardOutput

SAMPLES = Samples(
    sources=["The dog runs.", "The cat sleeps."],
    references=["Der Hund rennt.", "Die Katze schläft."],
    texts=[
        ["Der Hund rennt.", "Der Hund", "xyz"],
        ["Die Katze schläft.", "Die Katze", "xyz"],
    ],
)


def by(function, name):
    return FromFunction(lambda candidates: [function(c) for c in candidates], worst=-9.0, name=name)


def test_chrf_orders_as_itself_and_gains_all():
    found = on_samples([ChrF()], SAMPLES)["chrf"]
    assert (found.pairs.right.value, found.pairs.tied.value, found.pairs.pairs) == (1.0, 0.0, 6)
    assert found.share == 1.0
    assert found.repeatable == pytest.approx(1.0)


def test_a_reward_that_prefers_the_shortest_text_loses():
    found = on_samples([by(lambda c: -len(c.hypothesis), "short")], SAMPLES)["short"]
    chrf = [[ChrF()([c]).scores[0] for c in SAMPLES.candidates()[at : at + 3]] for at in (0, 3)]
    assert found.pairs.right.value == 0.0
    assert found.best.value == pytest.approx(np.mean([row[2] - np.mean(row) for row in chrf]))
    assert found.share < 0


def test_gated_samples_have_the_worst_score():
    shortest_first = by(lambda c: -len(c.hypothesis), "short")  # prefers "xyz", worst is -9
    gate = Gate(LengthRatio(min_ratio=0.5), below=1.0)  # rejects "xyz" (3 of 13 and 15)
    found = on_samples([shortest_first], SAMPLES, gates=[gate])["short"]
    # scores -15, -8, -9 and -18, -9, -9; the pairs (whole, half), (half, xyz) and (whole, xyz)
    # are wrong, right and wrong for the first source, wrong, tied and wrong for the second
    assert found.pairs.right.value == pytest.approx(1 / 6)
    assert found.pairs.tied.value == pytest.approx(1 / 6)


def test_a_reward_that_knows_sources_only_teaches_nothing():
    found = on_samples([by(lambda c: float("dog" in c.source), "source")], SAMPLES)["source"]
    assert found.within == 0.0
    assert (found.pairs.tied.value, found.pairs.constant.value) == (1.0, 1.0)
    assert found.best.value == pytest.approx(0.0)  # all samples are the best: their mean


def test_the_variance_within_sources_is_a_share_of_all():
    values = {
        "Der Hund rennt.": 0.0,
        "Der Hund": 1.0,
        "Die Katze schläft.": 10.0,
        "Die Katze": 11.0,
    }
    two = SAMPLES._replace(texts=[texts[:2] for texts in SAMPLES.texts])
    found = on_samples([by(lambda c: values[c.hypothesis], "levels")], two)["levels"]
    assert found.within == pytest.approx(0.25 / (25 + 0.25))


@dataclass(frozen=True, kw_only=True)
class Moody(BaseReward):
    """A learned reward whose answers are noise from call to call."""

    name: str = "moody"
    calls: list = field(default_factory=list, compare=False)
    learned = True
    worst = 0.0

    def __call__(self, candidates):
        self.calls.append(len(candidates))
        rng = np.random.default_rng(len(self.calls))
        return RewardOutput.of(rng.normal(size=len(candidates)).tolist())


def test_noise_does_not_repeat():
    many = Samples(
        [f"s{i}" for i in range(200)],
        ["r"] * 200,
        [[f"{i} {j}" for j in range(4)] for i in range(200)],
    )
    reward = Moody()
    found = on_samples([reward], many)["moody"]
    assert len(reward.calls) == 2
    assert abs(found.repeatable) < 0.15
    assert found.within == pytest.approx(0.75, abs=0.05)  # of noise: (G - 1) / G


def test_rows_without_a_score_are_left_out():
    found = on_samples([ExactMatch()], SAMPLES)["exact_match"]
    assert found.pairs.right.value == pytest.approx(4 / 6)
    assert found.pairs.tied.value == pytest.approx(2 / 6)
    assert found.share == 1.0
    nothing = on_samples([by(lambda c: None, "none")], SAMPLES)["none"]
    assert np.isnan(nothing.best.value)
    assert np.isnan(nothing.within)
