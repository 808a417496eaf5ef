"""Does RL improve a real translator? Close languages, from scratch, against more fine-tuning.

One policy is fine-tuned (recipes/close_pair/sft.yaml). With several seeds, it is then trained in
three ways: more fine-tuning for as long as RL takes (continued.yaml, the baseline), RL with chrF
(rl.yaml), and the same RL with error spans as token credit. They are compared with the best of
eight samples of the fine-tuned policy, chosen by the samples (minimum Bayes risk) and by the
references (an oracle). `rewardlab evaluate` decodes and tests all of them on held-out documents.

DATA is the directory of NTREX-128 (github.com/MicrosoftTranslator/NTREX), with one file per
language and DOCUMENT_IDS.tsv.

    .venv/bin/python benchmarks/close_pair.py DATA --pair dan-nob --seeds 3 --jobs 2 --out runs/dn
"""

import argparse
import itertools
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from command_runs import RECIPES as ALL_RECIPES
from command_runs import Costs, rewardlab

from rewardlab.store.run_directory import versions

RECIPES = ALL_RECIPES / "close_pair"
FILES = {"aze": "aze-Latn"}
CREDIT = {"reward": "lexical_spans", "weight": 0.0, "token_weight": 0.1}
ARMS = ("continued", "rl", "rl-tokens", "mbr-of-8", "oracle-of-8")
BASELINES = ("continued", "sft", "rl")


def overrides(data: Path, pair: str) -> list[str]:
    source, target = pair.split("-")
    text = {
        side: data / f"newstest2019-ref.{FILES.get(language, language)}.txt"
        for side, language in (("source", source), ("reference", target))
    }
    return [
        *(f"data.{side}={path}" for side, path in text.items()),
        f"data.documents={data / 'DOCUMENT_IDS.tsv'}",
        f"data.source_lang={source}",
        f"data.target_lang={target}",
    ]


def arm(name: str, seed: int, out: Path, data: Sequence[str], threads: int) -> dict:
    """One run of one arm, in ``out/name-seed``."""
    run, start = out / f"{name}-{seed}", out / "sft-0" / "model"
    common = [*data, f"run={run}", f"seed={seed}"]
    policy = f"policy.path={start}"
    rewards = yaml.safe_load((RECIPES / "rl.yaml").read_text())["rewards"]
    command, recipe, own = {
        "sft": ("sft", "sft.yaml", []),
        "continued": ("sft", "continued.yaml", [policy]),
        "rl": ("rl", "rl.yaml", [policy]),
        "rl-tokens": ("rl", "rl.yaml", [policy, f"rewards={json.dumps([*rewards, CREDIT])}"]),
        "mbr-of-8": ("rerank", "rerank.yaml", [f"model={start}"]),
        "oracle-of-8": (
            "rerank",
            "rerank.yaml",
            [f"model={start}", f"samples_from={out / f'mbr-of-8-{seed}'}", "references=data"],
        ),
    }[name]
    words = [command, str(RECIPES / recipe), *common, *own]
    return rewardlab(*words, log=out / f"{run.name}.log", threads=threads)


def systems(seeds: int, out: Path) -> list[dict]:
    entries: list[dict] = [
        {"name": "copy", "copy": True},
        {"name": "sft", "model": str(out / "sft-0")},
    ]
    for name in ARMS:
        kind = "translations" if name.endswith("of-8") else "model"
        entries += [
            {"name": f"{name}-{seed}", "group": name, kind: str(out / f"{name}-{seed}")}
            for seed in range(seeds)
        ]
    return entries


def without_places(written: Path, pair: str) -> dict:
    """What was measured, without the directories that it lies in on this machine."""
    found = json.loads(written.read_text())
    kept = {key: found[key] for key in ("metrics", "bootstrap", "rows", "baseline", "groups")}
    return {**kept, **{key: found[key][pair] for key in ("scores", "texts")}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pair", default="dan-nob")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once, one thread each")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    data = overrides(options.data, options.pair)
    seeds = range(options.seeds)
    costs = Costs(options.out / "costs.json")

    def run(name: str, seed: int) -> None:
        if f"{name}-{seed}" not in costs:  # else it was finished before
            costs[f"{name}-{seed}"] = arm(name, seed, options.out, data, threads)

    run("sft", 0)
    for names in (ARMS[:-1], ARMS[-1:]):  # the oracle chooses among the samples of the former
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(run, *zip(*itertools.product(names, seeds), strict=True)))
    result: dict = {"pair": options.pair, "versions": versions(), "costs": costs}
    for baseline in BASELINES:
        directory = options.out / f"to-{baseline}"
        costs[directory.name] = rewardlab(
            "evaluate",
            str(RECIPES / "evaluate.yaml"),
            *data,
            f"run={directory}",
            f"systems={json.dumps(systems(options.seeds, options.out))}",
            f"baseline={baseline}",
            log=directory.with_suffix(".log"),
            threads=os.cpu_count() or 1,
        )
        print(directory.with_suffix(".log").read_text())
        result[directory.name] = without_places(directory / "evaluation.json", options.pair)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
