"""Step time of our GRPO trainer against TRL's, alternating in one process.

Both train the same small policy on the same prompts with the same rewards. The rewards are looked
up and cost nothing, so the difference is our own work: decoding with offsets, the ensemble,
alignment of two spans per completion, token-level advantages and their metrics. Steps alternate, so
drift of the machine affects both. The ratio is that of paired steps, with a bootstrap interval.

    .venv/bin/python benchmarks/trainer_overhead.py [--steps 60] [--threads 1] [--json results.json]
"""

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch
import trl
from datasets import Dataset, disable_progress_bars
from scipy.stats import bootstrap
from transformers import TrainerCallback
from transformers.utils import logging
from trl import GRPOConfig

from rewardlab import ErrorSpan, GRPOTrainer, RewardEnsemble, RewardOutput, Term
from rewardlab.store.run_directory import versions
from rewardlab.trainers.from_scratch import new_policy, train_tokenizer

WARM_UP = 5
ROWS, GROUP, TOKENS = 32, 8, 64
TEXT = "the small house by the river was sold to an old friend of the family last year"
REWARDS = np.random.default_rng(0).normal(size=ROWS)


class TakeTurns(TrainerCallback):
    """Lets one trainer step at a time, alternating, and times each step."""

    condition = threading.Condition()
    turn = 0

    def __init__(self, number: int) -> None:
        self.number = number
        self.seconds: list[float] = []

    def on_step_begin(self, *_: object, **__: object) -> None:
        with self.condition:
            self.condition.wait_for(lambda: TakeTurns.turn == self.number)
        self.began = time.perf_counter()

    def on_step_end(self, *_: object, **__: object) -> None:
        self.seconds.append(time.perf_counter() - self.began)
        with self.condition:
            TakeTurns.turn = 1 - self.number
            self.condition.notify_all()


class Precomputed:
    """Zero-latency scores with two error spans each."""

    name, signature, needs_reference, worst = "precomputed", "precomputed", False, -10.0

    def key(self, _candidate: object) -> None:
        return None

    def __call__(self, candidates: list) -> RewardOutput:
        spans = [
            [
                ErrorSpan(at, min(at + 6, len(c.hypothesis)), "major")
                for at in (0, 20)
                if at < len(c.hypothesis)
            ]
            for c in candidates
        ]
        return RewardOutput.of(REWARDS[: len(candidates)].tolist(), spans=spans)


def precomputed(completions: list[str], **_: object) -> list[float]:
    return REWARDS[: len(completions)].tolist()


def config(directory: str, steps: int) -> GRPOConfig:
    return GRPOConfig(
        directory,
        per_device_train_batch_size=ROWS,
        num_generations=GROUP,
        max_completion_length=TOKENS,
        generation_kwargs={"min_new_tokens": TOKENS},  # both do the same work at every step
        max_steps=steps,
        learning_rate=1e-6,
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        report_to=[],
        save_strategy="no",
        logging_steps=10,
        disable_tqdm=True,
        activation_checkpointing=False,
    )


def in_thread(trainer: trl.GRPOTrainer, threads: int) -> None:
    torch.set_num_threads(threads)  # torch counts them for each calling thread
    trainer.train()


def ratio_interval(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """95% bootstrap interval of the ratio of total times, over paired steps."""
    interval = bootstrap(
        (ours, theirs),
        lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        method="percentile",
        rng=0,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def measure(steps: int, layers: int, hidden_size: int) -> dict[str, object]:
    tokenizer = train_tokenizer([TEXT] * 8, vocab_size=300)
    prompts = Dataset.from_list([{"prompt": TEXT, "source": TEXT}] * 64)
    turns = [TakeTurns(0), TakeTurns(1)]
    with tempfile.TemporaryDirectory() as scratch:
        models = [new_policy(tokenizer, layers=layers, hidden_size=hidden_size) for _ in turns]
        ours = GRPOTrainer(
            models[0],
            ensemble=RewardEnsemble([Term(Precomputed(), 1.0, 0.5)]),
            args=config(f"{scratch}/ours", steps),
            train_dataset=prompts,
            processing_class=tokenizer,
            callbacks=[turns[0]],
        )
        theirs = trl.GRPOTrainer(
            models[1],
            reward_funcs=[precomputed],
            args=config(f"{scratch}/trl", steps),
            train_dataset=prompts,
            processing_class=tokenizer,
            callbacks=[turns[1]],
        )
        threads = [
            threading.Thread(target=in_thread, args=(trainer, torch.get_num_threads()))
            for trainer in (ours, theirs)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    mine, trls = (np.array(turn.seconds[WARM_UP:]) for turn in turns)
    low, high = ratio_interval(mine, trls)
    return {
        "parameters": sum(p.numel() for p in models[0].parameters()),
        "ours_ms": 1000 * float(np.median(mine)),
        "trl_ms": 1000 * float(np.median(trls)),
        "ratio": float(mine.sum() / trls.sum()),
        "low": low,
        "high": high,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1, help="of torch, for both trainers")
    parser.add_argument("--sizes", type=int, default=2, help="how many of the two policies")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    disable_progress_bars()
    logging.set_verbosity_error()
    print(f"{ROWS} rows in groups of {GROUP}, {TOKENS} tokens, {arguments.steps} steps each")
    print(
        f"{'parameters':>10} {'ours ms':>9} {'TRL ms':>9} {'ratio':>7}  95% interval   below 1.05"
    )
    rows = []
    for layers, hidden_size in ((4, 96), (6, 256))[: arguments.sizes]:
        row = measure(arguments.steps + WARM_UP, layers, hidden_size)
        rows.append(row)
        print(
            f"{row['parameters']:>10,} {row['ours_ms']:>9.1f} {row['trl_ms']:>9.1f} "
            f"{row['ratio']:>7.3f}  [{row['low']:.3f}, {row['high']:.3f}]   "
            f"{'yes' if row['high'] < 1.05 else 'NO'}"
        )
    if arguments.json:
        result = {"rows": rows, "versions": versions(), "threads": torch.get_num_threads()}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
