"""Every reward is asked about planted texts by itself."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from rewardlab.config.sections import GateConfig, RewardConfig
from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.rewards import build_each, check_rewards, reward_table
from rewardlab.errors import Problem, RewardUnavailable, UserError
from rewardlab.rewards import ChrF, LengthRatio, NotCopied
from rewardlab.rewards.base import BaseReward
from rewardlab.types import Candidate, Gate, RewardOutput, Term

ROWS = [
    Candidate(source, "", reference, "da", "en", id=str(number))
    for number, (source, reference) in enumerate(
        [
            ("den gamle bro", "the old bridge"),
            ("den lille hund løber", "the little dog runs"),
            ("pigen læser en bog", "the girl reads a book"),
            ("han drikker koldt vand", "he drinks cold water"),
            ("vi så et gammelt skib", "we saw an old ship"),
        ],
        7,
    )
]


@dataclass(frozen=True, kw_only=True)
class Broken(BaseReward):
    error: Exception
    name: str = "broken"
    worst: ClassVar[float] = 0.0

    def __call__(self, candidates):
        raise self.error


@dataclass(frozen=True, kw_only=True)
class Blind(BaseReward):
    """The best score for everything."""

    name: str = "blind"
    learned = True
    worst: ClassVar[float] = -25.0

    def __call__(self, candidates):
        return RewardOutput.of([0.0] * len(candidates))


def test_a_good_text_and_bad_ones_are_scored():
    found = Findings()
    told = check_rewards([Term(ChrF())], [Gate(NotCopied(), below=0.5)], ROWS, found)
    assert told.keys() == {"chrf", "not_copied"}
    chrf, copied = told["chrf"], told["not_copied"]
    assert (chrf["reference"], chrf["rows"], copied["rows"]) == (100, 4, 4)
    assert all(chrf[kind] < 70 for kind in ("half", "copy", "unrelated", "gibberish"))
    assert (copied["reference"], copied["copy"], copied["gibberish"]) == (1, 0, 1)
    assert all(one["seconds"] >= 0 for one in told.values())
    assert (found.problems, found.notes) == ([], [])
    lines = reward_table(told).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].split()[:2] == ["chrf", "100"]


def test_every_broken_reward_is_told_and_the_others_score():
    found = Findings()
    terms = [
        Term(Broken(error=ZeroDivisionError("oops"))),
        Term(Broken(error=RewardUnavailable("the service is down"), name="gone")),
        Term(Broken(error=UserError([Problem("E050", "metric", "is no checkpoint")]), name="lost")),
        Term(ChrF()),
    ]
    assert check_rewards(terms, [], ROWS, found, refuse=True).keys() == {"chrf"}
    assert [problem.code for problem in found.problems] == ["E401", "E402", "E050"]
    assert "ZeroDivisionError('oops')" in found.problems[0].what
    assert found.exit_code == 4
    assert found.cause is not None


@pytest.mark.parametrize("refuse", [True, False])
def test_a_blind_reward_is_refused_for_training_only(refuse):
    found = Findings()
    terms = [Term(Blind()), Term(Blind(name="logged"), weight=0.0)]
    check_rewards(terms, [Gate(Blind(name="closes"), below=-1.0)], ROWS, found, refuse=refuse)
    words = "gives every planted text the same score, gibberish included (mean score of 4 rows: "
    assert [str(one).partition(" score")[0] for one in found.problems] == (
        ["error[E130] reward blind: gives every planted text the same"] if refuse else []
    )
    names = ["the reward logged", "the gate closes"]
    names = names if refuse else ["the reward blind", *names]
    assert [note.partition(" gives")[0] for note in found.notes] == names
    assert all(words in note for note in found.notes)
    assert found.exit_code == (4 if refuse else 0)


def test_a_gate_that_closes_on_references_is_noted():
    found = Findings()
    check_rewards([], [Gate(LengthRatio(max_ratio=1.0, slack=0), below=0.99)], ROWS, found)
    assert found.problems == []
    (note,) = found.notes
    assert note.startswith("the gate length_ratio closes on the reference of row 9")
    assert note.endswith("row 9: it scores 0.857143, below 0.99 (1 of 4 rows)")  # 18 of 21


def test_data_without_references_still_loads_every_reward():
    found = Findings()
    rows = [Candidate("brogon", "", None, "br", "en", id="1")]
    told = check_rewards([Term(Blind()), Term(ChrF())], [], rows, found, refuse=True)
    assert told["blind"].keys() == {"copy", "rows", "seconds"}
    assert told["chrf"]["copy"] == 100  # compared with itself
    assert [note.partition(": ")[0] for note in found.notes] == [
        "the reward blind was not checked on planted texts"
    ]


def test_a_long_name_and_a_status_fit_the_table():
    rewards = {
        "a_name_that_is_longer_than_its_column": {
            "reference": -24.98765,
            "rows": 1,
            "status": {"unparseable": 4, "truncated": 16},
            "seconds": 1234.5,
        }
    }
    lines = reward_table(rewards).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].endswith("made from 1 row")
    assert lines[2].strip() == "a_name_that_is_longer_than_its_column"
    assert lines[3].split() == ["-24.99", "-", "-", "-", "-", "1234.50"]
    assert lines[4].strip() == "not scored: unparseable 4, truncated 16"


def test_what_cannot_be_built_is_left_out():
    rewards = [RewardConfig(reward="chrff"), RewardConfig(reward="chrf", weight=2.0)]
    terms, gates = build_each(rewards, [GateConfig(reward="not_empty", below=0.5)])
    assert [(term.reward.name, term.weight) for term in terms] == [("chrf", 2.0)]
    assert [gate.reward.name for gate in gates] == ["not_empty"]
