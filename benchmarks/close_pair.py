"""Does RL improve a real translator? Close languages, from scratch, against more fine-tuning.

One policy is fine-tuned (recipes/close_pair/sft.yaml). With several seeds, it is then trained in
three ways: more fine-tuning for as long as RL takes (continued.yaml, the baseline), RL with chrF
(rl.yaml), and the same RL with error spans as token credit. They are compared with the best of
eight samples of the fine-tuned policy, chosen by the samples (minimum Bayes risk) and by the
references (an oracle). `rewardlab evaluate` decodes and tests all of them on held-out documents.

DATA is the directory of NTREX-128 (github.com/MicrosoftTranslator/NTREX), with one file per
language and DOCUMENT_IDS.tsv, or the directory that Debian's packages libreoffice-help-* were
unpacked into: some 20,000 paragraphs of software help.

    .venv/bin/python benchmarks/close_pair.py DATA --pair dan-nob --seeds 3 --jobs 2 --out runs/dn
    .venv/bin/python benchmarks/close_pair.py help --pair es-ca --seeds 1 --jobs 2 --out runs/es-ca
"""

import argparse
import itertools
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import yaml
from command_runs import RECIPES as ALL_RECIPES
from command_runs import Costs, rewardlab

from rewardlab.data.corpora import read_parallel
from rewardlab.store.run_directory import versions

RECIPES = ALL_RECIPES / "close_pair"
FILES = {"aze": "aze-Latn"}
CREDIT = {"reward": "lexical_spans", "weight": 0.0, "token_weight": 0.1}
ARMS = ("continued", "rl", "rl-tokens", "mbr-of-8", "oracle-of-8")
BASELINES = ("continued", "sft", "rl")
CHARACTERS = (20, 160)
"""Of a paragraph of software help. Shorter ones are menu items; sft.yaml drops longer ones."""
HELP_TEST = 350
HELP_DATA = f"data.heldout={HELP_TEST}"
HELP_ROWS = {
    "sft": ['synthetic={"copies": 12000, "word_for_word": 12000, "longest": 20, "passes": 1}'],
    "continued": [
        'synthetic={"copies": 0, "word_for_word": 0, "longest": 20, "passes": 1}',
        "trainer.max_steps=775",
    ],
}
"""The help has twenty times the rows of NTREX: fewer synthetic rows, one pass over the real ones.
The baseline goes on for the 25,000 rows that continued.yaml reads of NTREX."""


def news_files(data: Path, pair: str) -> dict[str, Path]:
    """The files of NTREX that the recipes read."""
    languages = zip(("source", "reference"), pair.split("-"), strict=True)
    texts = {
        side: data / f"newstest2019-ref.{FILES.get(language, language)}.txt"
        for side, language in languages
    }
    return {**texts, "documents": data / "DOCUMENT_IDS.tsv"}


def help_files(data: Path, pair: str, out: Path) -> dict[str, Path]:
    """Files of software help: each source once, pages in a fixed random order."""
    files = {side: out / f"help.{side}" for side in ("source", "reference", "documents")}
    source, target = pair.split("-")
    corpus = read_parallel(
        data, data, source_lang=source, target_lang=target, format="libreoffice_help"
    )
    shortest, longest = CHARACTERS
    first = {
        row.source: (row.source, row.reference or "", row.document or "")
        for row in reversed(corpus.rows)
        if shortest <= len(row.source) and max(map(len, row.texts)) <= longest
    }
    rows = sorted(first.values(), key=lambda row: (sha256(row[2].encode()).hexdigest(), row[0]))
    for path, column in zip(files.values(), zip(*rows, strict=True), strict=True):
        path.write_text("".join(f"{text}\n" for text in column), encoding="utf-8")
    return files


def is_news(data: Path) -> bool:
    """Whether a directory is NTREX."""
    return (data / "DOCUMENT_IDS.tsv").exists()


def overrides(options: argparse.Namespace) -> list[str]:
    """Where the recipes find their data, as options."""
    news = is_news(options.data)
    found = (
        news_files(options.data, options.pair)
        if news
        else help_files(options.data, options.pair, options.out)
    )
    source, target = options.pair.split("-")
    return [
        *(f"data.{key}={path}" for key, path in found.items()),
        f"data.source_lang={source}",
        f"data.target_lang={target}",
        *([] if news else [HELP_DATA]),
    ]


def arm(name: str, seed: int, out: Path, data: Sequence[str], threads: int) -> dict:
    """One run of one arm, in ``out/name-seed``; ``data`` are the options of all arms."""
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
    data = overrides(options)
    seeds = range(options.seeds)
    costs = Costs(options.out / "costs.json")

    def run(name: str, seed: int) -> None:
        if f"{name}-{seed}" not in costs:  # else it was finished before
            rows = [] if is_news(options.data) else HELP_ROWS.get(name, [])
            costs[f"{name}-{seed}"] = arm(name, seed, options.out, [*data, *rows], threads)

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
