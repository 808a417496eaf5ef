"""``rewardlab evaluate``: measure systems on a test set, and say which differences are real."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rewardlab.cli import evaluation_check
from rewardlab.cli.arguments import DryRun, Overrides
from rewardlab.cli.decoding import COST, hush_libraries
from rewardlab.cli.evaluation_check import (
    HYPOTHESES,
    JOURNALS,
    RESULT,
    check_run,
    finished_translations,
    overlap,
    scored_by,
)
from rewardlab.cli.evaluation_result import Costs, as_json, show
from rewardlab.cli.finished_outputs import Outputs, compare_files
from rewardlab.cli.reward_arguments import Language
from rewardlab.cli.training import peak_memory_mb, prompt_of, report, say
from rewardlab.errors import Problem, UserError

if TYPE_CHECKING:
    from rewardlab.config.evaluate import EvaluateConfig
    from rewardlab.config.history import History
    from rewardlab.data.corpora import Row
    from rewardlab.evaluation.evaluate import Evaluation


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
    from rewardlab.config.evaluate import EvaluateConfig, check_evaluate
    from rewardlab.config.history import history
    from rewardlab.config.load import load
    from rewardlab.config.rows import select_rows
    from rewardlab.dry_run import score_one_row
    from rewardlab.store.files import replace_file

    if arguments.dry_run:
        evaluation_check.dry_run(arguments.config or Path(), arguments.overrides)
        return
    path = arguments.config or Path()
    config = load(EvaluateConfig, path, arguments.overrides, check=check_evaluate)
    check_run(config)
    test = select_rows(config.data, config.split)
    finished = finished_translations(config, test.rows)
    histories = {system.name: history(system, served=config.served) for system in config.systems}
    overlaps, warnings = overlap(test.rows, histories)
    say(*test.notes, str(test.funnel), *(f"warning: {warning}" for warning in warnings))
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


def begin(config: EvaluateConfig) -> None:
    """Make the directory, unless it is there to go on in."""
    from rewardlab.config import to_yaml
    from rewardlab.store.run_directory import start_run

    if not (config.run / "config.yaml").exists():
        start_run(config.run, config=to_yaml(config))
    for name in (HYPOTHESES, JOURNALS):
        (config.run / name).mkdir(exist_ok=True)


# ── translations ────────────────────────────────────────────────────────────────────────────────


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
    from rewardlab.decoding.translate import texts_digest, translate_rows
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
            "prompts": texts_digest(prompts),
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


def independence_notes(config: EvaluateConfig, histories: Mapping[str, History]) -> list[str]:
    """Claims of independence that nobody can check."""
    unknown = [name for name, known in histories.items() if not known.known]
    if not config.independent or not unknown:
        return []
    claims = ", ".join(config.independent)
    return [f"{claims}: independent of {', '.join(unknown)} by claim; their training is not known"]
