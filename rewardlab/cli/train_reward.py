"""``rewardlab train-reward``: from human judgements to a reward for ensembles."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardlab.cli import life_cycle
from rewardlab.cli.interrupts import told
from rewardlab.cli.life_cycle import Arguments, conclude, read_config
from rewardlab.cli.options import ConfigFile, DryRun, Overrides
from rewardlab.cli.output import is_first_process, print_tables, say, write_json
from rewardlab.cli.quiet import hush
from rewardlab.cli.trained_reward import measured
from rewardlab.cli.training import (
    document_of,
    first_process,
    locked,
    quiet_defaults,
    time_and_memory,
)
from rewardlab.config.checks import check_not_running, check_run_directory, free_name
from rewardlab.config.load import to_yaml
from rewardlab.config.strict_yaml import Document
from rewardlab.config.train_reward import (
    StageConfig,
    TrainRewardConfig,
    check_train_reward,
    family_of,
    stage_options,
)
from rewardlab.config.training_data import StageData, TrainingData, read_training_data
from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.scorer import check_scorer, check_stages
from rewardlab.errors import EXIT_RESUMABLE, EXIT_USAGE, Problem, UserError, refuse
from rewardlab.report.model_card import model_card
from rewardlab.report.trained_reward import constant_on, control, tables, unscored
from rewardlab.scorers.examples import rated
from rewardlab.store.files import replace_file
from rewardlab.store.manifest import damage, has_manifest, write_manifest
from rewardlab.store.run_directory import CONFIG, MODEL, SIGNATURE, START, start_run

if TYPE_CHECKING:
    from signal import Signals

    from transformers import Trainer, TrainerCallback, TrainingArguments

    from rewardlab.scorers.families.protocol import Family

RESULTS = "results.json"


def command(config: ConfigFile, overrides: Overrides = None, *, dry_run: DryRun = False) -> None:
    """Train a scorer on human judgements, and measure it on documents it has never seen.

    The same command resumes an interrupted run, and shows the results of a finished one.

    For example: rewardlab train-reward metricx.yaml stages.0.judgements.file=mqm.tsv
    """
    life_cycle.run(
        Arguments(config, overrides or ()), check, work, write, dry_run=dry_run, tables=True
    )


@dataclass(frozen=True, eq=False)
class Ready(life_cycle.Ready):
    """A training run that passed all checks.

    Attributes:
        config: The configuration.
        data: The data for training and measuring.
        options: The trainer's options for each stage.
        started: When the command started.
    """

    config: TrainRewardConfig
    data: TrainingData
    options: tuple[TrainingArguments, ...]
    started: float


# ── check ───────────────────────────────────────────────────────────────────────────────────────


def check(arguments: Arguments) -> Ready:
    """Check configuration, data, directory, checkpoint and each stage's rows.

    Raises:
        UserError: All problems: configuration and checkpoint (exit code 2), data (3).
    """
    config, found = read_config(arguments, TrainRewardConfig, check=check_train_reward)
    well = not found.problems
    hush()
    data = found.attempt(read_training_data, config)
    if is_first_process() and data is not None:
        found.attempt(check_free, config, data)
    document = document_of(arguments)
    attempts = [
        found.attempt(trainer_options, config, one, document) for one in config.stages if well
    ]
    options = tuple(one for one in attempts if one is not None)
    found.raise_if_any()
    assert data is not None  # noqa: S101 - they have no problems
    check_scorer(config, data, options, found=found)
    summary = {
        "run": str(config.run),
        "family": config.scorer.family,
        "stages": {
            stage.name: {"rows": len(rows.train), "validation": len(rows.validation)}
            for stage, rows in zip(config.stages, data.stages, strict=True)
        },
        "test": {gold.name: len(rated(gold)) for gold in data.test},
        "test_preferences": len(data.preferences),
    }
    notes = conclude(found, *data.notes)
    return Ready(summary, notes, config, data, options, arguments.started)


def trainer_options(
    config: TrainRewardConfig, stage: StageConfig, document: Document
) -> TrainingArguments:
    """The trainer's options for a stage: those of the file override defaults for the machine.

    Args:
        config: The run.
        stage: One of its stages.
        document: Its file, for the places of problems.
    """
    directory = stage_directory(config, stage)
    return stage_options(config, stage, directory, document, **quiet_defaults())


def stage_directory(config: TrainRewardConfig, stage: StageConfig) -> Path:
    """The directory for the checkpoints and metrics of a stage.

    Args:
        config: The run.
        stage: One of its stages.
    """
    return config.run / "stages" / f"{config.stages.index(stage) + 1}-{stage.name}"


def check_free(config: TrainRewardConfig, data: TrainingData) -> None:
    """Refuse a directory that another process is working in, or with another run.

    Args:
        config: The run.
        data: Its data.

    Raises:
        UserError: E084, or as `check_directory`; exit code 2.
    """
    check_not_running(config.run)
    check_directory(config, data)


def check_directory(config: TrainRewardConfig, data: TrainingData) -> None:
    """Refuse a directory with a run that has another configuration or other data.

    A run that did not reach its first stage is started again, whatever its configuration.

    Args:
        config: The run.
        data: Its data.

    Raises:
        UserError: E030 the directory contains other files, E083 a different run; exit code 2.
    """
    run, text = config.run, to_yaml(config)
    if not has_begun(run):
        check_run_directory(run)
        return
    if _text(run / CONFIG) != text:
        what = "holds a run of another configuration, which is in its config.yaml"
    elif _text(run / SIGNATURE) != data.signature + "\n":
        what = "holds a run on other data: its signature.txt names other files or contents"
    else:
        return
    fix = f"give another one: run={free_name(run)}"
    refuse(Problem("E083", f"run {str(run)!r}", what, fix), exit_code=EXIT_USAGE)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def has_begun(run: Path) -> bool:
    """Whether the directory contains a stage that can be resumed."""
    return (run / "stages").exists() or (run / MODEL).exists()


# ── work ────────────────────────────────────────────────────────────────────────────────────────


def work(ready: Ready) -> dict[str, Any] | None:
    """Train every stage, and measure the scorer on the test side; a finished run is left alone.

    Returns:
        The results; None in all but the first process.

    Raises:
        UserError: E084 another process works in the directory (exit code 2); E049 a signal stopped
            the training, with a checkpoint (75 or 130); E077 a gradient or E375 the validation loss
            is not finite (2).
    """
    again = "interrupted; the same command goes on with what is there"
    with locked(ready.config.run), told(lambda: again):
        if is_first_process():
            check_directory(ready.config, ready.data)  # another process may have started there
        if (results := finished_results(ready.config.run)) is not None:
            return results if is_first_process() else None
        start_or_resume(ready)
        losses = train(ready)
        if not is_first_process():
            return None
        return measured(ready.config, ready.data, ready.config.run / MODEL, losses)


def finished_results(run: Path) -> dict[str, Any] | None:
    """The results of a run whose model is intact; None if there is anything left to do."""
    try:
        results = json.loads(_text(run / RESULTS) or "null")
    except ValueError:
        return None
    if results is None or not is_whole(run / MODEL):
        return None
    say(f"{run} is already finished; another run needs another directory: run={free_name(run)}")
    return results


def start_or_resume(ready: Ready) -> None:
    """Make the run directory, or keep an existing one to resume it."""
    run = ready.config.run
    with first_process() as first:
        if first and has_begun(run):
            say(f"resuming in {run}")
        elif first:
            start_run(run, config=to_yaml(ready.config), signature=ready.data.signature)


def train(ready: Ready) -> dict[str, float]:
    """Train every stage that is not finished yet, each from the model of the stage before.

    Returns:
        The validation loss of each stage.
    """
    config, family = ready.config, family_of(ready.config)
    start = config.model.path or start_from_scratch(ready, family)
    losses: dict[str, float] = {}
    for stage, rows, args in zip(config.stages, ready.data.stages, ready.options, strict=True):
        directory = stage_directory(config, stage)
        model = (config.run if stage is config.stages[-1] else directory) / MODEL
        if not is_whole(model):
            say(f"stage {stage.name}: {len(rows.train):,} rows; metrics in {directory}")
            trainer = train_stage(family, start, rows, args=args, stage=stage, seed=config.seed)
            save_stage(family, trainer, model, directory / "loss.json")
        if is_first_process():
            tidy(directory)
        losses[stage.name] = json.loads((directory / "loss.json").read_text())["eval_loss"]
        start = model
    return losses


def start_from_scratch(ready: Ready, family: Family) -> Path:
    """Make the first checkpoint of a new model in the first process; every process reads it.

    Args:
        ready: The run.
        family: Family of the scorer.

    Raises:
        UserError: A problem that would otherwise end a later stage.
    """
    from rewardlab.scorers.families.protocol import Shape

    config, start = ready.config, ready.config.run / START
    shape = config.model.from_scratch
    assert shape is not None  # noqa: S101 - the schema wants it or a path
    with first_process() as first:
        if first and not has_manifest(start):
            shutil.rmtree(start, ignore_errors=True)
            start.mkdir()
            rows = [row for stage in ready.data.stages for row in stage.train]
            say("making a tokenizer and the first weights")
            family.new(start, rows, Shape(**shape.model_dump()), seed=config.seed)
            found = Findings()
            # The tokenizer exists only now, so the rows are checked here.
            say(*check_stages(config, family, start, ready.data, ready.options, found=found))
            found.raise_if_any()
            write_manifest(start)
    return start


def train_stage(
    family: Family,
    start: Path,
    rows: StageData,
    *,
    args: TrainingArguments,
    stage: StageConfig,
    seed: int,
) -> Trainer:
    """Train one stage, from its latest checkpoint if there is one.

    Args:
        family: Family of the scorer.
        start: The model of the stage before, or the first checkpoint.
        rows: Rows of the stage.
        args: The trainer's options.
        stage: The stage's configuration, for its patience.
        seed: Seed of random draws from the rows.

    Raises:
        UserError: E049, a signal stopped it, with a checkpoint; exit code 75, or 130 after SIGINT.
    """
    from transformers import EarlyStoppingCallback

    from rewardlab.report.progress import Progress
    from rewardlab.scorers.families.protocol import Stage
    from rewardlab.trainers.resume import WriteManifests, train_on
    from rewardlab.trainers.run_log import MetricsLog
    from rewardlab.trainers.stopping import CheckpointOnSignal, StopOnBadGradients, StopOnNaN

    stops, patience = CheckpointOnSignal(), stage.patience
    progress = Progress(stage.name, main="loss", heldout="eval_loss", shows=is_first_process())
    callbacks: list[TrainerCallback] = [
        MetricsLog(),
        progress,
        WriteManifests(),
        stops,
        StopOnNaN(f"stage {Path(str(args.output_dir)).name}"),
        StopOnBadGradients(),
    ]
    if patience is not None:
        callbacks.append(EarlyStoppingCallback(patience))
    data = Stage(start, rows.train, rows.validation, args, seed)
    trainer = family.trainer(data, callbacks)
    with stops.listening(), progress:
        train_on(trainer, say=say)
    if stops.signal is not None:
        raise _stopped(stops.signal, trainer.state.global_step)
    return trainer


def _stopped(kind: Signals, step: int) -> UserError:
    what = f"{kind.name} stopped it at step {step:,}, with a checkpoint"
    fix = "run the same command again; it resumes there"
    code = 128 + kind if kind.name == "SIGINT" else EXIT_RESUMABLE
    return UserError([Problem("E049", "rewardlab train-reward", what, fix)], code)


def save_stage(family: Family, trainer: Trainer, model: Path, loss_file: Path) -> None:
    """Write the model of a stage and its validation loss, and the manifest of the model.

    Args:
        family: Family of the scorer.
        trainer: The trainer, after training.
        model: The directory to write.
        loss_file: The JSON file to write.
    """
    state = trainer.state
    kept_best = trainer.args.load_best_model_at_end and state.best_metric is not None
    loss = state.best_metric if kept_best else trainer.evaluate()["eval_loss"]
    step = state.best_global_step if kept_best else state.global_step
    with first_process() as first:
        if first:
            shutil.rmtree(model, ignore_errors=True)
            model.mkdir(parents=True)
    family.save(trainer, model)
    trainer.accelerator.wait_for_everyone()
    with first_process() as first:
        if first:
            replace_file(loss_file, json.dumps({"eval_loss": loss, "step": step}) + "\n")
            write_manifest(model)


def is_whole(model: Path) -> bool:
    """Whether a stage is finished and its model intact; a damaged model is trained again."""
    if not has_manifest(model):
        return False
    if (wrong := damage(model)) is not None:
        say(f"{model} is damaged ({wrong}), and its stage is trained again")
        return False
    return True


def tidy(directory: Path) -> None:
    """Remove the checkpoints of a finished stage: optimizer states are larger than the model."""
    for kind in ("checkpoint-*", "damaged-*-checkpoint-*"):
        for checkpoint in directory.glob(kind):
            shutil.rmtree(checkpoint)


# ── write ───────────────────────────────────────────────────────────────────────────────────────


def write(ready: Ready, results: dict[str, Any] | None) -> dict[str, Any]:
    """Write ``results.json`` and the model card, remove the first weights, and print tables.

    Args:
        ready: The run.
        results: The scorer's losses and scores; None in all but the first process.

    Returns:
        The report; empty in all but the first process, which prints it.
    """
    if results is None:
        return {}
    run = ready.config.run
    write_json(run / RESULTS, results)
    replace_file(run / MODEL / "README.md", model_card(results))
    shutil.rmtree(run / START, ignore_errors=True)
    print_tables(tables(results))
    constant = constant_on(results)
    told = filter(None, [control(results)])
    say(*told, *unscored(results), *constant, *usage(ready.config, trains=not constant))
    places = {"run": str(run), "model": str(run / MODEL)}
    return {**places, **results, **time_and_memory(ready.started)}


def usage(config: TrainRewardConfig, *, trains: bool = True) -> Iterator[str]:
    """Where the model is, and how it is named on the command line and in YAML.

    Args:
        config: The run.
        trains: Whether a policy can be trained on the scores.
    """
    run, family = config.run, config.scorer.family
    yield f"model: {run / MODEL}"
    yield f"to score with it: --reward {shlex.quote(f'{family}:model={run}')}"
    if trains:
        yield f"in the YAML of rl and rerank: rewards: [{{reward: {family}, model: {run}}}]"
