"""Run by test_stopping under torchrun: the second process gets a signal during its third step."""

import os
import signal
import sys
from pathlib import Path

from test_grpo import Words
from tiny_run import config, dataset, fixed_rollout, policy, tokenizer

from rewardlab.ensemble import RewardEnsemble
from rewardlab.trainers.grpo import GRPOTrainer
from rewardlab.trainers.stopping import StopOnSignal
from rewardlab.types import Term


class SignalledOnRankOne(Words):
    def __call__(self, candidates):
        global calls  # noqa: PLW0603 - one process, one counter
        calls += 1
        if os.environ["RANK"] == "1" and calls == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().__call__(candidates)


calls = 0


def main(directory):
    stops = StopOnSignal()
    trainer = GRPOTrainer(
        policy(),
        ensemble=RewardEnsemble([Term(SignalledOnRankOne(), 1.0)]),
        args=config(directory / "run", per_device_train_batch_size=6, max_steps=50),
        train_dataset=dataset(),
        processing_class=tokenizer(),
        rollout_func=fixed_rollout,
        callbacks=[stops],
    )
    with stops.listening():
        trainer.train()
    name = f"rank-{os.environ['RANK']}"
    (directory / name).write_text(f"{trainer.state.global_step} {stops.signal.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
