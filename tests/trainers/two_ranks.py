"""Run by test_grpo under torchrun: trains on fixed completions, or raises on one process."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from test_grpo import Words
from tiny_run import config, dataset, fixed_rollout, policy, tokenizer

from rewardlab.ensemble import RewardEnsemble
from rewardlab.trainers.grpo import GRPOTrainer
from rewardlab.types import RewardOutput, Term


class RaisesOnRankOne(Words):
    def __call__(self, candidates):
        if os.environ["RANK"] == "1":
            raise ConnectionError("no such judge")
        return super().__call__(candidates)


@dataclass(frozen=True)
class BlindOnRankZero(Words):
    """A learned reward that is asked about planted texts; only the first process asks."""

    learned: bool = True

    def __call__(self, candidates):
        assert os.environ["RANK"] == "0"
        return RewardOutput.of([0.0] * len(candidates))


REWARDS = {"raise": RaisesOnRankOne, "blind": BlindOnRankZero}


def main(mode, directory):
    world, rank = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])
    reward = REWARDS.get(mode, Words)()
    trainer = GRPOTrainer(
        policy(),
        ensemble=RewardEnsemble([Term(reward, 1.0, 0.5)]),
        args=config(
            directory / f"run-{world}", per_device_train_batch_size=12 // world, max_steps=3
        ),
        train_dataset=dataset(),
        processing_class=tokenizer(),
        rollout_func=fixed_rollout,
    )
    started = time.monotonic()
    try:
        trainer.train()
    except Exception as error:
        note = directory / f"stopped-{rank}"
        note.write_text(f"{time.monotonic() - started:.1f} {error}")
        raise
    rollout = trainer.rollout
    lengths = [len(decoded.starts) for decoded in rollout.decoded]
    torch.save(
        {
            "advantages": [row[:n] for row, n in zip(rollout.advantages, lengths, strict=True)],
            "parameters": dict(trainer.accelerator.unwrap_model(trainer.model).named_parameters()),
            "metrics": trainer.state.log_history[0],
        },
        directory / f"{world}-{rank}.pt",
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
