"""The results of benchmarks/gemma_270m.py: tables, intervals and what rewards can tell apart."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from command_runs import rewardlab
from gemma_bench import ENCODER, FLUENT, Bench, model
from independent_measures import ENCODED, Encoder, document_interval, off_target

from rewardlab.rewards import ChrF
from rewardlab.store.run_directory import versions
from rewardlab.types import Candidate

START = "sft-2"
"""The run that every arm starts from."""
ARMS = ("rl", "continued", "raft")
OTHERS = ("continued", "raft", START)


def systems(bench: Bench, seeds: int) -> list[dict[str, Any]]:
    """All finished systems."""
    out = bench.out
    found: list[dict[str, Any]] = [
        {"name": "copy", "copy": True},
        {"name": "4-shot", "translations": str(out / "few-shot.txt")},
        {"name": "apertium", "translations": str(out / "apertium")},
        {"name": "sft", "translations": str(out / "test-sft")},
        {"name": START, "translations": str(out / f"test-{START}")},
        {"name": "best-of-8", "translations": str(out / "best-of-8")},
        {"name": "oracle-of-8", "translations": str(out / "oracle-of-8")},
    ]
    return found + [
        {"name": run, "group": name, "translations": str(out / f"test-{run}")}
        for name in ARMS
        for run in [f"{name}-{seed}" for seed in range(seeds)]
        if f"test-{run}" in bench.costs
    ]


def measure(bench: Bench, seeds: int) -> dict[str, Any]:
    """Test all finished systems, print the tables, and return the results."""
    entries = systems(bench, seeds)
    name = f"evaluation-{len(entries)}"
    groups = {entry["group"] for entry in entries if "group" in entry}
    baseline = "continued" if "continued" in groups else START
    options = [f"systems={json.dumps(entries)}", f"baseline={baseline}"]
    bench.run(name, "evaluate", "evaluate.yaml", *options)
    print((bench.out / f"{name}.log").read_text())
    found = json.loads((bench.out / name / "evaluation.json").read_text())
    texts = {entry["name"]: tested(bench, entry) for entry in entries}
    result = {
        "costs": dict(bench.costs),
        "versions": versions(),
        "scores": found["scores"],
        "texts": found["texts"],
        **own_measures(bench, texts),
    }
    for scorer in ("scorer", "scorer-shuffled") if bench.has_scorer else ():
        discriminability(bench, scorer)
        result[scorer] = {
            "preflight": json.loads((bench.out / f"preflight-{scorer}.json").read_text()),
            "free": json.loads((bench.out / scorer / "results.json").read_text())["free"],
        }
    return result


def tested(bench: Bench, entry: dict[str, Any]) -> list[str]:
    """The translations of a system."""
    path = Path(entry.get("translations", bench.file("test", bench.sides[0])))
    path = path / "hypotheses.txt" if path.is_dir() else path
    return path.read_text("utf-8").split("\n")[:-1]


def own_measures(bench: Bench, texts: dict[str, list[str]]) -> dict[str, Any]:
    """Independent cosines, off-target rates, and intervals of RL over continued by documents."""
    test, language = bench.rows("test"), bench.languages["target_lang"]
    references, documents = [row[1] for row in test], [row[2] for row in test]
    packages = bench.out / "packages"
    encoder, chrf = Encoder(packages) if language in ENCODED else None, ChrF()
    by_row: dict[str, dict[str, Any]] = {"chrf": {}, **({"use": {}} if encoder else {})}
    table: dict[str, dict[str, float]] = {}
    for name, written in texts.items():
        table[name] = {"off_target": off_target(written, language, packages)}
        if encoder:
            by_row["use"][name] = encoder.cosines(written, references)
            table[name]["use"] = float(by_row["use"][name].mean())
        rows = zip(test, written, strict=True)
        scored = chrf([Candidate(row[0], text, reference=row[1]) for row, text in rows])
        by_row["chrf"][name] = np.array(scored.scores)
        print(f"{name:<16}{'  '.join(f'{key} {value:.4f}' for key, value in table[name].items())}")
    differences: dict[str, Any] = {}
    for arm_name, other in itertools.product(("rl", "raft", "continued"), OTHERS):
        for measured, values in by_row.items():
            paired = {
                seed: values[f"{arm_name}-{seed}"] - values[base]
                for seed in range(100)
                for base in [other if other == START else f"{other}-{seed}"]
                if f"{arm_name}-{seed}" in values and base in values and arm_name != other
            }
            if paired:
                mean = float(np.mean([value.mean() for value in paired.values()]))
                edges = document_interval(paired, documents)
                differences[f"{measured}: {arm_name} - {other}"] = [mean, *edges]
                shown = f"{mean:+.4f} [{edges[0]:.4f}, {edges[1]:.4f}] {len(paired)} seeds"
                print(f"{measured}: {arm_name} - {other:<12}{shown}")
    return {"independent": table, "differences_by_document": differences}


def discriminability(bench: Bench, scorer: str) -> None:
    """What each reward can tell apart among the policy's own samples.

    Args:
        bench: The benchmark.
        scorer: The scorer or its control.
    """
    name = f"preflight-{scorer}"
    if name in bench.costs:
        return
    rewards = [f"xcomet:model={bench.out / scorer}"]
    if scorer == "scorer":
        rewards += ["chrf", f"fluency:model={model(FLUENT)},enough=3.0"]
        rewards += [f"embedding:model={model(ENCODER)}"]
    bench.costs[name] = rewardlab(
        "preflight",
        *itertools.chain.from_iterable(("--reward", reward) for reward in rewards),
        *("--samples", str(bench.out / "dev-samples" / "samples.jsonl")),
        *("-r", str(bench.file("dev", bench.sides[1])), "--json", str(bench.out / f"{name}.json")),
        *("--source-lang", "en", "--target-lang", "es"),
        log=bench.out / f"{name}.log",
        threads=bench.threads,
    )
    print((bench.out / f"{name}.log").read_text())
