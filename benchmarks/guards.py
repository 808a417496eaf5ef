"""What do guards with a model buy, and what do they cost? `embedding` and `fluency`, real weights.

Parts, each of which can be run alone with ``--only``:

- ``guard``: a gate ``embedding`` without reference beside the default gates. Its threshold is the
  0.5% quantile of people's translations of news (NTREX), chosen for each direction; it is measured
  on talks (TED, 13 systems) and on software help (LibreOffice, people). Printed: how many attacked
  texts pass, what honest texts are rejected, and how often TER prefers the attacked text: with
  default gates, with the guard as well, and with default gates and the embedding as a second term.
- ``fluency``: which attacks a language model prefers to honest texts; ``enough`` is the 95%
  quantile of other news in English.
- ``people``: bits per byte of English news and of Apertium's spa-eng.
- ``speed``: rows per second of CPU time and peak memory, each reward in a process of its own.

DATA has the folders mqm-ted, ntrex and libreoffice-help (line-aligned help.LANGUAGE.txt).

    rewardlab models get multilingual-e5-small
    rewardlab models get smollm2-135m-instruct
    OMP_NUM_THREADS=1 python benchmarks/guards.py DATA [--only PART ...] [--cache FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rewardlab.checkpoints.fetch import fetch
from rewardlab.checkpoints.published import published
from rewardlab.cli.output import print_tables
from rewardlab.data.corpora import Corpus, read_parallel
from rewardlab.generate import Sampling
from rewardlab.generate.apertium import MARK, ApertiumGenerator
from rewardlab.human.formats import read_gold
from rewardlab.json_values import json_value
from rewardlab.perturbations.attacks import ATTACKS, Attack, Case
from rewardlab.preflight.default_gates import DEFAULT_GATES
from rewardlab.preflight.honest_texts import honest_of_gold, honest_of_texts
from rewardlab.preflight.safety import ALL, TOTAL, Safety, examine
from rewardlab.report.table import Column, table_of
from rewardlab.rewards import TER, Cached, Embedding, Fluency, FromFunction
from rewardlab.statistics import Estimate, draws, estimate, ratio
from rewardlab.store.run_directory import versions
from rewardlab.types import Candidate, Gate, Term

RESULTS = Path(__file__).parent / "results"
CALIBRATED = 1000
"""Pairs of news that a threshold is taken from."""
QUANTILE = 0.005
QUANTILES = (0.5, 0.75, 0.95)
"""Of people's bits per byte; the last one is ``enough``."""
HONEST, ATTACKED, ATTACKED_FLUENCY = 1500, 200, 50
SHORTEST = 40
"""Characters of a paragraph of software help; most shorter ones are menu items."""
WITH_REFERENCE = "en-de"
"""The pair in which the embedding with a reference is attacked as well."""
WARMED = 100
"""Texts that are scored between two lines of progress."""
PAIRS = ["en-de", "zh-en", "en-es"]
TED = {"en-de": ("ende", "ref"), "zh-en": ("zhen", "refB")}
SPEED = """
import json, sys, time
from rewardlab.cli.output import peak_memory_mb
from rewardlab.cli.quiet import hush
from rewardlab.rewards.registry import build_reward
from rewardlab.types import Candidate
hush()
options, rows = json.load(sys.stdin)
reward = build_reward(options.pop("reward"), options)
rows = [Candidate(*row) for row in rows]
reward(rows[:1])
start = time.process_time()
reward(rows)
seconds = time.process_time() - start
print(json.dumps({"rows_per_cpu_second": len(rows) / seconds, "peak_mib": peak_memory_mb()}))
"""


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def news(data: Path, source: str, target: str) -> Corpus:
    folder = data / "ntrex"
    return read_parallel(folder, folder, source_lang=source, target_lang=target, format="ntrex")


def percent(share: Estimate | float) -> str:
    return f"{100 * (share.value if isinstance(share, Estimate) else share):.1f}"


# ── the embedding as a guard ────────────────────────────────────────────────────────────────────


def threshold(encoder: Path, data: Path, pair: str, cache: Path) -> float:
    """The cosine that 0.5% of people's translations of news are below."""
    rows = news(data, *pair.split("-")).rows[:CALIBRATED]
    candidates = [row.candidate(row.reference or "") for row in rows]
    cosines = Cached(Embedding(model=encoder, mode="source"), cache)(candidates).scores
    return round(float(np.quantile(cosines, QUANTILE)), 3)


def honest_texts(data: Path, pair: str) -> tuple[Case, ...]:
    """Translations by systems (TED, with references) or people (LibreOffice, without)."""
    source, target = pair.split("-")
    if pair in TED:
        name, reference = TED[pair]
        gold = read_gold(data / "mqm-ted" / f"mqm_ted_{name}.tsv")
        return honest_of_gold(
            gold, reference_system=reference, source_lang=source, target_lang=target
        ).cases
    texts = [
        (data / "libreoffice-help" / f"help.{language}.txt").read_text("utf-8").splitlines()
        for language in ("eng", "spa")
    ]
    long = [row for row in zip(*texts, strict=True) if min(map(len, row)) > SHORTEST]
    sources, translations = zip(*dict(long).items(), strict=True)
    return honest_of_texts(
        sources, {"people": translations}, None, source_lang=source, target_lang=target
    ).cases


def drawn(cases: Sequence[Case], number: int) -> list[Case]:
    rows = np.random.default_rng(0).permutation(len(cases))[:number]
    return [cases[row] for row in rows]


def warm(rewards: Sequence[Cached], cases: Sequence[Case], attacked: int, probes: Any) -> None:
    """Score all texts into the cache: in an ensemble, a slow machine would miss deadlines."""
    texts = [case.honest for case in cases]
    for probe in probes:
        changed = [(case.honest, probe(case)) for case in cases[:attacked]]
        texts += [replace(one, hypothesis=text) for one, text in changed if text is not None]
    for reward in rewards:
        for start in range(0, len(texts), WARMED):
            say(f"{reward.name}: {start:,} of {len(texts):,} texts")
            reward(texts[start : start + WARMED])


def guard(encoder: Path, data: Path, pair: str, cache: Path) -> dict[str, Any]:
    """One direction: attacks with the default gates, with the guard, and with the term."""
    below = threshold(encoder, data, pair, cache)
    say(f"{pair}: threshold {below}")
    cases = drawn(honest_texts(data, pair), HONEST)
    meaning = Cached(Embedding(name="embedding_source", model=encoder, mode="source"), cache)
    models, terms = [meaning], [Term(meaning)]
    if pair in TED:
        terms = [Term(TER()), *terms]
    if pair == WITH_REFERENCE:
        models.append(Cached(Embedding(model=encoder), cache))
        terms.append(Term(models[-1], weight=0.0))
    warm(models, cases, ATTACKED, ATTACKS)
    total, rows = pair in TED, range(ATTACKED)
    gates = (*DEFAULT_GATES, Gate(meaning, below=below))
    before = examine(terms, cases, rows=rows, total=total)
    after = examine(terms, cases, rows=rows, gates=gates, total=total)
    return guard_result(before, after) | {"threshold": below, "calibrated_on": CALIBRATED}


def guard_result(before: Safety, after: Safety) -> dict[str, Any]:
    """Shares of attacks that pass or fool, and of honest texts that are rejected."""
    attacks: dict[str, Any] = {}
    for old, new in zip(before.attacked, after.attacked, strict=True):
        passed = {"default": old.passed[ALL], "with_guard": new.passed[ALL]}
        passed["guard_alone"] = new.passed["embedding_source"]
        fooled = {
            name: {
                "ungated": one.fooled,
                "default": one.with_all_gates,
                "with_guard": new.exposures[name].with_all_gates,
            }
            for name, one in old.exposures.items()
        }
        attacks[old.probe.name] = {"cases": old.cases, "passed": passed, "fooled": fooled}
    rejected = {"default": before.closed[ALL], "with_guard": after.closed[ALL]}
    rejected["guard_alone"] = after.closed["embedding_source"]
    return {
        "honest": before.cases,
        "sources": before.sources,
        "rejected": rejected,
        "attacks": attacks,
    }


def show_guard(pair: str, found: dict[str, Any]) -> None:
    fooled = ["TER default", "TER guard", "with term"] if pair in TED else []
    heads = ["passed default", "guard alone", "both", *fooled]
    columns = [Column("attack", kind="name"), *map(Column, heads)]
    rows: list[list[str]] = []
    for name, one in found["attacks"].items():
        shares = [one["passed"][key] for key in ("default", "guard_alone", "with_guard")]
        if fooled:
            ter = one["fooled"]["ter"]
            shares += [ter["default"], ter["with_guard"], one["fooled"][TOTAL]["default"]]
        rows.append([name, *map(percent, shares)])
    title = f"{pair}, guard below {found['threshold']}, percent of {ATTACKED} attacked texts"
    print_tables([table_of(columns, rows, title=title)])
    print(
        f"{pair}: of {found['honest']:,} honest texts rejected:",
        "; ".join(
            f"{name} {100 * one.value:.2f}% ({100 * one.low:.2f} … {100 * one.high:.2f})"
            for name, one in found["rejected"].items()
        ),
    )


# ── fluency ─────────────────────────────────────────────────────────────────────────────────────


def loop(case: Case) -> str | None:
    """The first four words eight times."""
    words = case.honest.hypothesis.split()[:4]
    return " ".join(words * 8) if len(words) == 4 else None


BOILERPLATE = (
    "Thank you very much for your attention. If you have any questions, please contact us."
)
OWN_ATTACKS = (
    Attack("loop", loop, "the first four words eight times"),
    Attack("boilerplate", lambda _: BOILERPLATE, "the same two polite sentences for every source"),
)


def bits_per_byte(model: Path, texts: Sequence[str], cache: Path) -> Any:
    output = Cached(Fluency(model=model), cache)([Candidate("", text) for text in texts])
    return output.components["bits_per_byte"]


def fluency(model: Path, data: Path, cache: Path) -> dict[str, Any]:
    """Which attacks the language model of English prefers, into English and into Spanish."""
    other = [row.source for row in news(data, "en", "es").rows[CALIBRATED : CALIBRATED + 200]]
    found = np.quantile(bits_per_byte(model, other, cache), QUANTILES)
    quantiles = dict(zip(map(str, QUANTILES), found.round(2).tolist(), strict=True))
    enough = quantiles["0.95"]
    cases = drawn(honest_texts(data, "zh-en"), ATTACKED_FLUENCY)
    rows = news(data, "en", "es").rows[:ATTACKED_FLUENCY]
    spanish = honest_of_texts(
        [row.source for row in rows],
        {"people": [row.reference or "" for row in rows]},
        None,
        source_lang="en",
        target_lang="es",
    ).cases
    wrong = [one for one in ATTACKS if one.name in ("copy", "wrong_language", "unrelated")]
    every_bit = Cached(Fluency(model=model), cache)

    def enough_of(texts: Sequence[Candidate]) -> list[float]:
        """``Fluency(model=model, enough=enough)`` without another pass of the model."""
        return np.minimum(0.0, enough + every_bit(texts).scores).tolist()

    only_enough = FromFunction(enough_of, name="fluency_enough", worst=every_bit.worst)
    own = (*ATTACKS, *OWN_ATTACKS)
    warm([every_bit], cases, len(cases), own)
    warm([every_bit], spanish, len(spanish), wrong)
    into_english = examine([Term(every_bit), Term(only_enough)], cases, probes=own)
    into_spanish = examine([Term(every_bit)], spanish, probes=wrong)
    return {
        "enough": enough,
        "quantiles of people": quantiles,
        "zh-en": fooled(into_english),
        "en-es, a model of English": fooled(into_spanish),
    }


def fooled(found: Safety) -> dict[str, Any]:
    return {
        one.probe.name: {
            "cases": one.cases,
            **{
                name: {
                    "better": exposure.fooled.value - exposure.tied,
                    "tied": exposure.tied,
                    "better or tied": exposure.fooled,
                    "with default gates": exposure.with_all_gates,
                }
                for name, exposure in one.exposures.items()
            },
        }
        for one in found.attacked
    }


def show_fluency(found: dict[str, Any]) -> None:
    heads = ["better", "gates", f"enough {found['enough']}: better", "tied"]
    keys = {"fluency": ("better", "with default gates"), "fluency_enough": ("better", "tied")}
    for name in ("zh-en", "en-es, a model of English"):
        table = found[name]
        rewards = [name for name in keys if name in table["copy"]]
        columns = [Column("attack", kind="name"), *map(Column, heads[: 2 * len(rewards)])]
        rows = [
            [attack] + [percent(one[reward][key]) for reward in rewards for key in keys[reward]]
            for attack, one in table.items()
        ]
        print_tables([table_of(columns, rows, title=f"fluency, {name}: attack preferred, %")])


def people(model: Path, data: Path, quantiles: Mapping[str, float], cache: Path) -> dict[str, Any]:
    """Bits per byte of English news and of Apertium's translation of it from Spanish."""
    corpus = news(data, "es", "en").rows[:300]
    texts = ApertiumGenerator("spa-eng", unknown="keep")(
        [row.source for row in corpus], Sampling(temperature=0.0), seeds=[0] * len(corpus)
    )
    kept = [(row, one[0].text) for row, one in zip(corpus, texts, strict=True) if one[0].finished]
    documents = np.unique([str(row.document) for row, _ in kept], return_inverse=True)[1]
    ours = bits_per_byte(model, [row.reference or "" for row, _ in kept], cache)
    theirs = bits_per_byte(model, [MARK.sub("", text) for _, text in kept], cache)

    def mean(values: Any) -> Estimate:
        """A mean with its interval over documents."""
        sums, counts = np.bincount(documents, values), np.bincount(documents)
        rows = draws(len(counts), resamples=1000, seed=0)
        return estimate(
            float(np.mean(values)), ratio(sums[rows].sum(axis=1), counts[rows].sum(axis=1))
        )

    found = {
        "bits of people": mean(ours),
        "bits of Apertium": mean(theirs),
        "people preferred": mean(ours < theirs),
    }
    for quantile, enough in quantiles.items():
        one, two = (np.minimum(0.0, enough - bits) for bits in (ours, theirs))
        name = f"enough {enough} ({quantile} quantile): "
        found |= {
            f"{name}people preferred": mean(one > two),
            f"{name}tied": mean(one == two),
        }
    return {
        "pairs": len(kept),
        "not translated": len(corpus) - len(kept),
        "documents": int(documents.max()) + 1,
        **found,
    }


def show_people(found: dict[str, Any]) -> None:
    rows = [
        [name, f"{one.value:.3f}", f"{one.low:.3f} … {one.high:.3f}"]
        for name, one in found.items()
        if isinstance(one, Estimate)
    ]
    columns = [Column("", kind="name"), Column("value"), Column("95%")]
    title = f"spa-eng, {found['pairs']} pairs of {found['documents']} documents"
    print_tables([table_of(columns, rows, title=title)])


# ── speed ───────────────────────────────────────────────────────────────────────────────────────


def speed(encoder: Path, model: Path, data: Path) -> dict[str, Any]:
    """Rows per second of CPU time and peak memory; 300 different translations of talks."""
    one_each = {case.honest.source: case.honest for case in honest_texts(data, "zh-en")}
    texts = [(one.source, one.hypothesis, one.reference) for one in one_each.values()][:300]
    rewards: dict[str, dict[str, object]] = {
        "chrf": {"reward": "chrf"},
        "embedding": {"reward": "embedding", "model": str(encoder)},
        "embedding_source": {"reward": "embedding", "model": str(encoder), "mode": "source"},
        "fluency": {"reward": "fluency", "model": str(model)},
    }
    found: dict[str, Any] = {}
    for name, options in rewards.items():
        done = subprocess.run(
            [sys.executable, "-P", "-c", SPEED],
            input=json.dumps([options, texts]),
            capture_output=True,
            text=True,
            check=True,
        )
        found[name] = json.loads(done.stdout)
        print(name, ", ".join(f"{key} {value:.0f}" for key, value in found[name].items()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("data", type=Path)
    parts = ["guard", "fluency", "people", "speed"]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=PAIRS)
    parser.add_argument("--cache", type=Path, help="file that keeps scores from run to run")
    parser.add_argument("--json", type=Path, default=RESULTS / "guards.json")
    options = parser.parse_args()
    encoder, model = (
        fetch(published(name)) for name in ("multilingual-e5-small", "smollm2-135m-instruct")
    )

    def kept() -> dict[str, Any]:
        return json.loads(options.json.read_text()) if options.json.exists() else {}

    def keep(part: str, value: dict[str, Any], started: float) -> None:
        """Write what is finished; the other parts stay as they are in the file."""
        seconds = round(time.process_time() - started, 1)
        done = {part: json_value(value | {"cpu_seconds": seconds}), "versions": versions()}
        result = kept() | done
        options.json.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")

    cache = options.cache or Path(tempfile.mkdtemp()) / "scores.sqlite"
    for part in options.only:
        started = time.process_time()
        if part == "guard":
            for pair in options.pairs:
                started = time.process_time()
                found = guard(encoder, options.data, pair, cache)
                show_guard(pair, found)
                keep(f"guard {pair}", found, started)
        elif part == "fluency":
            found = fluency(model, options.data, cache)
            show_fluency(found)
            keep(part, found, started)
        elif part == "people":
            found = people(model, options.data, kept()["fluency"]["quantiles of people"], cache)
            show_people(found)
            keep(part, found, started)
        else:
            keep(part, speed(encoder, model, options.data), started)


if __name__ == "__main__":
    main()
