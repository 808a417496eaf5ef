"""Training that can be killed at any moment and resumed bit for bit.

transformers saves weights, optimizer, schedule and all random states in ``checkpoint-STEP``, and
derives each epoch's order from seed and epoch. On one machine a resumed run therefore equals an
uninterrupted one. transformers cannot tell whether a checkpoint is complete, so ours have a
manifest (`rewardlab.store.manifest`); only a checkpoint that matches its manifest is loaded.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import (
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from rewardlab.store.files import replace_file
from rewardlab.store.manifest import damage, has_manifest, write_manifest

CHECKPOINT = re.compile(r"checkpoint-(\d+)")
METRICS = "metrics.jsonl"


class WriteManifests(TrainerCallback):
    """Writes a checkpoint's manifest once all processes have saved their part."""

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        **_: Any,
    ) -> None:
        """Write the manifest of the latest checkpoint."""
        process = PartialState()
        process.wait_for_everyone()
        if process.is_main_process:
            write_manifest(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
        process.wait_for_everyone()


class _EndedBeforeError(Exception):
    """The checkpoint to resume from is the end of training."""


class _StopIfFinished(TrainerCallback):
    """Keeps a finished run from taking further steps when it is resumed.

    A run may be killed after its last step and before its model is saved. transformers would then
    train on until another condition ends the training.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        **_: Any,
    ) -> None:
        handler: Any = self._trainer.callback_handler
        impatient = any(
            one.early_stopping_patience_counter >= one.early_stopping_patience
            for one in handler.callbacks
            if isinstance(one, EarlyStoppingCallback)
        )
        if state.global_step and (impatient or state.global_step >= state.max_steps):
            raise _EndedBeforeError


def latest_checkpoint(directory: Path, *, say: Callable[[str], None]) -> Path | None:
    """The latest complete checkpoint, or None.

    Unfinished checkpoints are deleted, damaged ones are renamed.

    Args:
        directory: The trainer's ``output_dir``.
        say: Prints what was deleted or renamed.
    """
    found = [(int(name[1]), path) for path, name in _checkpoints(directory)]
    for _, path in sorted(found, reverse=True):
        if not has_manifest(path):
            say(f"{path.name} was never finished; removed")
            shutil.rmtree(path)
        elif (wrong := damage(path)) is not None:
            say(f"{path.name} is damaged ({wrong}); renamed")
            # To a name that transformers does not take for a checkpoint.
            path.rename(path.with_name(f"damaged-{time.time_ns()}-{path.name}"))
        else:
            return path
    return None


def train_on(trainer: Trainer, *, say: Callable[[str], None]) -> None:
    """Train to the end, resuming from the latest complete checkpoint if there is one.

    Args:
        trainer: The trainer; its ``output_dir`` may contain checkpoints of the same run.
        say: Prints the step that training resumes from.
    """
    directory = Path(str(trainer.args.output_dir))
    process = PartialState()
    if process.is_main_process:
        latest_checkpoint(directory, say=say)
    process.wait_for_everyone()
    start = latest_checkpoint(directory, say=say)
    step = 0 if start is None else int(start.name.rpartition("-")[2])
    if start is not None:
        say(f"resuming from step {step:,}")
    if process.is_main_process:
        _forget_after(directory / METRICS, step)
    trainer.add_callback(_StopIfFinished(trainer))
    try:
        trainer.train(resume_from_checkpoint=None if start is None else str(start))
    except _EndedBeforeError:
        say("training was already complete")
        if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint is not None:
            trainer._load_best_model()  # noqa: SLF001 - what train() ends with  # pyright: ignore[reportPrivateUsage]


def _checkpoints(directory: Path) -> list[tuple[Path, re.Match[str]]]:
    entries = directory.iterdir() if directory.is_dir() else ()
    named = [(path, CHECKPOINT.fullmatch(path.name)) for path in entries]
    return [(path, name) for path, name in named if name is not None]


def _forget_after(log: Path, step: int) -> None:
    """Remove log lines of steps after the checkpoint, which will be logged again."""
    if log.is_file():
        lines = log.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _step_of(line) <= step]
        replace_file(log, "".join(f"{line}\n" for line in kept))


def _step_of(line: str) -> float:
    """The step of a log line; infinity if the line is incomplete."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
