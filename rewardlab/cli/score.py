"""``rewardlab score``: score line-aligned translations with a reward ensemble."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rewardlab.cli.reward_arguments import (
    REWARD,
    Language,
    parse_rewards,
    repeated,
    without_references,
)
from rewardlab.errors import EXIT_DATA, Problem, RewardUnavailable, UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rewardlab.types import Candidate, Reward, Scores

STDIN = "-"


@dataclass(frozen=True)
class ScoreConfig:
    """What to score, and with what.

    Attributes:
        source: File of source texts, one per line; ``-`` for standard input.
        hypothesis: File of translations, line by line.
        reference: File of reference translations, or None.
        rewards: Specifications such as ``chrf`` and ``no_repetition:n=4``.
        source_lang: Language code of the sources, or None.
        target_lang: Language code of the translations, or None.
        as_json: Print JSON, spans included, and not a table of tab-separated values.
    """

    source: str
    hypothesis: str
    reference: str | None
    rewards: tuple[str, ...]
    source_lang: str | None = None
    target_lang: str | None = None
    as_json: bool = False


def command(
    *,
    source: Annotated[
        str, typer.Option("--source", "-s", metavar="FILE", help="Source texts; - is stdin.")
    ],
    hypothesis: Annotated[
        str, typer.Option("--hypothesis", "-t", metavar="FILE", help="Translations; - is stdin.")
    ],
    reward: Annotated[list[str], REWARD],
    reference: Annotated[
        str | None, typer.Option("--reference", "-r", metavar="FILE", help="Reference texts.")
    ] = None,
    source_lang: Language = None,
    target_lang: Language = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON with spans, not TSV.")] = False,
) -> None:
    """Score translations. Files are line-aligned text, plain or gzipped.

    For example: rewardlab score -s news.en -t news.hyp -r news.de --reward chrf
    """
    run(
        ScoreConfig(source, hypothesis, reference, tuple(reward), source_lang, target_lang, as_json)
    )


def run(config: ScoreConfig) -> None:
    """Score, print the scores on stdout and a summary on stderr.

    Raises:
        UserError: E036, E041, E042 and the registry's E1xx (exit code 2); E2xx for the files (3).
        TooManyFailures: A reward could not score most rows.
        RewardUnavailable: A reward could score none; what the others say is printed before.
    """
    from rich.console import Console

    from rewardlab.ensemble import RewardEnsemble
    from rewardlab.types import Status, Term

    rewards = _rewards(config)
    candidates = _candidates(config)
    console = Console(stderr=True)
    with console.status(f"scoring {len(candidates):,} rows with {len(rewards)} rewards"):
        scores = RewardEnsemble([Term(reward) for reward in rewards])(candidates)
    write = _json_lines if config.as_json else _tsv_lines
    sys.stdout.writelines(f"{line}\n" for line in write(scores))
    console.print(scores.table(), markup=False, highlight=False, soft_wrap=True)
    for name, column in zip(scores.names, zip(*scores.status, strict=True), strict=True):
        if set(column) == {Status.UNAVAILABLE}:
            raise RewardUnavailable(f"{name} scored none of {len(scores):,} rows")


def _rewards(config: ScoreConfig) -> list[Reward]:
    """Build the rewards and refuse, before anything is read, what could not be scored."""
    rewards, problems = parse_rewards(config.rewards)
    if config.reference is None:
        problems += without_references(rewards)
    problems += repeated([reward.name for reward in rewards])
    files = (config.source, config.hypothesis, config.reference)
    if files.count(STDIN) > 1:
        what = "standard input (-) can be read only once"
        problems.append(Problem("E041", "-s, -t, -r", what, "write the other text to a file"))
    if problems:
        raise UserError(problems)
    return rewards


def _candidates(config: ScoreConfig) -> list[Candidate]:
    from rewardlab.data.lines import read_aligned
    from rewardlab.types import Candidate

    paths = [config.source, config.hypothesis, config.reference]
    files = read_aligned([path for path in paths if path is not None], stdin=sys.stdin.buffer)
    if not files[0].lines:
        problem = Problem("E206", files[0].name, "no rows", "give a file with text")
        raise UserError([problem], EXIT_DATA)
    for note in (note for file in files for note in file.notes):
        typer.echo(f"note: {note}", err=True)
    sources, hypotheses = files[0].lines, files[1].lines
    references: Sequence[str | None] = files[2].lines if len(files) > 2 else [None] * len(sources)  # noqa: PLR2004
    return [
        Candidate(
            source=source,
            hypothesis=hypothesis,
            reference=reference,
            source_lang=config.source_lang,
            target_lang=config.target_lang,
            id=str(number),
        )
        for number, (source, hypothesis, reference) in enumerate(
            zip(sources, hypotheses, references, strict=True), start=1
        )
    ]


def _tsv_lines(scores: Scores) -> Iterator[str]:
    """A header, then per row its line number, its scores (empty: unscored) and its statuses."""
    yield "\t".join(["line", *scores.names, *(f"{name}.status" for name in scores.names)])
    for number, (values, status) in enumerate(zip(scores.values, scores.status, strict=True), 1):
        numbers = ["" if math.isnan(value) else repr(float(value)) for value in values]
        yield "\t".join([str(number), *numbers, *(one.value for one in status)])


def _json_lines(scores: Scores) -> Iterator[str]:
    def by_name(rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
        return {name: [row[at] for row in rows] for at, name in enumerate(scores.names)}

    def told(numbers: NDArray[np.float64]) -> list[float | None]:
        return [None if math.isnan(number) else number for number in numbers.tolist()]

    values = [told(row) for row in scores.values]
    spans = [[[asdict(span) for span in one] for one in row] for row in scores.spans]
    yield json.dumps(
        {
            "signature": scores.signature,
            "scores": by_name(values),
            "spans": by_name(spans),
            "components": {part: told(column) for part, column in scores.components.items()},
            "status": by_name(scores.status),
        },
        allow_nan=False,
    )
