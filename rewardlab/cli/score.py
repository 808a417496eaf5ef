"""``rewardlab score``: score line-aligned translations with a reward ensemble."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from rewardlab.cli import options
from rewardlab.cli.output import say
from rewardlab.cli.texts import numbered_rows, read_texts
from rewardlab.dry_run.findings import Findings
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import Problem, RewardUnavailable
from rewardlab.json_values import json_value
from rewardlab.types import Reward, Scores, Status, Term

STDIN = "-"


def command(
    *,
    source: Annotated[
        str, typer.Option("--source", "-s", metavar="FILE", help="Source texts; - is stdin.")
    ],
    hypothesis: Annotated[
        str, typer.Option("--hypothesis", "-t", metavar="FILE", help="Translations; - is stdin.")
    ],
    reward: Annotated[list[str], options.REWARD],
    reference: options.ReferenceFile = None,
    source_lang: options.Language = None,
    target_lang: options.Language = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON with spans, not TSV.")] = False,
) -> None:
    """Score translations. Files are line-aligned text, plain or gzipped.

    For example: rewardlab score -s news.en -t news.hyp -r news.de --reward chrf
    """
    files = [source, hypothesis, *([] if reference is None else [reference])]
    rewards = _rewards(reward, files)
    read = read_texts(files, stdin=sys.stdin.buffer)
    say(*(f"note: {note}" for file in read for note in file.notes))
    sources, hypotheses, *references = (file.lines for file in read)
    rows = numbered_rows(sources, references[0] if references else None, source_lang, target_lang)
    candidates = [row.candidate(text) for row, text in zip(rows, hypotheses, strict=True)]
    console = Console(stderr=True)
    with console.status(f"scoring {len(candidates):,} rows with {len(rewards)} rewards"):
        scores = RewardEnsemble([Term(reward) for reward in rewards])(candidates)
    write = _json_lines if as_json else _tsv_lines
    sys.stdout.writelines(f"{line}\n" for line in write(scores))
    console.print(scores.table(), markup=False, highlight=False, soft_wrap=True)
    for name, column in zip(scores.names, zip(*scores.status, strict=True), strict=True):
        if set(column) == {Status.UNAVAILABLE}:
            raise RewardUnavailable(f"{name} scored none of {len(scores):,} rows")


def _rewards(specifications: Sequence[str], files: Sequence[str]) -> list[Reward]:
    """Build the rewards and report, before any file is read, what cannot be scored.

    Args:
        specifications: Specifications such as ``chrf``.
        files: Sources, hypotheses and optionally references.

    Raises:
        UserError: E036, E041, E042 and the registry's E1xx; exit code 2.
    """
    found = Findings()
    rewards = options.parse_rewards(specifications, found)
    if len(files) == 2:  # noqa: PLR2004 - no references
        found.add(options.without_references(rewards))
    found.add(options.repeated([reward.name for reward in rewards]))
    if files.count(STDIN) > 1:
        what = "standard input (-) can be read only once"
        found.add([Problem("E041", "-s, -t, -r", what, "write the other text to a file")])
    found.raise_if_any()
    return rewards


def _tsv_lines(scores: Scores) -> Iterator[str]:
    """A header, then the line number, scores (empty: unscored) and statuses of each row."""
    yield "\t".join(["line", *scores.names, *(f"{name}.status" for name in scores.names)])
    for number, (values, status) in enumerate(zip(scores.values, scores.status, strict=True), 1):
        numbers = ["" if math.isnan(value) else repr(float(value)) for value in values]
        yield "\t".join([str(number), *numbers, *(one.value for one in status)])


def _json_lines(scores: Scores) -> Iterator[str]:
    """One line: reward name -> results of all rows in order, null for an unscored row."""

    def by_name(rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
        return {name: [row[at] for row in rows] for at, name in enumerate(scores.names)}

    components = {part: json_value(column.tolist()) for part, column in scores.components.items()}
    spans = [[[asdict(span) for span in one] for one in row] for row in scores.spans]
    yield json.dumps(
        {
            "signature": scores.signature,
            "scores": by_name(json_value(scores.values.tolist())),
            "spans": by_name(spans),
            "components": components,
            "status": by_name(scores.status),
        },
        allow_nan=False,
    )
