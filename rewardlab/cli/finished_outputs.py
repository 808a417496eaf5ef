"""``rewardlab evaluate --compare A B``: two finished outputs, without a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rewardlab.cli.reward_arguments import parse_rewards, repeated, without_references
from rewardlab.errors import EXIT_DATA, Problem, UserError, shown

if TYPE_CHECKING:
    from rewardlab.evaluation.evaluate import Evaluation
    from rewardlab.evaluation.metrics import Metric

METRIC = "--metric"


@dataclass(frozen=True)
class Outputs:
    """Two line-aligned translations of one text, and what to measure them by.

    Attributes:
        baseline: File of the translations that the others are compared with.
        other: File of the others.
        source: File of the sources, or None.
        reference: File of the references, or None.
        metrics: Specifications such as ``chrf`` and ``bleu:tokenize=intl``.
        source_lang: Language code of the sources, or None.
        target_lang: Language code of the translations, or None.
    """

    baseline: str
    other: str
    source: str | None
    reference: str | None
    metrics: tuple[str, ...]
    source_lang: str | None = None
    target_lang: str | None = None


def compare_files(outputs: Outputs) -> Evaluation:
    """Measure both; nothing is known of their training.

    Raises:
        UserError: E036, E040, E042, E072, E074 and the registry's E1xx (exit code 2); E2xx for
            the files (3).
    """
    from rewardlab.data.corpora import Row
    from rewardlab.data.lines import read_aligned
    from rewardlab.evaluation.evaluate import System, evaluate

    metrics = _metrics(outputs)
    names = _names(outputs.baseline, outputs.other)
    given = [outputs.baseline, outputs.other, outputs.source, outputs.reference]
    files = read_aligned([path for path in given if path is not None])
    texts = {file.name: file.lines for file in files}
    count = len(files[0].lines)
    if not count:
        raise UserError(
            [Problem("E206", files[0].name, "no rows", "give a file with text")], EXIT_DATA
        )
    sources = texts[outputs.source] if outputs.source is not None else [""] * count
    references: Sequence[str | None] = (
        texts[outputs.reference] if outputs.reference is not None else [None] * count
    )
    rows = [
        Row(str(number), source, reference, outputs.source_lang or "", outputs.target_lang or "")
        for number, (source, reference) in enumerate(zip(sources, references, strict=True), 1)
    ]
    systems = [
        System(name, texts[path])
        for name, path in zip(names, (outputs.baseline, outputs.other), strict=True)
    ]
    return evaluate(rows, systems, metrics, baseline=names[0])


def _names(*paths: str) -> list[str]:
    """File names without their ends, or more of the path where that is not enough."""
    if len({*paths}) < len(paths):
        what = f"{shown(paths[0])} is given twice"
        raise UserError([Problem("E072", "--compare", what, "give two different files")])
    for names in ([Path(path).stem for path in paths], [Path(path).name for path in paths]):
        if len({*names}) == len(names):
            return names
    return list(paths)


def _metrics(outputs: Outputs) -> list[Metric]:
    """Build the metrics and refuse, before anything is read, what could not be measured."""
    from rewardlab.evaluation.metrics import Metric

    problems: list[Problem] = []
    metrics: list[Metric] = []
    for specification in outputs.metrics:
        rewards, wrong = parse_rewards([specification], where=METRIC)
        problems += wrong
        by_language = "tokenize=" not in specification
        metrics += [Metric(reward, by_language=by_language) for reward in rewards]
    if outputs.reference is None:
        problems += without_references([metric.reward for metric in metrics], METRIC)
    for metric in metrics:
        if metric.reads_source and outputs.source is None:
            what = f"{metric.name} reads sources, and there are none"
            problems.append(Problem("E074", METRIC, what, "give them with -s FILE"))
    problems += repeated([metric.name for metric in metrics], METRIC)
    if not outputs.metrics:
        what = "nothing to measure by"
        problems.append(Problem("E040", "rewardlab evaluate", what, "--metric chrf --metric ter"))
    if problems:
        raise UserError(problems)
    return metrics
