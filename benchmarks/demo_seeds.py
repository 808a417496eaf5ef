"""The demonstration with several seeds: does RL help, and does token credit help it?

For each seed, one SFT policy is trained by RL twice from the same weights: with and without error
spans at token level. Held-out sentences are measured by exact match and TER, which are not rewards.
The peer in the same run is RL without token credit. "Steps" is the first measured step at which
TER has halved compared with the SFT policy.

    .venv/bin/python benchmarks/demo_seeds.py [--seeds 5] [--steps 80] [--json results.json]
"""

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap
from transformers import AutoModelForCausalLM

from rewardlab.cli.quiet import hush
from rewardlab.miniature.pipeline import DemoSettings, draw_sentences, fine_tuned_policy, reinforce
from rewardlab.store.run_directory import versions

ARMS = {"token credit": DemoSettings.token_weight, "sequence only": 0.0}


def steps_to_quality(curve: list, share: float = 0.5) -> int | None:
    target = share * curve[0][1].ter
    return next((step for step, found in curve if found.ter <= target), None)


def run_seed(settings: DemoSettings) -> dict[str, dict[str, object]]:
    sentences = draw_sentences(settings)
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer, start = fine_tuned_policy(Path(scratch), settings, sentences)
        # Saved and loaded, not deep-copied: TRL binds a trained model's forward to that object.
        start.save_pretrained(f"{scratch}/start")
        arms = {}
        for arm, weight in ARMS.items():
            result = reinforce(
                Path(scratch) / arm.replace(" ", "-"),
                dataclasses.replace(settings, token_weight=weight),
                sentences,
                tokenizer,
                AutoModelForCausalLM.from_pretrained(f"{scratch}/start"),
            )
            arms[arm] = {
                "before": result.before._asdict(),
                "after": result.after._asdict(),
                "steps": steps_to_quality(result.curve),
                "curve": [(step, found.ter) for step, found in result.curve],
            }
    return arms


def bootstrap_interval(values: np.ndarray) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean (Efron 1979)."""
    found = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=0)
    return found.confidence_interval


def show(results: list[dict]) -> None:
    for arm in ARMS:
        for measure in ("exact_match", "ter"):
            change = np.array(
                [r[arm]["after"][measure] - r[arm]["before"][measure] for r in results]
            )
            better = int((change > 0).sum() if measure == "exact_match" else (change < 0).sum())
            low, high = bootstrap_interval(change)
            print(
                f"{arm:<14} {measure:<12} change {change.mean():+6.2f} "
                f"[{low:+.2f}, {high:+.2f}]  better in {better} of {len(results)} seeds"
            )
    with_credit, without = ([r[arm]["steps"] for r in results] for arm in ARMS)
    print(f"steps to half the TER: token credit {with_credit}, sequence only {without}")
    difference = np.array(
        [r["token credit"]["after"]["ter"] - r["sequence only"]["after"]["ter"] for r in results]
    )
    low, high = bootstrap_interval(difference)
    print(
        f"final TER, token credit minus sequence only: {difference.mean():+.2f} "
        f"[{low:+.2f}, {high:+.2f}]"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=DemoSettings.rl_steps)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    hush()
    results = []
    for seed in range(arguments.seeds):
        results.append(run_seed(DemoSettings(seed=seed, rl_steps=arguments.steps)))
        for arm, found in results[-1].items():
            before, after = found["before"], found["after"]
            print(
                f"seed {seed} {arm:<14} exact match {before['exact_match']:.1f} -> "
                f"{after['exact_match']:.1f}  TER {before['ter']:.1f} -> {after['ter']:.1f}  "
                f"steps {found['steps']}",
                flush=True,
            )
    show(results)
    if arguments.json:
        result = {"seeds": results, "versions": versions()}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
