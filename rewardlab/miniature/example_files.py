"""Small example files for every command: parallel text, translations, human judgements, recipes.

The sentences are drawn from the grammar and the errors in the translations are made on purpose, so
the "human" judgements mark exactly these errors.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

from rewardlab.human.marked_text import CLOSE, OPEN
from rewardlab.miniature.grammar import Grammar, SentencePair
from rewardlab.miniature.noise import Imperfect, imperfect
from rewardlab.types import WMT_MQM, ErrorSpan

RECIPES = Path(__file__).with_name("example")
LANGUAGES = ("en", "de")
FLAWED_PAIRS = 4000
"""Pairs to fine-tune on; `FLAWED` of the targets have an error."""
FLAWED = 1 / 3
NEWS_PAIRS = 400
"""Pairs with correct references, for RL and evaluation."""
SYSTEMS = {"news.hyp": 0.7, "news.hyp2": 0.9}
"""Translations of the news by file, with their share of sentences with an error."""
JUDGED = {"A": 0.6, "B": 0.7, "C": 0.8, "D": 0.95}
"""Judged systems, with their share of sentences with an error."""
JUDGED_SENTENCES, SENTENCES_PER_DOCUMENT = 60, 6
REFERENCE_SYSTEM = "ref"
METRICS = {"good": 1.0, "poor": 4.0}
"""Made-up metrics: minus the MQM error of a text, with normal noise of this standard deviation."""
MQM_HEADER = (
    "system", "doc", "doc_id", "seg_id", "rater", "source", "target", "category", "severity",
)  # fmt: skip


def write_example(directory: Path, *, seed: int = 0) -> list[Path]:
    """Write the example files; the same seed gives the same files.

    Args:
        directory: Where to write; made if it does not exist.
        seed: Seed of the sentences and of their errors.

    Returns:
        The files in the order of their names.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pairs = Grammar.load(*LANGUAGES).pairs(FLAWED_PAIRS + NEWS_PAIRS, seed=seed)
    news, training = pairs[:NEWS_PAIRS], pairs[NEWS_PAIRS:]
    rng = Random(seed)  # noqa: S311 - sentences, not secrets
    _write(directory / "news.en", (pair.source for pair in news))
    _write(directory / "news.de", (pair.target for pair in news))
    _write(directory / "flawed.en", (pair.source for pair in training))
    flawed = [imperfect(pair, rng, rate=FLAWED).hypothesis for pair in training]
    _write(directory / "flawed.de", flawed)
    for name, rate in SYSTEMS.items():
        _write(directory / name, (imperfect(pair, rng, rate=rate).hypothesis for pair in news))
    _write_judgements(directory, news[:JUDGED_SENTENCES], rng)
    for recipe in RECIPES.glob("*.yaml"):
        shutil.copyfile(recipe, directory / recipe.name)
    return sorted(directory.iterdir())


def _write_judgements(directory: Path, pairs: Sequence[SentencePair], rng: Random) -> None:
    """Write the judgements of all systems as MQM and as ESA, and the scores of made-up metrics.

    Args:
        directory: Where to write.
        pairs: The judged sentences.
        rng: Generator of the draws.
    """
    systems = {
        name: [imperfect(pair, rng, rate=rate) for pair in pairs] for name, rate in JUDGED.items()
    }
    systems[REFERENCE_SYSTEM] = [Imperfect(pair.source, pair.target, ()) for pair in pairs]
    mqm, esa, metric = [list(MQM_HEADER)], [["system", "segment", "score"]], []
    long = [["system", "segment", *METRICS]]
    for system, translations in systems.items():
        for number, translation in enumerate(translations):
            document = f"doc{number // SENTENCES_PER_DOCUMENT + 1}"
            place = [system, document, str(number % SENTENCES_PER_DOCUMENT + 1), str(number + 1)]
            mqm += [[*place, "rater1", *error] for error in _errors(translation)]
            penalty = WMT_MQM.total(translation.spans)
            esa.append([system, str(number + 1), f"{max(0.0, 100 - 10 * penalty):.0f}"])
            if system != REFERENCE_SYSTEM:
                scores = [f"{rng.gauss(-penalty, noise):.3f}" for noise in METRICS.values()]
                metric.append([system, scores[0]])
                long.append([system, str(number + 1), *scores])
    _write(directory / "mqm.tsv", map("\t".join, mqm))
    _write(directory / "esa.tsv", map("\t".join, esa))
    _write(directory / "metric.seg.score", map("\t".join, metric))
    _write(directory / "scores.tsv", map("\t".join, long))


def _errors(translation: Imperfect) -> Iterable[list[str]]:
    """Source, target, category and severity of each error; one row without an error if none."""
    if not translation.spans:
        yield [translation.source, translation.hypothesis, "No-error", "No-error"]
    for span in translation.spans:
        source, target = translation.source, translation.hypothesis
        if span.side == "source":
            source = _marked(source, span)
        else:
            target = _marked(target, span)
        yield [source, target, span.category or "Other", span.severity.capitalize()]


def _marked(text: str, span: ErrorSpan) -> str:
    return f"{text[: span.start]}{OPEN}{text[span.start : span.end]}{CLOSE}{text[span.end :]}"


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
