"""A trainer asks about planted texts before its first step, and refuses a blind reward."""

import logging
from dataclasses import dataclass

import pytest
from datasets import Dataset
from test_grpo import Words
from tiny_run import config, fixed_rollout, policy, tokenizer

from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import UserError
from rewardlab.trainers.grpo import GRPOTrainer
from rewardlab.trainers.planted_check import PlantedCheck
from rewardlab.types import RewardOutput, Term

PAIRS = {
    "one small house": "ein kleines Haus",
    "two old houses": "zwei alte Häuser",
    "a small boat": "ein kleines Boot",
}


@dataclass(frozen=True)
class Blind(Words):
    """The best score for everything, and how often it was asked."""

    learned: bool = True

    def __call__(self, candidates):
        assert all(one.prompt.startswith("Translate: ") for one in candidates)
        ASKED.append(len(candidates))
        return RewardOutput.of([0.0] * len(candidates))


ASKED = []


@pytest.fixture(autouse=True)
def nothing_asked():
    ASKED.clear()


def trainer(tmp_path, reward, **options):
    rows = [
        {"prompt": f"Translate: {source}", "source": source, "reference": reference}
        for source, reference in PAIRS.items()
    ]
    return GRPOTrainer(
        policy(),
        ensemble=RewardEnsemble([Term(reward)]),
        args=config(tmp_path, max_steps=1, **options),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(),
        rollout_func=fixed_rollout,
    )


def test_a_blind_reward_stops_the_run_before_its_first_step(tmp_path):
    made = trainer(tmp_path, Blind())
    with pytest.raises(UserError, match=r"E130.*words: gives every planted text the same") as why:
        made.train()
    assert why.value.exit_code == 4
    assert made.state.global_step == 0
    assert made.rollout is None, "nothing was sampled"
    # references, copies and gibberish of three rows; two halves ("ein kleines" is half of two)
    assert ASKED == [11]


def test_the_check_can_be_removed(tmp_path):
    made = trainer(tmp_path, Blind())
    made.remove_callback(PlantedCheck)
    made.train()
    assert made.state.global_step == 1


def test_a_resumed_run_is_not_checked_again(tmp_path):
    made = trainer(tmp_path, Blind(), save_strategy="steps", save_steps=1)
    made.remove_callback(PlantedCheck)
    made.train()
    ASKED.clear()
    again = trainer(tmp_path, Blind(), num_train_epochs=2)
    again.args.max_steps = 2
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    assert again.state.global_step == 2
    assert ASKED == [12], "the rows of one step"


def test_what_is_doubtful_is_logged_once(tmp_path, caplog):
    made = trainer(tmp_path, Blind(learned=None))
    with caplog.at_level(logging.WARNING, logger="rewardlab"):
        made.train()
    ours = [line.message for line in caplog.records if line.name.startswith("rewardlab")]
    assert [line.partition(" (")[0] for line in ours] == [
        "the reward words gives every planted text the same score, gibberish included"
    ]
