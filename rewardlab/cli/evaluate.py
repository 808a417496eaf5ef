"""``rewardlab evaluate``: measure systems on a test set, and say which differences are real."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rewardlab.cli.arguments import DryRun, Overrides
from rewardlab.cli.decoding import COST, hush_libraries
from rewardlab.cli.evaluation_result import Costs, as_json, show
from rewardlab.cli.finished_outputs import Outputs, compare_files
from rewardlab.cli.reward_arguments import Language
from rewardlab.cli.training import peak_memory_mb, prompt_of, report, say
from rewardlab.errors import EXIT_DATA, Problem, UserError, shown

if TYPE_CHECKING:
    from rewardlab.config.evaluate import EvaluateConfig
    from rewardlab.config.history import History
    from rewardlab.data.corpora import Row
    from rewardlab.evaluation.evaluate import Evaluation

RESULT = "evaluation.json"
HYPOTHESES = "hypotheses"
JOURNALS = "journals"
OWN_FILES = frozenset({"config.yaml", "versions.json", HYPOTHESES, JOURNALS, f".{RESULT}.partial"})
"""What an evaluation that was interrupted leaves in its directory."""


@dataclass(frozen=True)
class EvaluateCommand:
    """What to measure: a configuration, or finished outputs.

    Attributes:
        config: The YAML file, or None.
        overrides: ``key=value`` arguments.
        outputs: Two files to compare, or None.
        dry_run: Check everything that can be checked, and stop before decoding.
    """

    config: Path | None
    overrides: tuple[str, ...]
    outputs: Outputs | None
    dry_run: bool


def command(
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG", help="YAML file of the evaluation.")
    ] = None,
    overrides: Overrides = None,
    *,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Two line-aligned outputs; differences are to A."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", "-s", metavar="FILE", help="Source texts.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", "-r", metavar="FILE", help="Reference texts.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME[:OPTION=VALUE,...]", help="May be repeated."),
    ] = None,
    source_lang: Language = None,
    target_lang: Language = None,
    dry_run: DryRun = False,
) -> None:
    """Measure systems on a test set, with bootstrap intervals and p-values.

    For example: rewardlab evaluate evaluate.yaml
    or: rewardlab evaluate --compare sft.txt rl.txt -r ref.txt --metric chrf --metric ter
    """
    outputs = None
    if compare is not None:
        outputs = Outputs(
            *compare, source, reference, tuple(metric or ()), source_lang, target_lang
        )
    only_with_compare = {
        "-s": source, "-r": reference, "--metric": metric,
        "--source-lang": source_lang, "--target-lang": target_lang,
    }  # fmt: skip
    stray = [option for option, value in only_with_compare.items() if value]
    if (config is None) == (outputs is None) or (outputs is None and stray):
        what = "takes either CONFIG or --compare A B with its options"
        if stray and outputs is None:
            what = f"{stray[0]} belongs to --compare A B; a CONFIG says these things itself"
        fix = "see rewardlab evaluate --help"
        raise UserError([Problem("E040", "rewardlab evaluate", what, fix)])
    run(EvaluateCommand(config, tuple(overrides or ()), outputs, dry_run))


def run(arguments: EvaluateCommand) -> None:
    """Measure; print JSON on stdout and tables on stderr.

    Raises:
        UserError: Everything wrong with the configuration (exit code 2) or the data (3).
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many rows unscored.
    """
    if arguments.outputs is not None:
        evaluation = compare_files(arguments.outputs)
        show(evaluation)
        report({**evaluation.as_json(), "peak_memory_mb": peak_memory_mb()})
        return
    from rewardlab.cli.evaluation_check import dry_run, scored_by
    from rewardlab.config.evaluate import load_evaluate_config
    from rewardlab.config.history import history
    from rewardlab.config.rows import select_rows
    from rewardlab.dry_run import score_one_row
    from rewardlab.store.files import replace_file

    if arguments.dry_run:
        dry_run(arguments.config or Path(), arguments.overrides)
        return
    config = load_evaluate_config(arguments.config or Path(), arguments.overrides)
    check_run(config)
    test = select_rows(config.data, config.split)
    finished = finished_translations(config, test.rows)
    histories = {system.name: history(system, served=config.served) for system in config.systems}
    overlaps, warnings = overlap(test.rows, histories)
    say(*test.notes, test.funnel, *(f"warning: {warning}" for warning in warnings))
    score_one_row(scored_by(config), (), test.rows[0])
    begin(config)
    decoded, costs = decode(config, test.rows)
    earlier, no_systems = earlier_costs(config)
    evaluation = measure(config, test.rows, {**finished, **decoded}, histories)
    notes = [*warnings, *no_systems, *independence_notes(config, histories)]
    costs = {**earlier, **costs}
    result = as_json(evaluation, histories, costs=costs, overlaps=overlaps, notes=notes)
    text = json.dumps(result, ensure_ascii=False, indent=1, allow_nan=False)
    replace_file(config.run / RESULT, f"{text}\n")
    show(evaluation, costs, notes)
    report(result)


def check_run(config: EvaluateConfig) -> None:
    """Refuse a directory that holds anything but the beginnings of this very evaluation.

    Raises:
        UserError: E030, exit code 2.
    """
    from rewardlab.config import to_yaml
    from rewardlab.config.checks import check_run_directory

    written = config.run / "config.yaml"
    if written.is_file() and {path.name for path in config.run.iterdir()} <= OWN_FILES:
        if written.read_text(encoding="utf-8") == to_yaml(config):
            say(f"going on in {config.run}")
            return
        what = "holds the beginnings of an evaluation with another configuration"
        fix = f"give another one: run={config.run}-2"
        raise UserError([Problem("E030", f"run {shown(str(config.run))}", what, fix)])
    check_run_directory(config.run)


def begin(config: EvaluateConfig) -> None:
    """Make the directory, unless it is there to go on in."""
    from rewardlab.config import to_yaml
    from rewardlab.store.run_directory import start_run

    if not (config.run / "config.yaml").exists():
        start_run(config.run, config=to_yaml(config))
    for name in (HYPOTHESES, JOURNALS):
        (config.run / name).mkdir(exist_ok=True)


# ── translations ────────────────────────────────────────────────────────────────────────────────


def finished_translations(config: EvaluateConfig, rows: Sequence[Row]) -> dict[str, list[str]]:
    """The translations of every system that is no model.

    Raises:
        UserError: E201..E205, E209 with the problems of all files; exit code 3.
    """
    from rewardlab.decoding.outputs import read_outputs

    found: dict[str, list[str]] = {}
    problems: list[Problem] = []
    for system in config.systems:
        if system.copies:
            found[system.name] = [row.source for row in rows]
        elif system.translations is not None:
            try:
                found[system.name], notes = read_outputs(system.translations, rows)
                say(*notes)
            except UserError as error:
                problems += error.problems
    if problems:
        raise UserError(problems, EXIT_DATA)
    return found


def decode(
    config: EvaluateConfig, rows: Sequence[Row]
) -> tuple[dict[str, list[str]], dict[str, Costs]]:
    """Translate the test set with every system that is a model, one after the other.

    What is done is journalled in the run directory: an evaluation that was interrupted goes on
    where it was.

    Raises:
        UserError: What the generator or the journal raises.
    """
    from rewardlab.config.translate import build_generator, build_sampling
    from rewardlab.decoding.files import write_translations
    from rewardlab.decoding.translate import digest_of, translate_rows
    from rewardlab.store.journal import Journal

    texts: dict[str, list[str]] = {}
    costs: dict[str, Costs] = {}
    models = [system for system in config.systems if system.model is not None]
    prompts = {row.id: prompt_of(config, row) for row in (rows if models else ())}
    sampling = build_sampling(config.generation)
    if models:
        hush_libraries(config.generation.backend)
    for system in models:
        generator = build_generator(config.generation, system.model)
        settings = {
            "generator": generator.signature,
            "sampling": asdict(sampling),
            "seed": config.seed,
            "prompts": digest_of(prompts),
        }
        say(f"decoding {len(rows):,} rows with {system.name}")
        path = config.run / JOURNALS / f"{system.name}.sqlite"
        with Journal.open(path, settings, note=say) as journal:
            done = translate_rows(
                prompts, generator, sampling, seed=config.seed, journal=journal, say=say
            )
        texts[system.name] = [translation.texts[0] for translation in done.translations]
        costs[system.name] = {"tokens": done.cost.tokens, "seconds": done.cost.seconds}
        hypotheses = config.run / HYPOTHESES / f"{system.name}.jsonl"
        write_translations(hypotheses, done.translations, {row.id: row.source for row in rows})
    return texts, costs


def earlier_costs(config: EvaluateConfig) -> tuple[dict[str, Costs], list[str]]:
    """What translate and rerank runs wrote down as their cost, and which of them are no systems."""
    from rewardlab.config.history import run_of

    found: dict[str, Costs] = {}
    notes: list[str] = []
    for system in config.systems:
        if system.translations is None:
            continue
        file = run_of(system.translations) / COST
        if not file.is_file():
            continue
        told = json.loads(file.read_text(encoding="utf-8"))
        sampling = told.get("sampling", told)
        seconds = sampling.get("seconds", 0.0) + told.get("scoring", {}).get("seconds", 0.0)
        found[system.name] = {"tokens": sampling.get("tokens", 0), "seconds": seconds}
        if "oracle" in told:
            notes.append(f"{system.name} is an upper bound and no system: {told['oracle']}")
    return found, notes


# ── measuring ───────────────────────────────────────────────────────────────────────────────────


def measure(
    config: EvaluateConfig,
    rows: Sequence[Row],
    texts: Mapping[str, Sequence[str]],
    histories: Mapping[str, History],
) -> Evaluation:
    """Score all systems and compare them with the baseline."""
    from rewardlab.evaluation.evaluate import System, evaluate

    systems = [
        System(
            system.name,
            texts[system.name],
            group=system.group,
            trained=histories[system.name].rewards,
            known=histories[system.name].known,
        )
        for system in config.systems
    ]
    say(f"measuring {len(systems)} systems by {len(config.metrics)} metrics")
    return evaluate(
        rows,
        systems,
        [entry.build() for entry in config.metrics],
        baseline=config.baseline,
        resamples=config.bootstrap.resamples,
        seed=config.bootstrap.seed,
    )


def overlap(
    rows: Sequence[Row], histories: Mapping[str, History]
) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Test rows with a side that a system was trained on, as far as its files are still there.

    Returns:
        By system how many sources, references, and rows with either; and what to warn of.
    """
    from pydantic import ValidationError

    from rewardlab.config.history import training_texts

    seen: dict[Any, frozenset[str]] = {}
    found: dict[str, dict[str, int]] = {}
    warnings: list[str] = []
    for name, known in histories.items():
        if not known.stages:
            continue
        stages = json.dumps(known.stages, sort_keys=True)
        try:
            seen[stages] = seen.get(stages) or training_texts(known)
        except (UserError, ValidationError) as error:
            reason = error.problems[0].what if isinstance(error, UserError) else "unknown sections"
            warnings.append(f"{name}: overlap with its training data not checked: {reason}")
            continue
        sources = [row.source in seen[stages] for row in rows]
        references = [row.reference in seen[stages] for row in rows]
        either = sum(map(max, sources, references))
        found[name] = {"sources": sum(sources), "references": sum(references), "rows": either}
        if either:
            warnings.append(
                f"{name} was trained on texts of {either:,} of {len(rows):,} test rows: "
                f"{sum(sources):,} sources, {sum(references):,} references"
            )
    return found, warnings


def independence_notes(config: EvaluateConfig, histories: Mapping[str, History]) -> list[str]:
    """Claims of independence that nobody can check."""
    unknown = [name for name, known in histories.items() if not known.known]
    if not config.independent or not unknown:
        return []
    claims = ", ".join(config.independent)
    return [f"{claims}: independent of {', '.join(unknown)} by claim; their training is not known"]
