"""``rewardlab score``: score line-aligned translations with rewards or an ensemble."""

from __future__ import annotations

import json
import sys
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from rewardlab.cli import options
from rewardlab.cli.aligned import named_files, read_aligned_texts, stdin_problems
from rewardlab.cli.output import console, say
from rewardlab.dry_run.findings import Findings
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import Problem, RewardUnavailable, quantity, shown
from rewardlab.evaluation.system_scores import (
    SystemScores,
    corpus_score,
    of_systems,
    score_in_parts,
)
from rewardlab.heartbeat import heartbeat
from rewardlab.report.scores import LONG_KEYS, long_lines, row_lines, score_notes, score_table
from rewardlab.text.languages import language_notes
from rewardlab.types import Gate, Scores, Status, Term

WITHOUT = {
    "no source_lang": "no source_lang (--source-lang LANGUAGE)",
    "no target_lang": "no target_lang (--target-lang LANGUAGE)",
}
"""How a note begins that misses a language, and how it begins with the option that gives it."""


def command(
    overrides: options.Overrides = None,
    *,
    hypothesis: Annotated[
        list[str] | None,
        typer.Option(
            "--hypothesis",
            "-t",
            metavar="[NAME=]FILE",
            help="Translations of a system, named like its file; - is stdin; may be repeated.",
        ),
    ] = None,
    source: options.SourceFile = None,
    reference: options.ReferenceFile = None,
    reward: options.Rewards = None,
    ensemble: Annotated[
        Path | None,
        typer.Option(
            metavar="YAML", help="Rewards, weights and gates of an RL run; KEY=VALUE replaces one."
        ),
    ] = None,
    source_lang: options.Language = None,
    target_lang: options.Language = None,
    long: Annotated[
        bool, typer.Option("--long", help="TSV: system, segment, rewards. With several -t always.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON with spans, one line per system, not TSV.")
    ] = False,
    precision: Annotated[
        int, typer.Option(metavar="N", min=0, max=15, help="Digits after the point.")
    ] = 4,
) -> None:
    """Score translations. Files are line-aligned text, plain or gzipped.

    \b
    For example:
      rewardlab score -t news.hyp -r news.de --reward chrf --reward ter
      rewardlab score -s news.en -t online.hyp -t ours=runs/rl/hyp.txt -r news.de
          --ensemble rl.yaml --reward bleu
    """  # noqa: D301 - click keeps the lines after this mark
    found = Findings()
    files, of_names = named_files(hypothesis or (), option="-t")
    found.add(of_names)
    found.add(stdin_problems({"-s": [source], "-t": [*files.values()], "-r": [reference]}))
    if not hypothesis and not any(Path(one).is_file() for one in overrides or ()):
        found.add([Problem("E040", "rewardlab score", "no translations are given", "-t FILE")])
    columns = LONG_KEYS if long or len(files) > 1 else ()
    asked = _ensemble(reward or (), ensemble, overrides or (), found, columns=columns)
    found.add(_ensemble_problems(asked, source=source, reference=reference, columns=columns))
    found.raise_if_any()
    languages = {"source_lang": source_lang, "target_lang": target_lang}
    texts = read_aligned_texts(files, source=source, reference=reference, **languages, stdin=True)
    say(*options.pair_notes(source_lang, target_lang))
    say(*(f"note: {note}" for note in texts.notes))
    # Rows without a score are a result here, so no number of them stops the command.
    rewards = RewardEnsemble(asked.terms, asked.gates, max_unavailable=1.0, max_failed=1.0)
    parts: list[Scores] = []
    try:
        with _progress(len(texts.rows) * len(texts.systems)) as advance:
            for part in score_in_parts(rewards, texts.rows, texts.systems):
                parts.append(part)
                advance(len(part))
    finally:  # what is finished is printed, also if a reward breaks or the user stops waiting
        systems = of_systems(parts, texts.rows, texts.systems)
        corpus = {one.system: _corpus_scores(asked.terms, one) for one in systems}
        if as_json:
            lines = (json.dumps({**one.as_json(), "corpus": corpus[one.system]}) for one in systems)
        elif long or len(systems) > 1:
            lines = long_lines(systems, precision=precision)
        else:
            lines = row_lines(systems, gates=bool(asked.gates), precision=precision)
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    table = score_table(systems, corpus, weighted=ensemble is not None, precision=precision)
    console().print(table)
    say(*score_notes(systems, corpus), *_notes(parts, language_notes(source_lang, target_lang)))
    for at, name in enumerate(rewards.names):
        if all({*one.statuses(at)} == {Status.UNAVAILABLE} for one in systems):
            raise RewardUnavailable(f"{name} scored none of {len(texts.rows):,} rows")


# ── the command line ────────────────────────────────────────────────────────────────────────────


class Asked(NamedTuple):
    """What to score with.

    Attributes:
        terms: The rewards with their weights.
        gates: The gates.
        where: For each term and gate, the option that it comes from.
    """

    terms: list[Term]
    gates: list[Gate]
    where: list[str]


def _ensemble(
    specifications: Sequence[str],
    path: Path | None,
    overrides: Sequence[str],
    found: Findings,
    *,
    columns: Collection[str],
) -> Asked:
    """The terms and gates. Beside an ensemble, ``--reward`` only measures: its weight is 0.

    Args:
        specifications: Specifications such as ``chrf``.
        path: A YAML file with an ensemble, or None.
        overrides: Arguments ``key=value`` for the file.
        found: Receives E040 nothing to score with, or arguments without a file; E001..E036 of the
            file; E036, E101..E104, E116, E331 of the rewards.
        columns: Names that a reward must not have.
    """
    from rewardlab.config.ensemble import load_ensemble  # keeps the help of the command light

    read = None if path is None else found.attempt(load_ensemble, path, overrides)
    terms, gates = read or ([], [])
    if path is None:
        for argument in overrides:
            what = f"{shown(argument)} is neither an option nor a value of an --ensemble"
            fix = f"-t {argument}" if Path(argument).is_file() else "see rewardlab score --help"
            found.add([Problem("E040", "rewardlab score", what, fix)])
    if path is None and not specifications:
        what, fix = "no reward is given", "--reward chrf, or --ensemble rl.yaml"
        found.add([Problem("E040", "rewardlab score", what, fix)])
    where = ["--ensemble"] * len(terms)
    measured = options.parse_rewards(
        specifications, found, names=[term.reward.name for term in terms], columns=columns
    )
    terms = [*terms, *(Term(one, weight=0.0 if path is not None else 1.0) for one in measured)]
    where += ["--reward"] * len(measured) + ["--ensemble"] * len(gates)
    return Asked(terms, gates, where)


def _ensemble_problems(
    asked: Asked, *, source: str | None, reference: str | None, columns: Collection[str]
) -> Iterator[Problem]:
    """E042, E074, E116: what these rewards cannot be used with.

    Args:
        asked: The rewards.
        source: File of the sources, or None.
        reference: File of the references, or None.
        columns: Names that a reward must not have.
    """
    rewards = [entry.reward for entry in (*asked.terms, *asked.gates)]
    for one, where in zip(rewards, asked.where, strict=True):
        if reference is None:
            yield from options.without_references([one], where)
        if source is None:
            yield from options.without_sources([one], where)
    names = [term.reward.name for term in asked.terms]
    for name, where in zip(names, asked.where, strict=False):  # the gates come after the terms
        if where == "--ensemble" and name in columns:
            what = f"{shown(name)} is a column of the long form already"
            yield Problem("E116", where, what, f"name: {name}_2")
        elif not name.isprintable():
            what = f"{shown(name)} cannot be the heading of a column"
            yield Problem("E116", where, what, "take letters, digits and - _ . +")


# ── work ────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _progress(rows: int) -> Generator[Callable[[int], None]]:
    """Show progress: a bar on a terminal, else a line every half a minute.

    Args:
        rows: Number of rows.

    Yields:
        A function that is told how many more rows are finished.
    """
    terminal = console()
    bar = Progress(
        SpinnerColumn(),
        TextColumn("scoring"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=terminal,
        transient=True,
        redirect_stdout=False,
        disable=not terminal.is_terminal,
    )
    task = bar.add_task("", total=rows)

    def line() -> str:
        return f"scored {int(bar.tasks[0].completed):,} of {quantity(rows, 'row')} ..."

    with bar if terminal.is_terminal else heartbeat(say, line):
        yield lambda more: bar.advance(task, more)


def _corpus_scores(terms: Sequence[Term], scores: SystemScores) -> dict[str, float]:
    """The scores of the whole file, for the rewards that have one and if it has references."""
    references = [row.reference for row in scores.rows if row.reference is not None]
    target_lang = scores.rows[0].target_lang if scores.rows else None
    known = {
        term.reward.name: corpus_score(
            term.reward, scores.hypotheses, references, target_lang=target_lang
        )
        for term in (terms if references else ())
    }
    return {name: score for name, score in known.items() if score is not None}


def _notes(parts: Sequence[Scores], said: Iterable[str]) -> Iterator[str]:
    """The notes of the scores, each once, with the option that gives a missing language.

    Args:
        parts: The scores.
        said: Notes that were printed before.
    """
    told = set(said)
    for part in parts:
        for note in part.untold(told):
            head, colon, effect = note.partition(": ")
            yield f"note: {WITHOUT.get(head, head)}{colon}{effect}"
