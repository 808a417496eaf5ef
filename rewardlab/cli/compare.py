"""``rewardlab compare``: compare two finished translations, without a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rewardlab.cli import judgements, options
from rewardlab.cli.aligned import read_aligned_texts, stem
from rewardlab.cli.evaluation_result import show
from rewardlab.cli.output import peak_memory_mb, report, say
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
    json: judgements.JsonFile = None,
) -> None:
    """Compare two line-aligned translations, with bootstrap intervals and p-values.

    \b
    For example:
      rewardlab compare sft.txt rl.txt -r ref.txt --metric chrf --metric ter
    """  # noqa: D301 - click keeps the lines after this mark
    found = Findings()
    metrics = _metrics(metric or (), source, reference, found)
    inputs = [baseline, other, source, reference]
    found.add(options.output_file_problems("--json", json, read=inputs, like="compare.json"))
    found.raise_if_any()
    names = _names(baseline, other)
    texts = read_aligned_texts(
        dict(zip(names, (baseline, other), strict=True)),
        source=source,
        reference=reference,
        source_lang=source_lang,
        target_lang=target_lang,
    )
    say(*options.pair_notes(source_lang, target_lang))
    say(*(f"note: {note}" for note in texts.notes))
    systems = [System(name, lines) for name, lines in texts.systems.items()]
    evaluation = evaluate(texts.rows, systems, metrics, baseline=names[0])
    show(evaluation, {}, ())
    result = {**evaluation.as_json(), "peak_memory_mb": peak_memory_mb()}
    report(result, file=json, shown=True)


def _names(first: str, second: str) -> list[str]:
    """File names without their suffixes, or the part of the paths that tells them apart.

    Raises:
        UserError: E072, one file is given twice; exit code 2.
    """
    if first == second:
        what = f"{shown(first)} is given twice"
        refuse(Problem("E072", "A B", what, "give two different files"), exit_code=EXIT_USAGE)
    paths = Path(first), Path(second)
    for names in ([stem(first), stem(second)], [path.name for path in paths]):
        if names[0] != names[1]:
            return names
    for one, two in zip(reversed(paths[0].parts), reversed(paths[1].parts), strict=False):
        if one != two:
            return [one, two]
    return [first, second]


def _metrics(
    specifications: Sequence[str], source: str | None, reference: str | None, found: Findings
) -> list[Metric]:
    """Build the metrics, before any file is read.

    Args:
        specifications: Specifications such as ``chrf`` and ``bleu:tokenize=intl``.
        source: File of the sources, or None.
        reference: File of the references, or None.
        found: Receives E036, E040, E042, E074 and the registry's E1xx.
    """
    metrics = [
        Metric(reward) for reward in options.parse_rewards(specifications, found, where=METRIC)
    ]
    if reference is None:
        found.add(options.without_references([metric.reward for metric in metrics], METRIC))
    if source is None:
        found.add(options.without_sources([metric.reward for metric in metrics], METRIC))
    if not specifications:
        what, fix = "no metric is given", "--metric chrf --metric ter"
        found.add([Problem("E040", "rewardlab compare", what, fix)])
    return metrics
