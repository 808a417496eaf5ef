"""How the cost of meta-evaluation grows: 529 segments against 5,290.

Synthetic scores of 14 systems, with the ties of MQM, in one process on one thread. The result is
the CPU time of the least disturbed repetition. Each statistic must grow by less than 15 times.
Comparing pairs of segments is quadratic and measured separately: `accuracy_eq` without grouping or
by system is timed only at the size of a WMT test set, and refuses more than `ties.MOST_PAIRS`
pairs.

    OMP_NUM_THREADS=1 python benchmarks/metaeval_growth.py [--json PATH]
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.score_matrix import system_means
from rewardlab.metaeval import bootstrap, comparison, correlations, system_level, ties
from rewardlab.store.run_directory import versions

SYSTEMS, SEGMENTS, TIMES = 14, 529, 10
BAR = 15.0
ENOUGH = 0.5
"""CPU seconds of repetitions, or `REPEATS` of them."""
REPEATS = 5
DRAWS = 20

Floats = NDArray[np.float64]
Statistic: TypeAlias = Callable[[Floats, Floats], Any]


def scores(segments: int) -> tuple[Floats, Floats]:
    """Half of the human scores are 0, as on the TED sets."""
    random = np.random.RandomState(0)
    errors = random.poisson(1.5, (SYSTEMS, segments)) * random.randint(0, 2, (SYSTEMS, segments))
    gold = -errors.astype(np.float64)
    return gold, 50.0 + gold + 10.0 * random.standard_normal(gold.shape)


def interval_of(samples: Callable[..., Any], resamples: int = 200, **settings: Any) -> Statistic:
    def statistic(gold: Floats, metric: Floats) -> Any:
        counts = bootstrap.segment_counts(gold.shape[1], resamples=resamples)
        return samples(gold, metric, counts=counts, **settings)

    return statistic


def compared(function: Callable[..., Any], **settings: Any) -> Statistic:
    def statistic(gold: Floats, metric: Floats) -> Any:
        return function(gold, {"one": metric, "other": metric[::-1]}, draws=DRAWS, **settings)

    return statistic


def soft(gold: Floats, metric: Floats) -> float:
    """SPA with nothing remembered."""
    system_level.signs.cache_clear()
    return system_level.spa(gold, metric + np.random.random_sample())  # noqa: NPY002 - another key


def soft_samples(gold: Floats, metric: Floats, counts: Any) -> Any:
    return bootstrap.spa_samples(gold, {"metric": metric}, counts)


def ranked(gold: Floats, metric: Floats) -> float:
    return system_level.pairwise_accuracy(system_means(gold), system_means(metric))


GROUPED: dict[str, Callable[..., Any]] = {
    "pearson": correlations.pearson,
    "spearman": correlations.spearman,
    "kendall b": correlations.kendall,
}
LINEAR: dict[str, Statistic] = {
    **{
        f"{name} {by}": partial(function, by=by)
        for name, function in GROUPED.items()
        for by in ("none", "item", "system")
    },
    "acc_eq item": partial(ties.accuracy_eq, by="item"),
    "pairwise accuracy": ranked,
    "spa": soft,
    "PERM-BOTH spa": compared(comparison.compare_spa),
    "PERM-BOTH acc_eq pairs item": compared(comparison.compare_accuracy_eq),
    "interval pearson none": interval_of(bootstrap.pearson_samples),
    "interval spearman none": interval_of(bootstrap.spearman_samples),
    "interval kendall item": interval_of(bootstrap.kendall_samples, by="item"),
    "interval acc_eq item": interval_of(bootstrap.accuracy_samples, epsilon=1.0, by="item"),
    "interval spa": interval_of(soft_samples, resamples=DRAWS),
}
PAIRS: dict[str, Statistic] = {
    f"acc_eq {by}": partial(ties.accuracy_eq, by=by) for by in ("none", "system")
} | {
    f"interval {name} {by}": interval_of(samples, resamples=1000, by=by, **settings)
    for by in ("none", "system")
    for name, samples, settings in (
        ("kendall", bootstrap.kendall_samples, {}),
        ("acc_eq", bootstrap.accuracy_samples, {"epsilon": 1.0}),
    )
}


def seconds(statistic: Statistic, given: tuple[Floats, Floats], repeats: int = REPEATS) -> float:
    """CPU seconds of the least disturbed repetition."""
    times: list[float] = []
    while len(times) < repeats or sum(times) < (repeats > 1) * ENOUGH:
        start = time.process_time()
        statistic(*given)
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    small, large = scores(SEGMENTS), scores(TIMES * SEGMENTS)
    print(f"{'':<32}{SEGMENTS:>12}{TIMES * SEGMENTS:>12}{'times':>9}   (CPU seconds)")
    rows: dict[str, dict[str, float]] = {}
    for name, statistic in LINEAR.items():
        few, many = seconds(statistic, small), seconds(statistic, large)
        rows[name] = {"seconds": few, "seconds_ten_times": many, "ratio": many / few}
        mark = "" if many / few < BAR else "   ABOVE THE BAR"
        print(f"{name:<32}{few:>12.4f}{many:>12.4f}{many / few:>9.1f}{mark}", flush=True)
    pairs: dict[str, float] = {}
    for name, statistic in PAIRS.items():
        pairs[name] = seconds(statistic, small, repeats=1)
        print(f"{name:<32}{pairs[name]:>12.4f}{'quadratic':>21}", flush=True)
    if options.json:
        result = {"bar": BAR, "linear": rows, "pairs": pairs, "most_pairs": ties.MOST_PAIRS}
        result |= {"systems": SYSTEMS, "segments": SEGMENTS, "versions": versions()}
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
