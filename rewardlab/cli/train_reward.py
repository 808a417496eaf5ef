"""``rewardlab train-reward``: from human judgements to a reward that stands in an ensemble."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rewardlab.cli.arguments import Arguments, ConfigFile, DryRun, Overrides
from rewardlab.cli.training import (
    conclude,
    is_first_process,
    peak_memory_mb,
    quiet_defaults,
    report,
    say,
)
from rewardlab.errors import EXIT_RESUMABLE, Problem, UserError

if TYPE_CHECKING:
    from transformers import TrainerCallback, TrainingArguments

    from rewardlab.config.train_reward import StageConfig, TrainRewardConfig
    from rewardlab.config.training_data import StageData, TrainingData
    from rewardlab.scorers.families.protocol import Family
    from rewardlab.store.lock import Lock

MODEL, RESULTS, SIGNATURE, START = "model", "results.json", "signature.txt", "start"


def command(config: ConfigFile, overrides: Overrides = None, *, dry_run: DryRun = False) -> None:
    """Train a scorer on human judgements, and measure it on documents it has never seen.

    Run again, the same command goes on where it was stopped.

    For example: rewardlab train-reward metricx.yaml stages.0.judgements.file=mqm.tsv
    """
    run(Arguments(config, tuple(overrides or ()), dry_run))


class Ready(NamedTuple):
    """A run that nothing is known to be wrong with.

    Attributes:
        config: What was asked for.
        lessons: What it learns from, and what it is measured on.
        options: The trainer's, for each stage.
        summary: What is known of the run before it starts.
    """

    config: TrainRewardConfig
    lessons: TrainingData
    options: tuple[TrainingArguments, ...]
    summary: dict[str, Any]


def run(arguments: Arguments) -> None:
    """Check, train every stage, save, measure; print a JSON summary on stdout.

    Raises:
        UserError: Everything that is wrong, as `check` finds it; E049 it was stopped by a signal,
            with a checkpoint (exit code 75); E375 its loss is no number (2).
    """
    started = time.perf_counter()
    ready = check(arguments)
    if arguments.dry_run:
        report({"dry_run": True, **ready.summary})
        return

    config = ready.config
    lock = take_lock(config.run) if is_first_process() else None
    try:
        if lock is not None:
            check_run(config, ready.lessons)  # another may have begun it since
        prepare(ready)
        losses = train(ready)
        if is_first_process():
            results = measure(ready, losses)
            seconds = round(time.perf_counter() - started, 1)
            report({**results, "seconds": seconds, "peak_memory_mb": peak_memory_mb()})
    finally:
        if lock is not None:
            lock.release()


# ── before ──────────────────────────────────────────────────────────────────────────────────────


def check(arguments: Arguments) -> Ready:
    """Look at everything that can be looked at before a step is taken, and tell what was found.

    Raises:
        UserError: With everything that is wrong: configuration and checkpoint (exit code 2), data
            (3).
    """
    from rewardlab.cli.quiet import hush
    from rewardlab.config.load import examine
    from rewardlab.config.train_reward import TrainRewardConfig, check_train_reward
    from rewardlab.config.training_data import read_training_data
    from rewardlab.dry_run import Findings, examine_scorer
    from rewardlab.scorers.examples import rated

    config, problems = examine(
        TrainRewardConfig, arguments.config, arguments.overrides, check=check_train_reward
    )
    if config is None:
        raise UserError(problems)
    hush()
    found = Findings()
    found.add(problems)
    lessons = found.attempt(read_training_data, config)
    if is_first_process() and lessons is not None:
        found.attempt(check_run, config, lessons)
    options = (
        () if problems else tuple(found.attempt(_options, config, stage) for stage in config.stages)
    )
    known = tuple(one for one in options if one is not None)
    summary: dict[str, Any] = {"run": str(config.run), "family": config.scorer.family}
    if lessons is not None:
        summary["stages"] = {
            stage.name: {"rows": len(rows.train), "validation": len(rows.validation)}
            for stage, rows in zip(config.stages, lessons.stages, strict=True)
        }
        summary["test"] = {gold.name: len(rated(gold)) for gold in lessons.test}
        summary["test_preferences"] = len(lessons.preferences)
    if lessons is not None and not found.problems:
        examine_scorer(config, lessons, known, found=found)
    conclude(found, summary, *(lessons.notes if lessons is not None else ()))
    assert lessons is not None  # noqa: S101 - nothing is wrong with them
    return Ready(config, lessons, known, summary)


def _options(config: TrainRewardConfig, stage: StageConfig) -> TrainingArguments:
    """The trainer's options of a stage: the file's, over defaults that suit the machine."""
    from rewardlab.config.train_reward import stage_options

    return stage_options(config, stage, stage_directory(config, stage), **quiet_defaults())


def stage_directory(config: TrainRewardConfig, stage: StageConfig) -> Path:
    """Where a stage keeps checkpoints and metrics."""
    return config.run / "stages" / f"{config.stages.index(stage) + 1}-{stage.name}"


def check_run(config: TrainRewardConfig, lessons: TrainingData) -> None:
    """Refuse to go on with a run of another configuration or other data.

    One of ours that has not come to its first stage is begun anew, whatever it was.

    Raises:
        UserError: E030 the directory holds something else, E083 a run that differs; exit code 2.
    """
    from rewardlab.config import to_yaml
    from rewardlab.config.checks import check_run_directory

    written = config.run / "config.yaml"
    if not has_begun(config.run):
        if not is_left_over(config.run, to_yaml(config)):
            check_run_directory(config.run)
        return
    where, fix = f"run {str(config.run)!r}", f"give another one: run={config.run}-2"
    if not written.is_file() or written.read_text(encoding="utf-8") != to_yaml(config):
        what = "holds a run of another configuration, which is in its config.yaml"
        raise UserError([Problem("E083", where, what, fix)])
    signature = config.run / SIGNATURE
    if not signature.is_file() or signature.read_text("utf-8") != lessons.signature + "\n":
        what = "holds a run on other data: its signature.txt names other files or contents"
        raise UserError([Problem("E083", where, what, fix)])


def has_begun(run: Path) -> bool:
    """Whether there is a stage to go on with."""
    return (run / "stages").exists() or (run / MODEL).exists()


def is_left_over(run: Path, config: str) -> bool:
    """Whether the directory holds a run that ended before its first stage, and nothing else.

    A ``config.yaml`` that stands alone is this run's own, or it is somebody's and no left-over.
    """
    held = {path.name for path in run.iterdir()} if run.is_dir() else set[str]()
    if held == {"config.yaml"}:
        return (run / "config.yaml").read_text(encoding="utf-8") == config
    written = {"config.yaml", SIGNATURE}
    return written <= held <= written | {"versions.json", START}


def take_lock(run: Path) -> Lock:
    """Held beside the run directory, which may have to be begun anew."""
    from rewardlab.store.lock import Lock

    run.parent.mkdir(parents=True, exist_ok=True)
    return Lock.take(run.with_name(f".{run.name}.lock"), note=say)


def prepare(ready: Ready) -> None:
    """Make the run directory, or complete one that was begun; one process does, all wait."""
    from accelerate import PartialState

    from rewardlab.config import to_yaml
    from rewardlab.store.run_directory import start_run

    run, process = ready.config.run, PartialState()
    if process.is_main_process:
        if has_begun(run):
            say(f"going on with {run}")
        else:
            if run.is_dir():
                shutil.rmtree(run)  # it held nothing that `is_left_over` does not know
            start_run(run, config=to_yaml(ready.config), signature=ready.lessons.signature)
    process.wait_for_everyone()


# ── training ────────────────────────────────────────────────────────────────────────────────────


def train(ready: Ready) -> dict[str, float]:
    """Every stage that is not done yet, each from what the one before it gave.

    Returns:
        The validation loss of each stage.
    """
    from rewardlab.config.train_reward import family_of

    config, family = ready.config, family_of(ready.config)
    start = config.model.path or begin_from_scratch(ready, family)
    losses: dict[str, float] = {}
    for stage, rows, args in zip(config.stages, ready.lessons.stages, ready.options, strict=True):
        directory = stage_directory(config, stage)
        last = stage is config.stages[-1]
        model = config.run / MODEL if last else directory / MODEL
        if not is_whole(model):
            say(f"stage {stage.name}: {len(rows.train):,} rows; metrics in {directory}")
            train_stage(family, start, rows, args=args, stage=stage, model=model, seed=config.seed)
        if is_first_process():
            tidy(directory)
        losses[stage.name] = json.loads((directory / "loss.json").read_text())["eval_loss"]
        start = model
    return losses


def begin_from_scratch(ready: Ready, family: Family) -> Path:
    """The checkpoint that a new model begins with, made once and read back by every process."""
    from accelerate import PartialState

    from rewardlab.scorers.families.protocol import Shape
    from rewardlab.store.manifest import is_sealed, seal

    config, start = ready.config, ready.config.run / START
    shape = config.model.from_scratch
    assert shape is not None  # noqa: S101 - the schema wants it or a path
    process = PartialState()
    if process.is_main_process and not is_sealed(start):
        shutil.rmtree(start, ignore_errors=True)
        start.mkdir()
        rows = [row for stage in ready.lessons.stages for row in stage.train]
        say("making a tokenizer and the first weights")
        family.new(start, rows, Shape(**shape.model_dump()), seed=config.seed)
        _examine(ready, family)
        seal(start)
    process.wait_for_everyone()
    return start


def _examine(ready: Ready, family: Family) -> None:
    """Tell what becomes of the rows of every stage, now that there is a tokenizer.

    Raises:
        UserError: What a later stage would end with.
    """
    from rewardlab.dry_run import Findings, examine_stages

    found, start = Findings(), ready.config.run / START
    lines = examine_stages(ready.config, family, start, ready.lessons, ready.options, found=found)
    say(*(f"stage {name}, {line}" for name, line in lines))
    found.raise_if_any()


def train_stage(
    family: Family,
    start: Path,
    rows: StageData,
    *,
    args: TrainingArguments,
    stage: StageConfig,
    model: Path,
    seed: int,
) -> None:
    """One trainer's run, from its latest checkpoint, to a sealed model.

    Raises:
        UserError: E049, a signal stopped it; exit code 75.
        KeyboardInterrupt: It was interrupted; there is a checkpoint all the same.
    """
    from accelerate import PartialState
    from transformers import EarlyStoppingCallback

    from rewardlab.scorers.families.protocol import Stage
    from rewardlab.store.files import replace_file
    from rewardlab.store.manifest import seal
    from rewardlab.trainers.resume import (
        SealsCheckpoints,
        StopOnNaN,
        StopsOnSignal,
        train_on,
    )
    from rewardlab.trainers.run_log import MetricsLog
    from rewardlab.trainers.sft import LogValidationLoss

    stops = StopsOnSignal()
    callbacks: list[TrainerCallback] = [
        MetricsLog(),
        LogValidationLoss(say),
        SealsCheckpoints(),
        stops,
    ]
    callbacks.append(StopOnNaN())
    if stage.patience is not None:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=stage.patience))
    data = Stage(start, rows.train, rows.validation, args, seed)
    trainer = family.trainer(data, callbacks)
    with stops.listening():
        train_on(trainer, say=say)
    state = trainer.state
    if stops.signal is not None:
        raise _stopped(stops.signal.name, state.global_step)
    kept_best = args.load_best_model_at_end and state.best_metric is not None
    loss = state.best_metric if kept_best else trainer.evaluate()["eval_loss"]
    step = state.best_global_step if kept_best else state.global_step
    process = PartialState()
    if process.is_main_process:
        shutil.rmtree(model, ignore_errors=True)
        model.mkdir(parents=True)
    process.wait_for_everyone()
    family.save(trainer, model)
    process.wait_for_everyone()
    if process.is_main_process:
        directory = Path(str(args.output_dir))
        replace_file(directory / "loss.json", json.dumps({"eval_loss": loss, "step": step}) + "\n")
        seal(model)
    process.wait_for_everyone()


def is_whole(model: Path) -> bool:
    """Whether a stage is done, and what it gave as it was; what is damaged is trained anew."""
    from rewardlab.store.manifest import damage, is_sealed

    if not is_sealed(model):
        return False
    if (wrong := damage(model)) is not None:
        say(f"{model} is damaged ({wrong}), and its stage is trained again")
        return False
    return True


def tidy(directory: Path) -> None:
    """Remove the checkpoints of a stage that is done: an optimizer is several times the model."""
    for kind in ("checkpoint-*", "damaged-*-checkpoint-*"):
        for done_with in directory.glob(kind):
            shutil.rmtree(done_with)


def _stopped(name: str, step: int) -> BaseException:
    if name == "SIGINT":
        say(f"stopped at step {step:,}; run the same command again to go on")
        return KeyboardInterrupt()
    what = f"{name} stopped it at step {step:,}, with a checkpoint"
    fix = "run the same command again; it goes on there"
    return UserError([Problem("E049", "rewardlab train-reward", what, fix)], EXIT_RESUMABLE)


# ── measuring ───────────────────────────────────────────────────────────────────────────────────


def measure(ready: Ready, losses: dict[str, float]) -> dict[str, Any]:
    """Measure the reward as anybody would use it, from disk, and write results and model card."""
    from rewardlab.cli.judgements import console
    from rewardlab.cli.trained_reward import measured, results_of
    from rewardlab.report.model_card import model_card
    from rewardlab.report.trained_reward import tables, unscored
    from rewardlab.store.files import replace_file

    config = ready.config
    found = measured(ready.config, ready.lessons, config.run / MODEL)
    results = results_of(ready.config, ready.lessons, found, losses)
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(config.run / RESULTS, text)
    replace_file(config.run / MODEL / "README.md", model_card(results))
    shown = console()
    for table in tables(results):
        shown.print(table)
    say(*unscored(results))
    return {"run": str(config.run), "model": str(config.run / MODEL), **results}
