"""``rewardlab metaeval``: which rewards, and which files of scores, agree with people?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rewardlab.cli.judgements import (
    ExcludeSystems,
    GoldFormat,
    JsonFile,
    ReferenceSystem,
    Severity,
    console,
    output_problems,
    split_names,
)
from rewardlab.cli.reward_arguments import Language, Rewards, parse_rewards
from rewardlab.errors import EXIT_DATA, Problem, UserError, shown

if TYPE_CHECKING:
    from rewardlab.human.gold import Gold
    from rewardlab.human.score_matrix import ScoreMatrix
    from rewardlab.metaeval.results import MetaEvaluation
    from rewardlab.types import Reward

UNFIT = frozenset('/\\:*?"<>|')


@dataclass(frozen=True)
class MetaevalConfig:
    """What to compare with what.

    Attributes:
        gold: File of human judgements.
        format: Its form; ``auto`` sees for itself.
        severity: Name of a severity table, or a file with one.
        lower_is_better: The human scores are errors.
        reference_system: Whose texts are the references, or None.
        exclude_systems: Systems that correlations leave out.
        exclude_references: Leave out systems that have the name of a reference.
        rewards: Specifications such as ``chrf`` and ``no_repetition:n=4``.
        scores: ``NAME=FILE``.
        source_lang: Language code of the sources, or None.
        target_lang: Language code of the translations, or None.
        compare: Test the differences between metrics.
        intervals: Resamples for intervals; 0 for none.
        json: Write the result there too, or None.
        tsv: Write a long table there, or None.
        export: Write all scores into this new directory, or None.
    """

    gold: str
    format: str = "auto"
    severity: str = "wmt"
    lower_is_better: bool = False
    reference_system: str | None = None
    exclude_systems: tuple[str, ...] = ()
    exclude_references: bool = False
    rewards: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    source_lang: str | None = None
    target_lang: str | None = None
    compare: bool = False
    intervals: int = 0
    json: Path | None = None
    tsv: Path | None = None
    export: Path | None = None


def command(
    *,
    gold: Annotated[str, typer.Option("--gold", metavar="FILE", help="Human judgements.")],
    format_: GoldFormat = "auto",
    severity: Severity = "wmt",
    lower_is_better: Annotated[
        bool, typer.Option("--lower-is-better", help="The human scores are errors.")
    ] = False,
    reference_system: ReferenceSystem = None,
    exclude_systems: ExcludeSystems = None,
    exclude_references: Annotated[
        bool, typer.Option("--exclude-references", help="Leave out refA, Human-A.0 and the like.")
    ] = False,
    reward: Rewards = None,
    scores: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="Scores of a metric; may be repeated."),
    ] = None,
    source_lang: Language = None,
    target_lang: Language = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Which differences between metrics are real?")
    ] = False,
    intervals: Annotated[
        int, typer.Option(metavar="N", min=0, help="Bootstrap intervals from N resamples.")
    ] = 0,
    json: JsonFile = None,
    tsv: Annotated[
        Path | None, typer.Option(metavar="OUT", help="One statistic a line, tab-separated.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="All scores, as mt-metrics-eval reads them.")
    ] = None,
) -> None:
    """Compare rewards with human judgements: correlations, tie-calibrated accuracy, SPA.

    For example: rewardlab metaeval --gold mqm.tsv --reference-system refA --reward chrf
    or: rewardlab metaeval --gold mqm.tsv --scores comet=comet.seg.score --scores bleu=bleu.tsv
    """
    run(
        MetaevalConfig(
            gold=gold,
            format=format_,
            severity=severity,
            lower_is_better=lower_is_better,
            reference_system=reference_system,
            exclude_systems=split_names(exclude_systems),
            exclude_references=exclude_references,
            rewards=tuple(reward or ()),
            scores=tuple(scores or ()),
            source_lang=source_lang,
            target_lang=target_lang,
            compare=compare,
            intervals=intervals,
            json=json,
            tsv=tsv,
            export=export,
        )
    )


def run(config: MetaevalConfig) -> None:
    """Read, score, compare; print JSON on stdout and tables on stderr.

    Raises:
        UserError: Usage, E001..E026 of a severity table, E036, E040, E042, E101..E104,
            E115..E118 (exit code 2); the files,
            E201..E206, E220..E239, E250..E252 (3); the disk, E210 (75).
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many translations unscored.
    """
    from rewardlab.cli.training import report, say
    from rewardlab.config.severities import load_severities
    from rewardlab.heartbeat import heartbeat
    from rewardlab.human.formats import read_gold
    from rewardlab.human.score_files import check_names
    from rewardlab.metaeval.meta_evaluate import meta_evaluate
    from rewardlab.metaeval.scoring import Scored, check_texts, compared_systems, score_gold

    rewards, files = check_usage(config)
    severities = load_severities(config.severity)
    gold = read_gold(
        config.gold,
        format=config.format,
        severities=severities,
        lower_is_better=config.lower_is_better,
    )
    say(gold.funnel)
    systems = compared_systems(
        gold,
        reference_system=config.reference_system,
        exclude=config.exclude_systems,
        exclude_references=config.exclude_references,
    )
    check_texts(rewards, gold, config.reference_system)
    if config.export is not None:
        check_names(systems, "--export")
    given = [Scored(name, scores) for name, scores in read_all(files, gold, systems)]
    doing = f"scoring {len(systems) * len(gold.scores.segments):,} translations"
    with heartbeat(say, lambda: f"{doing} ..."):
        scored = score_gold(
            rewards,
            gold,
            systems=systems,
            reference_system=config.reference_system,
            source_lang=config.source_lang,
            target_lang=config.target_lang,
        )
        doing = "comparing with human scores"
        found = meta_evaluate(
            gold,
            [*scored, *given],
            systems=systems,
            reference_system=config.reference_system,
            compare=config.compare,
            resamples=config.intervals,
        )
    write(config, found)
    show(found)
    report(found.as_json())


# ── what is asked for ───────────────────────────────────────────────────────────────────────────


def check_usage(config: MetaevalConfig) -> tuple[list[Reward], dict[str, str]]:
    """Build the rewards and take ``NAME=FILE`` apart, before anything is read.

    Raises:
        UserError: Everything wrong with the command line; exit code 2.
    """
    rewards, problems = parse_rewards(config.rewards)
    files: list[tuple[str, str]] = []
    for given in config.scores:
        name, equals, path = given.partition("=")
        if not equals or not name.strip() or not path.strip():
            what = f"{shown(given)} is not NAME=FILE"
            file = path or given.strip("=")
            fix = f"--scores {Path(file).name.partition('.')[0] or 'NAME'}={file}"
            problems.append(Problem("E115", "--scores", what, fix))
        else:
            files.append((name.strip(), path.strip()))
    if not config.rewards and not config.scores:
        what, fix = "nothing to compare with people", "--reward chrf, or --scores NAME=FILE"
        problems.append(Problem("E040", "rewardlab metaeval", what, fix))
    problems += _name_problems([reward.name for reward in rewards], [name for name, _ in files])
    problems += _output_problems(config, [config.gold, *(path for _, path in files)])
    if problems:
        raise UserError(problems)
    return rewards, dict(files)


def _name_problems(rewards: Sequence[str], files: Sequence[str]) -> Iterator[Problem]:
    from rewardlab.metaeval.results import CONSTANT, HUMAN

    earlier: set[str] = set()
    named = [("--reward", name) for name in rewards] + [("--scores", name) for name in files]
    for where, name in named:
        fix = f"{name}:name={name}_2" if where == "--reward" else f"--scores {name}_2=FILE"
        if name in earlier:
            yield Problem("E036", where, f"{name} is asked for twice", fix)
        elif name in (CONSTANT, HUMAN):
            yield Problem("E116", where, f"{shown(name)} is a row of the table already", fix)
        elif UNFIT & {*name} or not name.isprintable() or name.startswith("."):
            fix = "take letters, digits, spaces and - _ . + only"
            yield Problem("E116", where, f"{shown(name)} cannot name a file", fix)
        earlier.add(name)


def _output_problems(config: MetaevalConfig, inputs: Sequence[str]) -> Iterator[Problem]:
    read = {Path(path).resolve() for path in inputs}
    for option, path in (("--json", config.json), ("--tsv", config.tsv)):
        if path is not None and path.resolve() in read:
            what = f"{shown(str(path))} is read, and would be overwritten"
            yield Problem("E118", option, what, f"name another file: metaeval.{option[2:]}")
        else:
            yield from output_problems(option, path, like=f"metaeval.{option[2:]}")
    if config.export is not None and config.export.exists():
        what, fix = f"{shown(str(config.export))} exists", f"give another one: {config.export}-2"
        yield Problem("E118", "--export", what, fix)
    else:
        yield from output_problems("--export", config.export, like="")


def read_all(
    files: Mapping[str, str], gold: Gold, systems: Sequence[str]
) -> list[tuple[str, ScoreMatrix]]:
    """Read the scores of metrics, for the systems that are compared.

    Raises:
        UserError: With the problems of all files; exit code 3.
    """
    from rewardlab.human.metric_scores import read_scores

    left_out = [name for name in gold.scores.systems if name not in systems]
    found: list[tuple[str, ScoreMatrix]] = []
    problems: list[Problem] = []
    for name, path in files.items():
        try:
            scores = read_scores(path, gold, name=name, may_miss=left_out)
        except UserError as error:
            problems += error.problems
        else:
            found.append((name, scores.only(systems)))
    if problems:
        raise UserError(problems, EXIT_DATA)
    return found


# ── what is told ────────────────────────────────────────────────────────────────────────────────


def write(config: MetaevalConfig, found: MetaEvaluation) -> None:
    """Write the files that were asked for.

    Raises:
        UserError: E210, the disk is full or gone; exit code 75.
    """
    import json

    from rewardlab.report.metaeval import tsv_lines
    from rewardlab.store.files import replace_file

    if config.json is not None:
        text = json.dumps(found.as_json(), ensure_ascii=False, indent=1, allow_nan=False)
        replace_file(config.json, f"{text}\n")
    if config.tsv is not None:
        replace_file(config.tsv, "".join(f"{line}\n" for line in tsv_lines(found)))
    if config.export is not None:
        export(config.export, found)


def export(directory: Path, found: MetaEvaluation) -> None:
    """Write ``NAME.seg.score`` and ``NAME.sys.score`` of the human scores and every metric.

    Raises:
        UserError: E210, the disk is full or gone; exit code 75.
    """
    from rewardlab.human.score_files import write_seg_scores, write_sys_scores
    from rewardlab.metaeval.results import HUMAN
    from rewardlab.store.files import disk_errors

    with disk_errors(directory):
        directory.mkdir()
    matrices = {HUMAN: found.gold.scores.only(found.systems)}
    matrices |= {metric.name: metric.scores for metric in found.scores}
    for name, matrix in matrices.items():
        write_seg_scores(matrix, directory / f"{name}.seg.score")
        write_sys_scores(matrix, directory / f"{name}.sys.score")


def show(found: MetaEvaluation) -> None:
    """Print tables, and what they do not say by themselves, on stderr."""
    from rewardlab.cli.training import say
    from rewardlab.report.metaeval import LEGEND, gold_table, metric_table, span_table

    stderr = console()
    for table in (gold_table(found), metric_table(found), span_table(found)):
        if table is not None:
            stderr.print(table)
    say(*LEGEND, *(f"note: {note}" for note in found.notes))
