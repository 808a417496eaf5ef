"""``rewardlab metaeval``: how well rewards and files of scores agree with human judgements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from rewardlab.cli import judgements
from rewardlab.cli.options import (
    LANGUAGE_OPTIONS,
    HtmlFile,
    Language,
    MarkdownFile,
    Rewards,
    output_file_problems,
    pair_notes,
    parse_rewards,
)
from rewardlab.cli.output import print_page, report, say, write_page
from rewardlab.config.evaluate import UNFIT
from rewardlab.config.severities import load_severities
from rewardlab.dry_run.findings import Findings
from rewardlab.errors import Problem, quantity, shown
from rewardlab.heartbeat import heartbeat
from rewardlab.human.formats import AUTO, read_gold
from rewardlab.human.gold import Gold
from rewardlab.human.metric_scores import ScoreFile, read_scores, score_file
from rewardlab.human.score_files import check_names, write_seg_scores, write_sys_scores
from rewardlab.metaeval.meta_evaluate import meta_evaluate
from rewardlab.metaeval.results import CONSTANT, HUMAN, MetaEvaluation
from rewardlab.metaeval.scoring import Scored, check_texts, compared_systems, score_gold
from rewardlab.report.metaeval import metaeval_page, tsv_lines
from rewardlab.store.files import disk_errors, replace_file
from rewardlab.types import Reward


def command(
    *,
    gold: Annotated[str, typer.Option("--gold", metavar="FILE", help="Human judgements.")],
    format_: judgements.GoldFormat = AUTO,
    severity: judgements.Severity = "wmt",
    lower_is_better: Annotated[
        bool, typer.Option("--lower-is-better", help="The human scores are errors.")
    ] = False,
    reference_system: judgements.ReferenceSystem = None,
    exclude_systems: judgements.ExcludeSystems = None,
    exclude_references: Annotated[
        bool, typer.Option("--exclude-references", help="Leave out refA, Human-A.0 and the like.")
    ] = False,
    reward: Rewards = None,
    scores: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE[:COLUMN]", help="Scores of a metric; may be repeated."),
    ] = None,
    source_lang: Language = None,
    target_lang: Language = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Test the differences between metrics.")
    ] = False,
    intervals: Annotated[
        int, typer.Option(metavar="N", min=0, help="Bootstrap intervals from N resamples.")
    ] = 0,
    json: judgements.JsonFile = None,
    tsv: Annotated[
        Path | None, typer.Option(metavar="OUT", help="One statistic a line, tab-separated.")
    ] = None,
    markdown: MarkdownFile = None,
    html: HtmlFile = None,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="All scores, as mt-metrics-eval reads them.")
    ] = None,
) -> None:
    """Compare rewards with human judgements: correlations, tie-calibrated accuracy, SPA.

    \b
    For example:
      rewardlab metaeval --gold mqm.tsv --reference-system refA --reward chrf
      rewardlab metaeval --gold mqm.tsv --scores comet=comet.seg.score
    """  # noqa: D301 - click keeps the lines after this mark
    found = Findings()
    rewards, files = metrics_of(reward or (), scores or (), found)
    inputs = [gold, *(file.path for file in files.values())]
    found.add(output_file_problems("--json", json, read=inputs, like="metaeval.json"))
    found.add(output_file_problems("--tsv", tsv, read=inputs, like="metaeval.tsv"))
    found.add(output_file_problems("--markdown", markdown, read=inputs, like="metaeval.md"))
    found.add(output_file_problems("--html", html, read=inputs, like="metaeval.html"))
    found.add(_export_problems(export))
    found.raise_if_any()
    human = read_gold(
        gold,
        format=format_,
        severities=load_severities(severity),
        lower_is_better=lower_is_better,
        source_lang=source_lang,
        target_lang=target_lang,
    )
    human = human.in_languages(source_lang, target_lang, where="--gold", fix=LANGUAGE_OPTIONS)
    say(human.funnel, *pair_notes(human.source_lang, human.target_lang))
    systems = compared_systems(
        human,
        reference_system=reference_system,
        exclude=judgements.split_names(exclude_systems),
        exclude_references=exclude_references,
    )
    check_texts(rewards, human, reference_system)
    if export is not None:
        check_names(systems, "--export")
    from_files, file_notes = read_all(files, human, systems)
    progress = f"scoring {quantity(len(systems) * len(human.scores.segments), 'translation')}"
    with heartbeat(say, lambda: f"{progress} ..."):
        scored = score_gold(
            rewards,
            human,
            systems=systems,
            reference_system=reference_system,
        )
        progress = "comparing with human scores"
        evaluation = meta_evaluate(
            human,
            [*scored, *from_files],
            systems=systems,
            reference_system=reference_system,
            compare=compare,
            resamples=intervals,
        )
    evaluation = replace(evaluation, notes=(*evaluation.notes, *file_notes))
    result = evaluation.as_json()
    if tsv is not None:
        replace_file(tsv, "".join(f"{line}\n" for line in tsv_lines(evaluation)))
    if export is not None:
        write_scores(export, evaluation)
    page = metaeval_page(evaluation)
    write_page(page, markdown=markdown, html=html)
    print_page(page)
    report(result, file=json, shown=True)


# ── the command line ────────────────────────────────────────────────────────────────────────────


def metrics_of(
    rewards: Sequence[str], scores: Sequence[str], found: Findings
) -> tuple[list[Reward], dict[str, ScoreFile]]:
    """Build the rewards and split ``NAME=FILE:COLUMN``, before any file is read.

    Args:
        rewards: Specifications such as ``chrf`` and ``no_repetition:n=4``.
        scores: ``NAME=FILE`` or ``NAME=FILE:COLUMN``.
        found: Receives E036, E040, E115, E116 and the registry's E1xx.

    Returns:
        The rewards, and the files by name.
    """
    built = parse_rewards(rewards, found, columns=(CONSTANT, HUMAN))
    files: list[tuple[str, ScoreFile]] = []
    for given in scores:
        name, equals, path = given.partition("=")
        if not equals or not name.strip() or not path.strip():
            what = f"{shown(given)} is not NAME=FILE"
            file = path or given.strip("=")
            fix = f"--scores {Path(file).name.partition('.')[0] or 'NAME'}={file}"
            found.add([Problem("E115", "--scores", what, fix)])
        else:
            files.append((name.strip(), score_file(path.strip())))
    if not rewards and not scores:
        what = "no metric to compare with human judgements"
        fix = "--reward chrf, or --scores NAME=FILE"
        found.add([Problem("E040", "rewardlab metaeval", what, fix)])
    found.add(_name_problems([reward.name for reward in built], files))
    return built, dict(files)


def _name_problems(
    rewards: Sequence[str], files: Sequence[tuple[str, ScoreFile]]
) -> Iterator[Problem]:
    """E036, E116: names that two metrics have, that the table uses, or that cannot name a file."""
    for where, name in [
        *(("--reward", one) for one in rewards),
        *(("--scores", one) for one, _ in files),
    ]:
        if UNFIT & {*name} or not name.isprintable() or name.startswith("."):
            fix = "take letters, digits, spaces and - _ . + only"
            yield Problem("E116", where, f"{shown(name)} cannot name a file", fix)
    earlier, proposed = {*rewards}, {*rewards, *(name for name, _ in files)}
    for name, file in files:
        new = next(new for at in count(2) if (new := f"{name}_{at}") not in proposed)
        fix = f"--scores {new}={file.path}" + (f":{file.column}" if file.column else "")
        if name in earlier:
            yield Problem("E036", "--scores", f"{name} is asked for twice", fix)
            proposed.add(new)
        elif name in (CONSTANT, HUMAN):
            yield Problem("E116", "--scores", f"{shown(name)} is a row of the table already", fix)
        earlier.add(name)


def _export_problems(export: Path | None) -> Iterator[Problem]:
    if export is not None and export.exists():
        fix = f"give another one: {export}-2"
        yield Problem("E118", "--export", f"{shown(str(export))} exists", fix)
    else:
        yield from judgements.output_problems("--export", export, like="")


# ── files ───────────────────────────────────────────────────────────────────────────────────────


def read_all(
    files: Mapping[str, ScoreFile], gold: Gold, systems: Sequence[str]
) -> tuple[list[Scored], list[str]]:
    """Read the scores of metrics for the compared systems.

    Args:
        files: Metric -> file.
        gold: The human scores.
        systems: Names of the S systems.

    Returns:
        Scores of shape (S, M) for each metric, and notes on the files.

    Raises:
        UserError: With the problems of all files; exit code 3.
    """
    left_out = [name for name in gold.scores.systems if name not in systems]
    found = Findings()
    read = {
        name: found.attempt(read_scores, file, gold, name=name, may_miss=left_out)
        for name, file in files.items()
    }
    found.raise_if_any()
    done = {name: one for name, one in read.items() if one is not None}
    scored = [Scored(name, one.scores.only(systems)) for name, one in done.items()]
    notes = [note for one in done.values() for note in one.notes]
    return scored, [*dict.fromkeys(notes)]  # metrics may share a file


def write_scores(directory: Path, evaluation: MetaEvaluation) -> None:
    """Write ``NAME.seg.score`` and ``NAME.sys.score`` of the human scores and every metric.

    Args:
        directory: A new directory.
        evaluation: The evaluation with the scores.

    Raises:
        UserError: E210, the disk is full or gone; exit code 75.
    """
    with disk_errors(directory):
        directory.mkdir()
    matrices = {HUMAN: evaluation.gold.scores.only(evaluation.systems)}
    matrices |= {metric.name: metric.scores for metric in evaluation.scores}
    for name, matrix in matrices.items():
        write_seg_scores(matrix, directory / f"{name}.seg.score")
        write_sys_scores(matrix, directory / f"{name}.sys.score")
