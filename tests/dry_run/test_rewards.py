"""Every reward is asked about one row by itself."""

from dataclasses import dataclass
from typing import ClassVar

from rewardlab.config.sections import GateConfig, RewardConfig
from rewardlab.data.corpora import Row
from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.rewards import build_each, check_rewards
from rewardlab.errors import Problem, RewardUnavailable, UserError
from rewardlab.rewards import ChrF, LengthRatio, NotCopied
from rewardlab.rewards.base import BaseReward
from rewardlab.types import Gate, Term

ROW = Row("7", "den gamle bro", "the old bridge", "da", "en")


@dataclass(frozen=True, kw_only=True)
class Broken(BaseReward):
    error: Exception
    name: str = "broken"
    worst: ClassVar[float] = 0.0

    def __call__(self, candidates):
        raise self.error


def test_rewards_and_gates_score_the_rows_own_reference():
    found = Findings()
    scored = check_rewards([Term(ChrF())], [Gate(NotCopied(), below=0.5)], ROW, found)
    assert {name: one["score"] for name, one in scored.items()} == {"chrf": 100, "not_copied": 1}
    assert all(one["seconds"] >= 0 for one in scored.values())
    assert (found.problems, found.notes) == ([], [])


def test_every_broken_reward_is_told_and_the_others_score():
    found = Findings()
    terms = [
        Term(Broken(error=ZeroDivisionError("oops"))),
        Term(Broken(error=RewardUnavailable("the service is down"), name="gone")),
        Term(Broken(error=UserError([Problem("E050", "metric", "is no checkpoint")]), name="lost")),
        Term(ChrF()),
    ]
    assert check_rewards(terms, [], ROW, found).keys() == {"chrf"}
    assert [problem.code for problem in found.problems] == ["E401", "E402", "E050"]
    assert "ZeroDivisionError('oops')" in found.problems[0].what
    assert found.exit_code == 4
    assert found.cause is not None


def test_a_gate_that_closes_on_the_reference_is_noted():
    found = Findings()
    check_rewards([], [Gate(LengthRatio(max_ratio=1.0, slack=0), below=0.99)], ROW, found)
    assert found.problems == []
    (note,) = found.notes
    assert note.startswith("the gate length_ratio closes on the reference of row 7: it scores 0.")


def test_what_cannot_be_built_is_left_out():
    rewards = [RewardConfig(reward="chrff"), RewardConfig(reward="chrf", weight=2.0)]
    terms, gates = build_each(rewards, [GateConfig(reward="not_empty", below=0.5)])
    assert [(term.reward.name, term.weight) for term in terms] == [("chrf", 2.0)]
    assert [gate.reward.name for gate in gates] == ["not_empty"]
