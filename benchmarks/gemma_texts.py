"""The texts of benchmarks/gemma_270m.py, and the base model with their vocabulary."""

from __future__ import annotations

import argparse
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from command_runs import rewardlab
from gemma_bench import (
    POLICY,
    Bench,
    Pair,
    apertium,
    lines,
    model,
    translate,
)
from independent_measures import common_words

from rewardlab.ensemble import RewardEnsemble
from rewardlab.rewards import ChrF, LengthRatio, NoRepetition, NotCopied, NumbersKept
from rewardlab.types import Candidate, Gate, Term

POLICY_ROWS, JUDGED_ROWS, SAMPLED_ROWS = 2000, 2500, 500
"""Help paragraphs for the first stage of the policy, for the scorer, and of these those that the
policy translates; all others are for the second stage and the arms, which read no row twice."""
TEST_ROWS, DEV_ROWS, ROWS_PER_DOCUMENT = 200, 120, 8


def rank(name: str) -> str:
    """A fixed random order of documents."""
    return hashlib.sha256(name.encode()).hexdigest()


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


def news_rows(directory: Path, sides: Sequence[str]) -> dict[str, list[Pair]]:
    """NTREX: ``test`` and ``dev`` have the first sentences of documents, ``mono`` has the rest."""
    names = ("src.eng" if side == "eng" else f"ref.{side}" for side in sides)
    texts = (directory / f"newstest2019-{name}.txt" for name in names)
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


def passes(rows: Sequence[Pair], languages: Mapping[str, str]) -> list[bool]:
    """Whether a pair passes the guards: a translation, of a likely length, with its numbers."""
    gates = (NotCopied(), LengthRatio(), NoRepetition(), NumbersKept())
    ensemble = RewardEnsemble([Term(ChrF())], gates=[Gate(guard, below=0.5) for guard in gates])
    candidates = [Candidate(row[0], row[1], reference=row[1], **languages) for row in rows]
    return [gate is None for gate in ensemble(candidates).gated]


def write_words(bench: Bench, path: Path) -> None:
    """The common words of both languages, in lower case and capitalised."""
    packages = bench.out / "packages"
    words = [word for code in bench.languages.values() for word in common_words(code, packages)]
    path.write_text("".join(f" {word} {word.capitalize()}\n" for word in words), encoding="utf-8")


def prepare(bench: Bench, options: argparse.Namespace) -> None:
    """All texts, and the base model with their vocabulary.

    Without common words, the trimmed vocabulary would spell news in fragments.
    """
    if "trimmed" in bench.costs:
        return
    bench.data.mkdir(parents=True, exist_ok=True)
    rows = help_rows(options.sources, options.targets, options.pages)
    bench.write("help", rows[:POLICY_ROWS])
    bench.write("judged", rows[POLICY_ROWS : POLICY_ROWS + JUDGED_ROWS])
    bench.write("more", rows[POLICY_ROWS + JUDGED_ROWS :])
    for name, part in news_rows(options.ntrex, bench.sides).items():
        bench.write(name, part)
    source, target = bench.sides
    sources, documents = (lines(bench.file("mono", side)) for side in (source, "doc"))
    translated = zip(sources, apertium(bench, "apertium-mono", "mono"), documents, strict=True)
    pairs = [row for row in translated if row[1]]
    fits = passes(pairs, bench.languages)
    bench.write("synthetic", list(itertools.compress(pairs, fits)))
    words = bench.data / "words.txt"
    write_words(bench, words)
    both = [bench.file(name, side) for name in ("help", "judged") for side in bench.sides]
    keep = [*both, bench.file("mono", source), bench.file("synthetic", target), words]
    other = [bench.file("dev", side) for side in bench.sides]
    bench.costs["trimmed"] = rewardlab(
        "models",
        "trim",
        str(model(POLICY)),
        str(bench.out / "model"),
        *itertools.chain.from_iterable(("--keep-text", str(path)) for path in keep),
        *itertools.chain.from_iterable(("--other-text", str(path)) for path in other),
        *itertools.chain.from_iterable(
            (f"--{key.replace('_', '-')}", code) for key, code in bench.languages.items()
        ),
        log=bench.out / "trimmed.log",
        threads=bench.threads,
    )


def machine_texts(bench: Bench) -> None:
    """Translations for the scorer by Apertium, greedy and sampled, and by the policy."""
    judged = bench.rows("judged")
    bench.write("head", judged[:SAMPLED_ROWS])
    sampling = {"temperature": 1.0, "max_new_tokens": 96}
    sft = str(bench.out / "sft")
    texts = {
        "apertium": apertium(bench, "judged-apertium", "judged"),
        "sampled": apertium(bench, "judged-sampled", "judged", temperature=1.0),
        "policy": translate(
            bench, "judged-policy", "head", prompt="lmt", model=sft, generation=sampling
        ),
    }
    count = len(judged)
    for name, hypotheses in texts.items():
        column = [*hypotheses, *[""] * count][:count]
        (bench.data / f"{name}.txt").write_text("".join(f"{line}\n" for line in column))
