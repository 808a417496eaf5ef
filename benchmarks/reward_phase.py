"""Wall time of four rewards that wait 0.2 s each: the ensemble, against one after the other.

TRL's trainer calls plain reward functions one after the other.

    .venv/bin/python benchmarks/reward_phase.py [--json results.json]
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rewardlab import Candidate, RewardEnsemble, Term
from rewardlab.rewards import FromFunction
from rewardlab.store.run_directory import versions

WAIT, REWARDS, ROWS, REPEATS = 0.2, 4, 64, 10


def wait(candidates: list) -> list[float]:
    time.sleep(WAIT)
    return [0.0] * len(candidates)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = [Candidate("source", f"hypothesis {i}") for i in range(ROWS)]
    rewards = [FromFunction(wait, name=f"wait_{i}", worst=0.0) for i in range(REWARDS)]
    ensemble = RewardEnsemble([Term(reward) for reward in rewards])
    ours = [seconds(lambda: ensemble(rows)) for _ in range(REPEATS)]
    in_turn = [seconds(lambda: [reward(rows) for reward in rewards]) for _ in range(2)]
    result = {
        "ensemble_median": float(np.median(ours)),
        "ensemble_worst": max(ours),
        "in_turn": float(np.median(in_turn)),
    }
    print(f"{REWARDS} rewards waiting {WAIT} s each, {ROWS} rows, {REPEATS} repeats")
    print(f"ensemble  median {result['ensemble_median']:.3f} s, worst {max(ours):.3f} s")
    print(f"in turn   median {result['in_turn']:.3f} s")
    print(f"at most 0.25 s: {'yes' if max(ours) <= 0.25 else 'NO'}")
    if arguments.json:
        arguments.json.write_text(json.dumps({**result, "versions": versions()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
