"""Reasons to end training early: a signal, gradients or a validation loss that are not finite."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rewardlab.errors import EXIT_USAGE, Problem, UserError, refuse, shown
from rewardlab.trainers.rollout import Rollout

SIGNALS = (signal.SIGTERM, signal.SIGINT)
LAUNCHER_ECHO = 5.0
"""Seconds in which a launcher repeats the terminal's SIGINT to its processes."""


class StopOnSignal(TrainerCallback):
    """Ends training at the next step boundary after SIGTERM or SIGINT, in all processes together.

    Attributes:
        signal: The first signal received, or None.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._interrupted: float | None = None

    @contextmanager
    def listening(self) -> Generator[None]:
        """Handle SIGTERM and SIGINT in the body.

        Raises:
            KeyboardInterrupt: On a second SIGINT, at once. A third one kills the process.
        """
        before = {kind: signal.getsignal(kind) for kind in SIGNALS}
        for kind in SIGNALS:
            signal.signal(kind, self._receive)
        try:
            yield
        finally:
            for kind in SIGNALS:
                signal.signal(kind, before[kind])

    def _receive(self, number: int, _frame: Any) -> None:
        kind, now = signal.Signals(number), time.monotonic()
        self.signal = self.signal or kind
        if kind is not signal.SIGINT:
            return
        if self._interrupted is None:
            self._interrupted = now
        elif "LOCAL_RANK" not in os.environ or now - self._interrupted > LAUNCHER_ECHO:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            raise KeyboardInterrupt

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature
        state: TrainerState,  # noqa: ARG002 - the callback's signature
        control: TrainerControl,
        **_: Any,
    ) -> None:
        """Stop if any process received a signal."""
        if self._received_by_any():
            self.signal = self.signal or signal.SIGTERM
            control.should_training_stop = True

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Stop after an evaluation as well, so that no further step is taken."""
        self.on_step_end(args, state, control)

    def _received_by_any(self) -> bool:
        return _any_process(self.signal is not None)


class CheckpointOnSignal(StopOnSignal):
    """Ends training as `StopOnSignal` does, with a checkpoint to resume from."""

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Save and stop if any process received a signal."""
        super().on_step_end(args, state, control)
        control.should_save = control.should_save or self.signal is not None


class StopOnNaN(TrainerCallback):
    """Ends a run whose validation loss is NaN or infinite, before the model is saved.

    Args:
        where: The run or stage that the message names.
    """

    def __init__(self, where: str) -> None:
        self._where = where

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        metrics: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Check the loss.

        Raises:
            UserError: E375, the loss is not finite; exit code 2.
        """
        loss = (metrics or {}).get("eval_loss", 0.0)
        if not math.isfinite(loss):
            what = f"the validation loss at step {state.global_step:,} is {loss}"
            fix = f"a learning_rate below {args.learning_rate:g}, in a run directory of its own"
            refuse(Problem("E375", self._where, what, fix), exit_code=EXIT_USAGE)


class StopOnBadGradients(TrainerCallback):
    """Ends a run before an optimizer step on gradients that are NaN or infinite.

    Not with ``fp16``, where such steps are part of finding the scale of the loss and are left out.
    """

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        model: nn.Module | None = None,
        **_: Any,
    ) -> None:
        """Check the gradients of this process, and exchange the result with the other processes.

        Raises:
            UserError: E077, a gradient is not finite; exit code 2.
        """
        if args.fp16 or model is None:
            return
        bad = first_bad_gradient(model)
        if not _any_process(bad is not None):
            return
        here = f"that of {bad}" if bad is not None else "one of another process"
        what = (
            f"the gradient is not finite ({here}), so the step is not taken and the weights are "
            f"those of step {state.global_step:,}"
        )
        fix = (
            f"a learning_rate below {args.learning_rate:g}, max_grad_norm: 1.0, or bf16: false; "
            "at step 1, check the weights of the checkpoint"
        )
        where = f"step {state.global_step + 1:,}"
        raise UserError([Problem("E077", where, what, fix)])


def bad_advantages(rollout: Rollout, advantages: Tensor, *, step: int) -> UserError | None:
    """The error for advantages that are NaN or infinite; None if all are finite.

    Args:
        rollout: The n scored completions, and the scores of all processes.
        advantages: float32 (n, T).
        step: The step that would be taken on them.

    Returns:
        E076, which names the rewards that have scores beyond float32, or whose error spans have
        weights that are not finite; exit code 2.
    """
    if bool(advantages.isfinite().all()):
        return None
    rows = rollout.rows
    beyond = rows.values.to(torch.float32).isinf().any(dim=0).tolist()
    named = [name for name, is_bad in zip(rollout.scores.names, beyond, strict=True) if is_bad]
    row = int((~advantages.isfinite()).any(dim=1).nonzero()[0, 0])
    if named:
        why = f"the scores of {', '.join(named)} are beyond the range of float32"
        fix = "correct the reward: a score in a range of its own, such as 0 to 100"
    else:
        scores = {
            name: rollout.scores.values[row, at] for at, name in enumerate(rollout.scores.names)
        }
        why = "the scores of the row are " + ", ".join(f"{n} {v:z.4g}" for n, v in scores.items())
        fix = "scores of a smaller range, smaller weights, or another advantage.preset"
    what = (
        f"the advantages are not finite, so the step is not taken; first completion "
        f"{shown(rollout.candidates[row].hypothesis, 40)}: {why}"
    )
    return UserError([Problem("E076", f"step {step:,}", what, fix)])


def first_bad_gradient(model: nn.Module) -> str | None:
    """The name of the first parameter whose gradient is NaN or infinite; None if there is none.

    Args:
        model: The model after a backward pass; parameters without a gradient are left out.
    """
    named = [(name, one.grad) for name, one in model.named_parameters() if one.grad is not None]
    if not named:
        return None
    finite = torch.stack([grad.isfinite().all() for _, grad in named])  # one wait for the device
    return None if bool(finite.all()) else named[finite.tolist().index(False)][0]


def _any_process(here: bool) -> bool:
    """Whether the answer is yes in any process; every process calls it at the same place."""
    process = PartialState()
    if process.num_processes == 1:
        return here
    yes: Any = reduce(torch.tensor([float(here)], device=process.device), "sum")
    return bool(yes.item() > 0)
