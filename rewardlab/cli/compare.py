"""``rewardlab compare``: compare two finished translations, without a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rewardlab.cli import options
from rewardlab.cli.evaluation_result import show
from rewardlab.cli.output import peak_memory_mb, report
from rewardlab.cli.texts import numbered_rows, read_texts
from rewardlab.dry_run.findings import Findings
from rewardlab.errors import EXIT_USAGE, Problem, refuse, shown
from rewardlab.evaluation.evaluate import System, evaluate
from rewardlab.evaluation.metrics import Metric

METRIC = "--metric"


def command(
    baseline: Annotated[str, typer.Argument(metavar="A", help="Translations, line by line.")],
    other: Annotated[
        str, typer.Argument(metavar="B", help="The other output; differences are B minus A.")
    ],
    *,
    source: options.SourceFile = None,
    reference: options.ReferenceFile = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            METRIC, metavar="NAME[:OPTION=VALUE,...]", help="A metric, any reward; may be repeated."
        ),
    ] = None,
    source_lang: options.Language = None,
    target_lang: options.Language = None,
) -> None:
    """Compare two line-aligned translations, with bootstrap intervals and p-values.

    For example: rewardlab compare sft.txt rl.txt -r ref.txt --metric chrf --metric ter
    """
    metrics = _metrics(metric or (), source, reference)
    names = _names(baseline, other)
    given = (baseline, other, source, reference)
    files = read_texts([path for path in given if path is not None])
    texts = {file.name: file.lines for file in files}
    sources = texts[source] if source is not None else [""] * len(files[0].lines)
    references = texts[reference] if reference is not None else None
    rows = numbered_rows(sources, references, source_lang, target_lang)
    systems = [System(names[0], texts[baseline]), System(names[1], texts[other])]
    evaluation = evaluate(rows, systems, metrics, baseline=names[0])
    show(evaluation, {}, ())
    report({**evaluation.as_json(), "peak_memory_mb": peak_memory_mb()})


def _names(first: str, second: str) -> list[str]:
    """File names without their suffixes, or more of the path if those are equal.

    Raises:
        UserError: E072, one file is given twice; exit code 2.
    """
    if first == second:
        what = f"{shown(first)} is given twice"
        refuse(Problem("E072", "A B", what, "give two different files"), exit_code=EXIT_USAGE)
    paths = Path(first), Path(second)
    for names in ([path.stem for path in paths], [path.name for path in paths]):
        if names[0] != names[1]:
            return names
    return [first, second]


def _metrics(
    specifications: Sequence[str], source: str | None, reference: str | None
) -> list[Metric]:
    """Build the metrics and report, before any file is read, what cannot be measured.

    Args:
        specifications: Specifications such as ``chrf`` and ``bleu:tokenize=intl``.
        source: File of the sources, or None.
        reference: File of the references, or None.

    Raises:
        UserError: E036, E040, E042, E074 and the registry's E1xx; exit code 2.
    """
    found = Findings()
    metrics = [
        Metric(reward, by_language="tokenize=" not in specification)
        for specification in specifications
        for reward in options.parse_rewards([specification], found, where=METRIC)
    ]
    if reference is None:
        found.add(options.without_references([metric.reward for metric in metrics], METRIC))
    for metric in metrics:
        if metric.reads_source and source is None:
            what = f"{metric.name} reads sources, and there are none"
            found.add([Problem("E074", METRIC, what, "give them with -s FILE")])
    found.add(options.repeated([metric.name for metric in metrics], METRIC))
    if not specifications:
        what, fix = "no metric is given", "--metric chrf --metric ter"
        found.add([Problem("E040", "rewardlab compare", what, fix)])
    found.raise_if_any()
    return metrics
