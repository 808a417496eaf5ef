"""The directory of benchmarks/gemma_270m.py: its texts, its models, and runs of commands in it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command_runs import RECIPES as ALL_RECIPES
from command_runs import Costs, rewardlab

from rewardlab.checkpoints.fetch import fetched
from rewardlab.checkpoints.published import published

RECIPES = ALL_RECIPES / "gemma_270m"
POLICY, ENCODER, FLUENT = "gemma-3-270m", "multilingual-e5-small", "smollm2-135m-instruct"
CODES = {"eng": "en", "spa": "es", "cat": "ca"}
"""ISO 639-3 names, as files and Apertium have them, and the ones of configurations."""
WITH_SCORER = "eng-spa"

Pair = tuple[str, str, str]
"""Source, target and document."""


@dataclass(frozen=True)
class Bench:
    """One benchmark: its directory and how it runs commands.

    Attributes:
        out: The directory of all runs.
        pair: ``SOURCE-TARGET``, of `CODES`.
        costs: Costs of the finished runs.
        threads: Threads of each run.
    """

    out: Path
    pair: str
    costs: Costs
    threads: int

    @property
    def data(self) -> Path:
        return self.out / "data"

    @property
    def sides(self) -> tuple[str, str]:
        """Source and target; they are also the suffixes of the files."""
        source, target = self.pair.split("-")
        return source, target

    @property
    def languages(self) -> dict[str, str]:
        """Source and target, as a configuration names them."""
        source, target = (CODES[side] for side in self.sides)
        return {"source_lang": source, "target_lang": target}

    def file(self, name: str, side: str) -> Path:
        """The file of the texts ``name`` for a side, or its documents for ``doc``."""
        return self.data / f"{name}.{side}"

    def rows(self, name: str) -> list[Pair]:
        columns = (lines(self.file(name, side)) for side in (*self.sides, "doc"))
        return list(zip(*columns, strict=True))

    def write(self, name: str, rows: Sequence[Pair]) -> None:
        for side, column in zip((*self.sides, "doc"), zip(*rows, strict=True), strict=True):
            self.file(name, side).write_text("".join(f"{line}\n" for line in column))

    @property
    def has_scorer(self) -> bool:
        """Whether a scorer is trained: for one pair; for others, samples choose by chrF alone."""
        return self.pair == WITH_SCORER

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
        data: Any = corpus(self, "test")
        if recipe == "sft.yaml":
            data = [corpus(self, "help", heldout=0.1), corpus(self, "synthetic")]
        elif recipe in ("continued.yaml", "rl.yaml"):
            data = [corpus(self, "more", heldout=0.1), corpus(self, "synthetic")]
        found = [f"data={json.dumps(data)}"]
        if recipe in ("rl.yaml", "rerank.yaml") and self.has_scorer:
            scorer, encoder = self.out / "scorer", model(ENCODER)
            found += [f"rewards.1.model={scorer}", f"rewards.2.model={encoder}"]
        return found


def corpus(bench: Bench, name: str, *, heldout: float = 0) -> dict[str, Any]:
    """The corpus ``data/name`` as a configuration names it."""
    keys = ("source", "reference", "documents")
    sides = (*bench.sides, "doc")
    files = {key: str(bench.file(name, side)) for key, side in zip(keys, sides, strict=True)}
    return {**files, **bench.languages, "heldout": heldout}


def model(name: str) -> Path:
    """The directory of a published model, which `rewardlab models get` fetched."""
    found = fetched(published(name))
    if found is None:
        sys.exit(f"first run: rewardlab models get {name}, or make models")
    return found


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def translate(bench: Bench, run: str, source: str, **config: Any) -> list[str]:
    """Translations of the sources of ``source``, in ``out/run``; an empty one is a failure."""
    if run not in bench.costs:
        path = bench.out / f"{run}.yaml"
        data = {"source": str(bench.file(source, bench.sides[0])), **bench.languages}
        path.write_text(json.dumps({"run": str(bench.out / run), "data": data, **config}))
        bench.costs[run] = rewardlab(
            "translate", str(path), log=path.with_suffix(".log"), threads=bench.threads
        )
    return (bench.out / run / "hypotheses.txt").read_text("utf-8").split("\n")[:-1]


def apertium(bench: Bench, run: str, source: str, **generation: Any) -> list[str]:
    """Apertium's translations; empty where it does not know a word or fails."""
    options = {"backend": "apertium", "pair": bench.pair, **generation}
    return translate(bench, run, source, prompt="plain", generation=options)


def together(bench: Bench, work: Iterable[Callable[[], None]]) -> None:
    """Run functions at the same time, as many as there are jobs."""
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // bench.threads)) as pool:
        for future in [pool.submit(one) for one in work]:
            future.result()
