"""``rewardlab evaluate``: measure systems on a test set, and which differences are significant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from rewardlab.cli import life_cycle
from rewardlab.cli.decoding import decode_rows
from rewardlab.cli.evaluated_systems import (
    Overlaps,
    earlier_costs,
    finished_translations,
    independence_notes,
    known_histories,
    overlap,
)
from rewardlab.cli.evaluation_result import Costs, as_json, show
from rewardlab.cli.life_cycle import Arguments, conclude, read_config
from rewardlab.cli.options import ConfigFile, DryRun, Overrides
from rewardlab.cli.output import say, write_json
from rewardlab.cli.rows import NO_ROWS, pairs_of, prompts_of, row_notes
from rewardlab.config.checks import check_run_directory, free_name
from rewardlab.config.evaluate import EvaluateConfig, MetricConfig, check_evaluate
from rewardlab.config.history import History
from rewardlab.config.load import to_yaml
from rewardlab.config.rows import select_rows
from rewardlab.config.translate import build_sampling
from rewardlab.data.rows import Row
from rewardlab.decoding.files import write_translations
from rewardlab.decoding.translate import prompts_digest
from rewardlab.dry_run.decoding import check_decoding, signed_generator
from rewardlab.dry_run.findings import valid
from rewardlab.dry_run.rewards import check_rewards
from rewardlab.errors import EXIT_USAGE, Problem, quantity, refuse, shown
from rewardlab.evaluation.evaluate import Evaluation, System, evaluate
from rewardlab.generate import Generator
from rewardlab.preflight.planted import spread_rows
from rewardlab.store.journal import Journal
from rewardlab.store.run_directory import start_run
from rewardlab.types import Term

RESULT = "evaluation.json"
HYPOTHESES = "hypotheses"
JOURNALS = "journals"
OWN_FILES = frozenset({"config.yaml", "versions.json", HYPOTHESES, JOURNALS, f".{RESULT}.partial"})
"""What an interrupted evaluation leaves in its directory."""


def command(config: ConfigFile, overrides: Overrides = None, *, dry_run: DryRun = False) -> None:
    """Measure systems on a test set, with bootstrap intervals and p-values.

    For example: rewardlab evaluate evaluate.yaml
    """
    life_cycle.run(
        Arguments(config, overrides or ()), check, work, write, dry_run=dry_run, tables=True
    )


@dataclass(frozen=True, eq=False)
class Ready(life_cycle.Ready):
    """An evaluation that passed all checks.

    Attributes:
        config: The configuration.
        rows: The test rows.
        translations: System -> its texts, or the model that writes them.
        histories: System -> the training behind its translations.
        overlaps: System -> test rows that it was trained on, where known.
        warnings: Warnings about these overlaps.
    """

    config: EvaluateConfig
    rows: Sequence[Row]
    translations: Mapping[str, list[str] | Generator]
    histories: Mapping[str, History]
    overlaps: Overlaps
    warnings: Sequence[str]


class Outcome(NamedTuple):
    """A finished evaluation.

    Attributes:
        evaluation: The scores.
        costs: System -> its costs, where known.
        notes: Notes, besides those of the evaluation.
    """

    evaluation: Evaluation
    costs: dict[str, Costs]
    notes: list[str]


# ── check ───────────────────────────────────────────────────────────────────────────────────────


def check(arguments: Arguments) -> Ready:
    """Check configuration, directory, test set, translations, models and metrics.

    Raises:
        UserError: All problems: configuration and checkpoints (exit code 2), data and
            translations (3), metrics and server (4).
    """
    config, found = read_config(arguments, EvaluateConfig, check=check_evaluate)
    to_decode, well = [one for one in config.systems if one.model is not None], not found.problems
    models = {
        one.name: found.attempt(signed_generator, config.generation, one.model) if well else None
        for one in to_decode
    }
    resuming = found.attempt(check_directory, config) or ()
    test = found.attempt(select_rows, config.data, config.split) or NO_ROWS
    names = [system.name for system in config.systems]
    summary: dict[str, Any] = {"run": str(config.run), "rows": len(test), "systems": names}
    pairs = pairs_of(test.rows, config.prompt, config.data, chat=config.chat)
    summary["decoding"] = {
        one.name: check_decoding(models[one.name], one.model, pairs, config.generation, found)
        for one in to_decode
    }
    finished, more = {}, []
    if test.rows:
        finished, more = found.attempt(finished_translations, config, test.rows) or ({}, [])
        candidates = [row.candidate("") for row in spread_rows(test.rows)]
        summary["rewards"] = check_rewards(row_metrics(config), (), candidates, found)
    histories = known_histories(config)
    overlaps, warnings = overlap(test.rows, histories)
    found.notes += warnings
    notes = conclude(found, *resuming, *row_notes(test), *more)
    generators = {name: model for name, model in models.items() if model is not None}
    translations = {**finished, **generators}
    return Ready(summary, notes, config, test.rows, translations, histories, overlaps, warnings)


def check_directory(config: EvaluateConfig) -> tuple[str, ...]:
    """Refuse a directory that contains anything except the same evaluation, unfinished.

    Returns:
        A note, if the evaluation will be resumed.

    Raises:
        UserError: E030, exit code 2.
    """
    run, written = config.run, config.run / "config.yaml"
    if not (written.is_file() and {path.name for path in run.iterdir()} <= OWN_FILES):
        check_run_directory(run)
        return ()
    if written.read_text(encoding="utf-8") != to_yaml(config):
        what = "holds the beginnings of an evaluation with another configuration"
        fix = f"give another one: run={free_name(run)}"
        refuse(Problem("E030", f"run {shown(str(run))}", what, fix), exit_code=EXIT_USAGE)
    return (f"resuming in {run}",)


def row_metrics(config: EvaluateConfig) -> list[Term]:
    """The metrics that score single rows and can be built, each as a term."""
    metrics = valid(MetricConfig.build, config.metrics)
    return [Term(metric.reward) for metric in metrics if not metric.is_corpus]


# ── work ────────────────────────────────────────────────────────────────────────────────────────


def work(ready: Ready) -> Outcome:
    """Decode the models, score all systems and compare them with the baseline.

    Raises:
        UserError: From a generator or a journal.
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many rows unscored.
    """
    config = ready.config
    if not (config.run / "config.yaml").exists():
        start_run(config.run, config=to_yaml(config))
    for name in (HYPOTHESES, JOURNALS):
        (config.run / name).mkdir(exist_ok=True)
    texts, costs = texts_of(ready)
    earlier, upper_bounds = earlier_costs(config)
    systems = [
        System(
            system.name,
            texts[system.name],
            group=system.group,
            trained=ready.histories[system.name].rewards,
            known=ready.histories[system.name].known,
        )
        for system in config.systems
    ]
    say(
        f"measuring {quantity(len(systems), 'system')} by {quantity(len(config.metrics), 'metric')}"
    )
    evaluation = evaluate(
        ready.rows,
        systems,
        [entry.build() for entry in config.metrics],
        baseline=config.baseline,
        resamples=config.bootstrap.resamples,
        seed=config.bootstrap.seed,
    )
    claims = independence_notes(config, ready.histories)
    return Outcome(evaluation, {**earlier, **costs}, [*ready.warnings, *upper_bounds, *claims])


def texts_of(ready: Ready) -> tuple[dict[str, list[str]], dict[str, Costs]]:
    """The translations of every system; models translate the test set one after the other.

    Finished translations are kept in a journal in the run directory, so a resumed evaluation does
    not repeat them.

    Returns:
        System -> texts, and model -> costs.

    Raises:
        UserError: From a generator or a journal.
    """
    config, rows = ready.config, ready.rows
    texts: dict[str, list[str]] = {}
    costs: dict[str, Costs] = {}
    for name, translations in ready.translations.items():
        if isinstance(translations, list):
            texts[name] = translations
            continue
        prompts = prompts_of(rows, config.prompt, chat=config.chat)
        settings = {
            "generator": translations.signature,
            "sampling": asdict(build_sampling(config.generation)),
            "seed": config.seed,
            "prompts": prompts_digest(prompts),
        }
        say(f"decoding {quantity(len(rows), 'row')} with {name}")
        with Journal.open(config.run / JOURNALS / f"{name}.sqlite", settings, note=say) as journal:
            done = decode_rows(config, translations, rows, journal)
        texts[name] = [translation.texts[0] for translation in done.translations]
        costs[name] = {"tokens": done.cost.tokens, "seconds": done.cost.seconds}
        hypotheses = config.run / HYPOTHESES / f"{name}.jsonl"
        write_translations(hypotheses, done.translations, {row.id: row.source for row in rows})
    return texts, costs


# ── write ───────────────────────────────────────────────────────────────────────────────────────


def write(ready: Ready, outcome: Outcome) -> dict[str, Any]:
    """Write ``evaluation.json``, and print tables on stderr.

    Args:
        ready: The evaluation.
        outcome: Its scores.

    Returns:
        The report.
    """
    evaluation, costs, notes = outcome
    result = as_json(evaluation, ready.histories, costs=costs, overlaps=ready.overlaps, notes=notes)
    write_json(ready.config.run / RESULT, result)
    show(evaluation, costs, notes)
    say(f"written: {ready.config.run / RESULT}")
    return result
