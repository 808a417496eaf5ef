"""Shared by the commands that train: processes, TRL's options, first checks, saving the policy."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rewardlab.cli.interrupts import NOT_BEGUN, told
from rewardlab.cli.life_cycle import Arguments
from rewardlab.cli.output import is_first_process, peak_memory_mb, say
from rewardlab.cli.quiet import hush
from rewardlab.config import strict_yaml
from rewardlab.config.checks import (
    check_not_running,
    check_run_directory,
    free_name,
    new_run,
    next_run,
)
from rewardlab.config.overrides import with_overrides
from rewardlab.config.strict_yaml import Document
from rewardlab.dry_run.findings import Findings
from rewardlab.errors import (
    EXIT_DATA,
    EXIT_REWARD,
    Problem,
    RewardUnavailable,
    UserError,
    one_line,
)
from rewardlab.store.lineage import Stage, Training, read_training, write_training
from rewardlab.store.lock import Lock, run_lock
from rewardlab.store.run_directory import CONFIG, MODEL, START, STOPPED, has_no_steps, start_run

if TYPE_CHECKING:
    from signal import Signals

    from transformers import PreTrainedTokenizerBase, Trainer
    from trl import GRPOConfig, SFTConfig

SAVING = ".saving"
"""A model is written here and then renamed, so that no other directory is ever incomplete."""
DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG})
"""Errors of the disk itself."""
LIBRARIES = frozenset({"accelerate", "datasets", "peft", "torch", "transformers", "trl"})
LIGHTER = "a smaller per_device_train_batch_size, activation_checkpointing: true, or lora"


@contextmanager
def first_process() -> Generator[bool]:
    """Whether this is the first process, which does the work; the others wait after the body."""
    from accelerate import PartialState

    process = PartialState()
    yield process.is_main_process
    process.wait_for_everyone()


def check_start(run: Path, checkpoint: Path | None, found: Findings) -> Training | None:
    """Silence the libraries, check the run directory, and read how the checkpoint was trained.

    Args:
        run: The directory, which must be new or empty.
        checkpoint: The checkpoint that the run starts from; None from scratch.
        found: Receives E030 or E084, and E047 if the training history cannot be read.

    Returns:
        The training of the checkpoint; None if it is not known.
    """
    hush()
    if is_first_process():  # the others might see what the first one has written by now
        found.attempt(check_free, run)
    return None if checkpoint is None else found.attempt(read_training, checkpoint)


def check_free(run: Path) -> None:
    """Refuse to start a run where another one is going on, or has left anything.

    Raises:
        UserError: E084 or E030, exit code 2.
    """
    check_not_running(run)
    check_run_directory(run)


@contextmanager
def locked(run: Path) -> Generator[None]:
    """Hold the lock of a run in the first process.

    Raises:
        UserError: E084, another process has the lock; exit code 2.
    """
    if not is_first_process():
        yield
        return
    run.parent.mkdir(parents=True, exist_ok=True)
    check_not_running(run)
    lock = Lock.take(run_lock(run), note=say)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def run_directory(run: Path) -> Generator[None]:
    """`locked`, for a run that cannot be resumed: an interrupted body says what it left there.

    Args:
        run: The run directory.

    Raises:
        UserError: E084, another process has the lock; exit code 2.
    """
    with locked(run), told(lambda: left_behind(run)):
        yield


def left_behind(run: Path) -> str:
    """What an interrupt has left of a run that saved no policy at its end, and how to go on.

    Args:
        run: The run directory.
    """
    if not (run / CONFIG).is_file():
        return NOT_BEGUN
    if has_no_steps(run):
        return "interrupted before the first step; the same command starts it again"
    how, command = next_run(run)
    lost = "interrupted at once: the policy was not saved, and the run cannot be resumed"
    return f"{lost}; to {how}: {command}"


def start(run: Path, config: str, signature: str | None = None) -> None:
    """Make the run directory, in the first process.

    Args:
        run: The directory.
        config: The configuration as YAML.
        signature: Signature of the ensemble, if the run has one.

    Raises:
        UserError: E030, another process has started a run there since the check; exit code 2.
    """
    with first_process() as first:
        if first:
            check_run_directory(run)
            start_run(run, config=config, signature=signature)


def quiet_defaults() -> dict[str, Any]:
    """TRL options for a command: they keep stdout for data, and suit a machine without a GPU.

    On a CPU, memory is rarely short and time is: activations are kept, in full precision.
    """
    import torch

    quiet: dict[str, Any] = {
        "report_to": [],
        "disable_tqdm": True,
        "log_level_replica": "error",
        "logging_nan_inf_filter": False,  # it would log NaN as the mean of the losses before
    }
    if torch.accelerator.is_available():
        return quiet
    # The older name of activation_checkpointing: either name in the file overrides it.
    return quiet | {"use_cpu": True, "bf16": False, "gradient_checkpointing": False}


def document_of(arguments: Arguments) -> Document:
    """The file of a run with its overrides, for the places of problems that are found later.

    Args:
        arguments: What the command is called with; the file has been read before.
    """
    return with_overrides(strict_yaml.read(arguments.config), arguments.overrides)


def loading(options: GRPOConfig | SFTConfig) -> dict[str, Any]:
    """Options for loading the policy: ``model_init_kwargs`` as TRL has parsed them."""
    return cast("dict[str, Any]", options.model_init_kwargs or {})


@contextmanager
def refusals() -> Generator[None]:
    """What TRL and its libraries refuse when a trainer is made, as a problem of its options.

    Most of it is found by the checks before the run; other errors pass unchanged.

    Raises:
        UserError: E037 they refuse the options, E064 a package is missing; exit code 2.
    """
    try:
        yield
    except (ImportError, NotImplementedError, TypeError, ValueError) as error:
        if not _is_raised_by(error, LIBRARIES):
            raise
        code = "E064" if isinstance(error, ImportError) else "E037"
        problem = Problem(code, "trainer", f"TRL refuses the options: {one_line(error)}")
        raise UserError([problem]) from error


def _is_raised_by(error: BaseException, packages: Collection[str]) -> bool:
    raised = error.__traceback__
    while raised is not None and raised.tb_next is not None:
        raised = raised.tb_next
    name = "" if raised is None else str(raised.tb_frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] in packages


# ── while it trains ─────────────────────────────────────────────────────────────────────────────


@contextmanager
def ending_well(run: Path) -> Generator[None]:
    """Say of an error during training what the user can do; these runs are not resumed.

    Args:
        run: The run directory.

    Raises:
        UserError: E089 the memory is too small (exit code 2), E210 the disk is full or gone (3),
            E402 a reward is unavailable (4).
    """

    def again() -> str:
        started = run.is_dir() and not has_no_steps(run)
        return f"run the command again with run={free_name(run)}" if started else "run again"

    try:
        yield
    except RewardUnavailable as error:
        fix = f"start what it needs, then {again()}"
        problem = Problem("E402", "reward", one_line(error), fix)
        raise UserError([problem], EXIT_REWARD) from error
    except UserError as error:
        disk = [one for one in error.problems if one.code == "E210"]
        if not disk:
            raise
        fix = f"make room or repair the disk, then {again()}"
        raise UserError([replace(one, fix=fix) for one in disk], EXIT_DATA) from error
    except OSError as error:
        if error.errno not in DISK:
            raise
        what = f"cannot be written: {error.strerror}"
        fix = f"make room or repair the disk, then {again()}"
        problem = Problem("E210", str(run), what, fix)
        raise UserError([problem], EXIT_DATA) from error
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        what = f"there is too little memory: {one_line(error, 160)}"
        raise UserError([Problem("E089", "trainer", what, f"{LIGHTER}; then {again()}")]) from error


def _is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    of_cpu = "DefaultCPUAllocator" in str(error)  # a plain RuntimeError, told by its text only
    return isinstance(error, torch.OutOfMemoryError) or of_cpu


# ── saving ──────────────────────────────────────────────────────────────────────────────────────


def save_policy(
    trainer: Trainer, run: Path, stage: Stage, *, start: Path, before: Training | None
) -> None:
    """Write the policy with its tokenizer, and how it was trained; every process calls it.

    Args:
        trainer: The trainer, after training.
        run: The directory that receives ``model/``, and ``adapter/`` of low-rank adapters.
        stage: The training that just ended.
        start: The checkpoint that it started from.
        before: The training of that checkpoint.
    """
    from rewardlab.trainers.policy import save_trained

    tokenizer = cast("PreTrainedTokenizerBase", trainer.processing_class)
    options = loading(cast("SFTConfig", trainer.args))
    unfinished = run / SAVING
    with first_process() as first:
        if first:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
    model = save_trained(trainer, tokenizer, unfinished, start=start, **options)
    with first_process() as first:
        if first:
            write_training(model, stage, before=before)
            # adapter/ before model/: who sees model/ finds everything
            for part in sorted(unfinished.iterdir()):
                part.rename(run / part.name)
            unfinished.rmdir()


def tidy(trainer: Trainer, run: Path) -> None:
    """Remove what only the training needed, after the policy was saved.

    That is the untrained policy of a run from scratch, and the checkpoint that early stopping keeps
    as the best one. Checkpoints of any other ``save_strategy`` are the user's.

    Args:
        trainer: The trainer, after training.
        run: The run directory.
    """
    with first_process() as first:
        if first:
            best = run.glob("checkpoint-*") if trainer.args.save_strategy == "best" else ()
            for place in (run / START, *best):
                shutil.rmtree(place, ignore_errors=True)


def save_stopped(
    command: str,
    signal: Signals,
    trainer: Trainer,
    run: Path,
    stage: Stage,
    *,
    start: Path,
    before: Training | None,
) -> UserError:
    """Write the policy of a run that a signal stopped; every process calls it.

    Args:
        command: The command, for the message.
        signal: The signal.
        trainer: The trainer, after its last step.
        run: The run directory; the policy is saved below ``stopped/``.
        stage: The training so far.
        start: The checkpoint that it started from.
        before: The training of that checkpoint.

    Returns:
        The error to raise: E049, exit code 143 after SIGTERM and 130 after SIGINT.
    """
    state, place = trainer.state, run / STOPPED
    say(f"{signal.name}: saving the policy in {place / MODEL}")
    save_policy(trainer, place, stage, start=start, before=before)
    tidy(trainer, run)
    kept = state.best_global_step if trainer.args.load_best_model_at_end else None
    which = f"the best policy so far, of step {kept:,}," if kept else "the policy of that step"
    what = (
        f"{signal.name} stopped the run at step {state.global_step:,} of {state.max_steps:,}; "
        f"{which} is in {place / MODEL}"
    )
    go_on = new_run(run)
    fix = f"train it further with {go_on}; the optimizer and the order of the rows start anew"
    return UserError([Problem("E049", f"rewardlab {command}", what, fix)], 128 + signal)


def is_stopped(signal: Signals | None, trainer: Any) -> bool:
    """Whether a signal kept a run from taking all of its steps.

    Args:
        signal: The signal, if there was one.
        trainer: The trainer, after training.
    """
    return signal is not None and trainer.state.global_step < trainer.state.max_steps


def time_and_memory(started: float) -> dict[str, float]:
    """Seconds since the command started, and the peak memory in MiB."""
    seconds = round(time.perf_counter() - started, 1)
    return {"seconds": seconds, "peak_memory_mb": peak_memory_mb()}
