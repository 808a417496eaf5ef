"""Shared by the commands that train: processes, TRL's options, first checks, saving the policy."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rewardlab.cli.output import is_first_process, peak_memory_mb
from rewardlab.cli.quiet import hush
from rewardlab.config.checks import check_run_directory
from rewardlab.dry_run.findings import Findings
from rewardlab.store.lineage import Stage, Training, read_training, write_training
from rewardlab.store.run_directory import start_run

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Trainer
    from trl import GRPOConfig, SFTConfig


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
        found: Receives E030, and E047 if the training history cannot be read.

    Returns:
        The training of the checkpoint; None if it is not known.
    """
    hush()
    if is_first_process():  # the others might see what the first one has written by now
        found.attempt(check_run_directory, run)
    return None if checkpoint is None else found.attempt(read_training, checkpoint)


def start(run: Path, config: str, signature: str | None = None) -> None:
    """Make the run directory, in the first process.

    Args:
        run: The directory.
        config: The configuration as YAML.
        signature: Signature of the ensemble, if the run has one.
    """
    with first_process() as first:
        if first:
            start_run(run, config=config, signature=signature)


def quiet_defaults() -> dict[str, Any]:
    """TRL options for a command: they keep stdout for data, and full precision on a CPU."""
    import torch

    quiet: dict[str, Any] = {"report_to": [], "disable_tqdm": True, "log_level_replica": "error"}
    cpu = {} if torch.accelerator.is_available() else {"use_cpu": True, "bf16": False}
    return quiet | cpu


def loading(options: GRPOConfig | SFTConfig) -> dict[str, Any]:
    """Options for loading the policy: ``model_init_kwargs`` as TRL has parsed them."""
    return cast("dict[str, Any]", options.model_init_kwargs or {})


def save_policy(
    trainer: Trainer, run: Path, stage: Stage, *, start: Path, before: Training | None
) -> None:
    """Write the policy with its tokenizer, and how it was trained; every process calls it.

    Args:
        trainer: The trainer, after training.
        run: The run directory.
        stage: The training that just ended.
        start: The checkpoint that it started from.
        before: The training of that checkpoint.
    """
    from rewardlab.trainers.policy import save_trained

    tokenizer = cast("PreTrainedTokenizerBase", trainer.processing_class)
    options = loading(cast("SFTConfig", trainer.args))
    model = save_trained(trainer, tokenizer, run, start=start, **options)
    if is_first_process():
        write_training(model, stage, before=before)


def time_and_memory(started: float) -> dict[str, float]:
    """Seconds since the command started, and the peak memory in MiB."""
    seconds = round(time.perf_counter() - started, 1)
    return {"seconds": seconds, "peak_memory_mb": peak_memory_mb()}
