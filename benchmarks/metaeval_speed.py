r"""Meta-evaluation against mt-metrics-eval: equal numbers, and the cost of both.

Each FILE contains human judgements that `read_gold` reads. The texts of SYSTEM (``ref``) are the
reference. chrF, BLEU and TER score the other systems, without human translations. Each statistic
runs in its own process, ours and the tool's one after the other, on one thread. Measured are the
CPU seconds of a call, after one call on other data, and the peak memory of the whole process.
The numbers must be equal: correlations to 1e-9, the others to the last digit.

The tool is google-research/mt-metrics-eval, installed beside rewardlab with

    pip install --no-deps \
        git+https://github.com/google-research/mt-metrics-eval@68a481aea1a787392d55af8f76ac8ef40c5f4664

or put on PYTHONPATH. Without it, its columns are "not measured". Its permutation tests take
minutes. If it makes fewer draws, the p-values are compared on those draws, and its seconds for all
draws are extrapolated from the cost of the draws after the first. Its full enumeration of the
ungrouped pairs takes minutes and about 400 bytes per pair; ``--full`` runs it. A process that
needs more than MEMORY is stopped.

    python benchmarks/metaeval_speed.py FILE[=SYSTEM]... [--full] [--json PATH]
"""

import argparse
import functools
import itertools
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardlab.human.formats import read_gold
from rewardlab.metaeval import comparison, correlations, system_level, ties
from rewardlab.metaeval.scoring import compared_systems, score_gold
from rewardlab.rewards import BLEU, TER, ChrF
from rewardlab.store.run_directory import versions

TOOL_COMMIT = "68a481aea1a787392d55af8f76ac8ef40c5f4664"
MEMORY = 18_000_000_000
SEED = 0
ROUNDING = 1e-9
LONG = 2.0
REPEATS = 3
"""Processes, where the call takes less than `LONG` seconds."""
WARM = 20
"""Segments of a call before the one that is measured."""
SIDES = ("ours", "tool")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Floats = NDArray[np.float64]


class Work(NamedTuple):
    """One statistic, asked of either side.

    Attributes:
        ours: Of human scores and metrics, to numbers.
        tool: The same numbers from the tool.
        draws: How many random draws each side makes; 0 for none.
        exact: Equal to the last digit.
        slow: The tool takes minutes.
        ranked_by: What the metrics are ranked by before the clock starts: the tool compares a
            metric with one that is better.
    """

    ours: Callable[[Floats, dict[str, Floats], int], Any]
    tool: Callable[[Floats, dict[str, Floats], int], Any]
    draws: tuple[int, int] = (0, 0)
    exact: bool = True
    slow: bool = False
    ranked_by: Callable[[Floats, Floats], float] | None = None


def listed(values: Floats) -> list[float | None]:
    """Cells system by system, as the tool takes them."""
    return [None if math.isnan(value) else value for value in values.ravel().tolist()]


def correlation(gold: Floats, metric: Floats) -> Any:
    from mt_metrics_eval import stats

    return stats.Correlation(len(gold), listed(gold), listed(metric))


def theirs(by: str) -> str:
    return {"system": "sys"}.get(by, by)


def calibrated(by: str, slow: bool = False) -> Work:
    def ours(gold: Floats, metrics: dict[str, Floats], _: int) -> Any:
        return ties.accuracy_eq(gold, metrics["chrf"], by=by)[:2]

    def tool(gold: Floats, metrics: dict[str, Floats], _: int) -> Any:
        from mt_metrics_eval import stats

        gold_list, metric_list = listed(gold), listed(metrics["chrf"])
        return stats.KendallWithTiesOpt(
            gold_list, metric_list, "acc23", len(gold), theirs(by), 1.0
        )[:2]

    return Work(ours, tool, slow=slow)


def correlated(by: str) -> Work:
    """Pearson, Spearman and Kendall of three metrics."""

    def ours(gold: Floats, metrics: dict[str, Floats], _: int) -> Any:
        return [
            value
            for metric in metrics.values()
            for value in (
                correlations.pearson(gold, metric, by=by),
                correlations.spearman(gold, metric, by=by),
                correlations.kendall(gold, metric, by=by),
            )
        ]

    def tool(gold: Floats, metrics: dict[str, Floats], _: int) -> Any:
        found = []
        for metric in metrics.values():
            one = correlation(gold, metric)
            found += [one.Pearson(theirs(by))[0], one.Spearman(theirs(by))[0]]
            found.append(one.Kendall(theirs(by), "b")[0])
        return found

    return Work(ours, tool, exact=False)


def soft(copies: int) -> Work:
    """SPA of as many metrics as there are: chrF with ever more noise."""

    def noisy(metrics: dict[str, Floats]) -> list[Floats]:
        random = np.random.RandomState(SEED)
        chrf = metrics["chrf"]
        return [chrf + 5.0 * level * random.random_sample(chrf.shape) for level in range(copies)]

    def ours(gold: Floats, metrics: dict[str, Floats], _: int) -> Any:
        return [system_level.spa(gold, metric) for metric in noisy(metrics)]

    def tool(gold: Floats, metrics: dict[str, Floats], _: int) -> Any:
        from mt_metrics_eval import stats

        human = listed(gold)
        return [
            stats.PairwiseConfidenceError(human, listed(metric), len(gold))[0]
            for metric in noisy(metrics)
        ]

    return Work(ours, tool)


def compared(name: str, by: str, draws: tuple[int, int]) -> Work:
    """PERM-BOTH between the three metrics."""
    functions = {
        "spa": comparison.compare_spa,
        "pairs": comparison.compare_accuracy_eq,
    }

    def ours(gold: Floats, metrics: dict[str, Floats], count: int) -> Any:
        found = functions[name](gold, metrics, draws=count, seed=SEED).comparisons
        return [[one.first, one.second, one.p] for one in found]

    def tool(gold: Floats, metrics: dict[str, Floats], count: int) -> Any:
        from mt_metrics_eval import stats

        soft_agreement = functools.partial(stats.PairwiseConfidenceError, num_sys=len(gold))
        tests = {
            "spa": functools.partial(stats.PermutationSigDiff, corr_fcn=soft_agreement),
            "pairs": stats.PairwisePermutationSigDiff,
        }
        found = []
        for first, second in itertools.combinations(metrics, 2):
            np.random.seed(SEED)  # noqa: NPY002 - the generator it draws from
            pair = correlation(gold, metrics[second]), correlation(gold, metrics[first])
            p = tests[name](*pair, average_by=theirs(by), k=count)[0]
            found.append([first, second, float(p)])
        return found

    return Work(ours, tool, draws=draws, ranked_by=RANKED_BY[name])


RANKED_BY: dict[str, Callable[[Floats, Floats], float]] = {
    "spa": system_level.spa,
    "pairs": lambda gold, metric: ties.accuracy_eq(gold, metric).value,
}
WORK: dict[str, Work] = {
    "acc_eq none": calibrated("none", slow=True),
    "acc_eq item": calibrated("item"),
    "acc_eq system": calibrated("system"),
    "correlations none": correlated("none"),
    "correlations item": correlated("item"),
    "correlations system": correlated("system"),
    "spa of 1": soft(1),
    "spa of 10": soft(10),
    "PERM-BOTH spa": compared("spa", "none", (1000, 20)),
    "PERM-BOTH acc_eq pairs": compared("pairs", "item", (1000, 10)),
}


def measure(name: str, side: str, path: str, draws: int) -> None:
    """In a process of its own: print what it found and cost."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    held = dict(np.load(path))
    gold = held.pop("gold")
    if side == "tool":
        try:
            import mt_metrics_eval.stats  # noqa: F401 - loaded before the clock starts
        except ImportError:
            print(json.dumps(None))
            return
    import scipy.stats  # noqa: F401 - as above

    work, rank = getattr(WORK[name], side), WORK[name].ranked_by
    if side == "tool" and rank is not None:
        best = sorted(held, key=lambda metric: (-rank(gold, held[metric]), metric))
        held = {metric: held[metric] for metric in best}
    some = {metric: values[:, :WARM] for metric, values in held.items()}
    work(gold[:, :WARM], some, min(draws, 2))  # whatever is loaded or set up by the first call
    wall, start = time.perf_counter(), time.process_time()
    try:
        found = work(gold, held, draws)
    except MemoryError:
        print(json.dumps({"failed": f"needs more than {MEMORY / 1e9:.0f} GB"}))
        return
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"found": found, "seconds": seconds, "wall": wall, "peak_mb": peak}))


def in_its_own_process(name: str, side: str, path: Path, draws: int) -> Any:
    """What `measure` printed; of a few processes the least disturbed, unless they take long."""
    command = [sys.executable, __file__, "--measure", name, side, str(path), str(draws)]
    environment = os.environ | dict.fromkeys(THREADS, "1")
    runs: list[Any] = []
    while len(runs) < REPEATS:
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        runs.append(json.loads(done.stdout))
        if runs[-1] is None or runs[-1].get("seconds", LONG) >= LONG:
            break
    return runs[-1] if len(runs) < REPEATS else min(runs, key=lambda run: run["seconds"])


def same(ours: Any, tool: Any, *, exact: bool) -> bool:
    if exact:
        return ours == tool
    return bool(np.allclose(ours, tool, rtol=0.0, atol=ROUNDING))


def row(name: str, path: Path, *, full: bool) -> dict[str, Any]:
    """Both sides of one statistic, and whether they agree."""
    work = WORK[name]
    ours = in_its_own_process(name, "ours", path, work.draws[0])
    found: dict[str, Any] = {"ours": ours | {"draws": work.draws[0]}, "tool": None}
    if work.slow and not full:
        found["not_measured"] = "it takes minutes: --full"
        return found
    tool = in_its_own_process(name, "tool", path, work.draws[1])
    if tool is None or "failed" in tool:
        found["not_measured"] = "not installed" if tool is None else tool["failed"]
        return found
    alike, seconds = ours, tool["seconds"]
    if work.draws[0] != work.draws[1]:
        alike = in_its_own_process(name, "ours", path, work.draws[1])
        first = in_its_own_process(name, "tool", path, 1)["seconds"]
        seconds = first + (seconds - first) / (work.draws[1] - 1) * (work.draws[0] - 1)
    assert same(alike["found"], tool["found"], exact=work.exact), (name, alike, tool)  # noqa: S101
    found["tool"] = tool | {"draws": work.draws[1], "seconds_for_our_draws": seconds}
    found["times_faster"] = seconds / ours["seconds"]
    return found


def printed(name: str, found: dict[str, Any]) -> str:
    ours, tool = found["ours"], found["tool"]
    count = f" ({ours['draws']} draws)" if ours["draws"] else ""
    start = f"  {name + count:<36}{ours['seconds']:>9.3f} s{ours['peak_mb']:>8.0f} MB"
    if tool is None:
        return f"{start}   not measured ({found['not_measured']})"
    few = "" if tool["draws"] == ours["draws"] else f" (from {tool['draws']} draws)"
    return (
        f"{start}{tool['seconds_for_our_draws']:>10.3f} s{tool['peak_mb']:>8.0f} MB"
        f"{found['times_faster']:>9.1f}x{few}"
    )


def inputs(path: Path, reference: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Score the systems and leave the matrices where the processes find them."""
    gold = read_gold(path)
    systems = compared_systems(gold, reference_system=reference)
    rewards = [ChrF(), BLEU(), TER()]
    scored = score_gold(rewards, gold, systems=systems, reference_system=reference)
    matrices = {one.name: one.scores.values for one in scored}
    matrices["gold"] = gold.scores.only(systems).values
    # the tool refuses metrics without a score, as TER has none beyond 200 words
    whole = ~np.isnan(list(matrices.values())).any(axis=(0, 1))
    held = folder / f"{path.stem}.npz"
    np.savez(held, **{name: values[:, whole] for name, values in matrices.items()})
    about: dict[str, Any] = {"systems": len(systems), "segments": int(whole.sum())}
    about |= {"left_out": int((~whole).sum()), "reference_system": reference}
    about["signatures"] = {one.name: one.scores.signature for one in scored}
    return held, about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", metavar="FILE[=SYSTEM]")
    parser.add_argument("--full", action="store_true", help="let the tool enumerate all pairs")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, side, path, draws = options.measure
        measure(name, side, path, int(draws))
        return
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for given in options.data:
            name, _, reference = given.partition("=")
            path = Path(name)
            held, about = inputs(path, reference or "ref", Path(folder))
            left_out = f", {about['left_out']} left out" if about["left_out"] else ""
            size = f"{about['systems']} systems x {about['segments']} segments{left_out}"
            print(f"{path.stem}: {size}")
            print(f"  {'':<36}{'ours':>22}{'tool':>23}{'faster':>10}")
            rows: dict[str, Any] = {}
            for name in WORK:
                rows[name] = row(name, held, full=options.full)
                print(printed(name, rows[name]), flush=True)
            results[path.stem] = about | {"rows": rows}
    if options.json:
        result = {"data": results, "tool_commit": TOOL_COMMIT, "versions": versions()}
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
