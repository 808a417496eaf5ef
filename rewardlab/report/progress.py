"""Progress of a training run on stderr: a bar on a terminal, short lines anywhere else.

A line is at most 80 columns wide, and one is printed at least every 30 seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rewardlab.heartbeat import HEARTBEAT_SECONDS, heartbeat

WIDTH = 80
LONGEST_LABEL = 20
REDRAWS_PER_SECOND = 2


class Progress(TrainerCallback):
    """Shows step, time left, the main measure and the held-out measure of a training.

    It is a context manager: the bar ends with the body. If the body raises, it is cleared, since it
    would still tell the time left.

    Args:
        name: What the bar is called: ``sft``.
        main: The main measure by its key in the trainer's log: ``loss``.
        heldout: The held-out measure by its key in the log of an evaluation.
        label: Name of the main measure; its key by default.
        shows: False in all but the first process: then nothing is printed.
        console: Where to print; stderr by default.
        every: Seconds after which a line is printed although nothing was logged.
    """

    def __init__(
        self,
        name: str,
        *,
        main: str,
        heldout: str,
        label: str | None = None,
        shows: bool = True,
        console: Console | None = None,
        every: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._name, self._main, self._heldout = name, main, heldout
        self._label = shortened(label or main)
        self._console = (console or Console(stderr=True)) if shows else None
        self._every = every
        self._open = ExitStack()
        self._bar: Bar | None = None
        self._begun = self._told = time.monotonic()
        self._step = self._steps = self._first = 0
        self._phase = "starting"
        self._values: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._begun = self._told = time.monotonic()
        if self._console is None:
            return self
        if self._console.is_terminal:
            bar = Bar(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[told]}"),
                console=self._console,
                refresh_per_second=REDRAWS_PER_SECOND,
                expand=True,
            )
            self._bar = self._open.enter_context(bar)
            self._bar.add_task(escape(self._name), total=None, told=self._phase)
        else:
            self._open.enter_context(heartbeat(self._say_if_silent, self._line, every=self._every))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._bar is not None:
            self._bar.live.transient = True
        self._open.close()

    # ── what the trainer tells ──────────────────────────────────────────────────────────────────

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        **_: Any,
    ) -> None:
        """Note how many steps there will be."""
        self._begun, self._first = time.monotonic(), state.global_step
        self._update(state, "")

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        **_: Any,
    ) -> None:
        """Count the step."""
        self._update(state, "")

    def on_prediction_step(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        eval_dataloader: Any = None,
        **_: Any,
    ) -> None:
        """Count the batches of an evaluation."""
        done = self._values["evaluated"] = self._values.get("evaluated", 0) + 1
        total = len(eval_dataloader) if hasattr(eval_dataloader, "__len__") else 0
        self._update(state, f"evaluating {done:.0f}/{total}" if total else f"evaluating {done:.0f}")

    def on_evaluate(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        metrics: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Show the held-out measure."""
        self._values.pop("evaluated", None)
        value = (metrics or {}).get(self._heldout)
        if value is None:
            return
        self._values["heldout"] = value
        self._update(state, "")
        if self._bar is None:
            self._say(f"step {state.global_step}: {self._heldout_name()} {value:z.4f}")

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Show the main measure."""
        value = (logs or {}).get(self._main)
        if value is None:
            return
        self._values["main"] = float(value)
        self._update(state, "")
        if self._bar is None:
            self._say(self._line())

    # ── what people see ─────────────────────────────────────────────────────────────────────────

    def _update(self, state: TrainerState, phase: str) -> None:
        self._step, self._steps, self._phase = state.global_step, state.max_steps, phase
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(
                task, completed=self._step, total=self._steps or None, told=escape(self._line())
            )

    def _line(self) -> str:
        """One line of at most `WIDTH` columns; a bar leaves room for itself."""
        parts = [f"step {self._step}/{self._steps}"]
        if self._phase:
            parts.append(self._phase)
        elif (left := self._seconds_left()) is not None:
            parts.append(f"{timedelta(seconds=round(left))} left")
        if "main" in self._values:
            parts.append(f"{self._label} {short(self._values['main'])}")
        if "heldout" in self._values and self._bar is not None:
            name = "validation loss" if self._is_validation else "held-out"
            parts.append(f"{name} {short(self._values['heldout'])}")
        return "  ".join(parts)[:WIDTH]

    def _seconds_left(self) -> float | None:
        taken = self._step - self._first
        if not taken or not self._steps:
            return None
        return (time.monotonic() - self._begun) / taken * (self._steps - self._step)

    def _heldout_name(self) -> str:
        return "validation loss" if self._is_validation else f"held-out {self._label}"

    @property
    def _is_validation(self) -> bool:
        """The rows decide when training stops, so they are not held out."""
        return self._heldout == "eval_loss"

    def _say_if_silent(self, line: str) -> None:
        if time.monotonic() - self._told >= self._every:
            self._say(line)

    def _say(self, line: str) -> None:
        self._told = time.monotonic()
        if self._console is not None:
            self._console.print(line[:WIDTH], markup=False, highlight=False, soft_wrap=True)


def shortened(name: str) -> str:
    """A name of at most `LONGEST_LABEL` characters.

    >>> shortened("metricx-24-hybrid-xxl-of-ours")
    'metricx-24-hybrid-x…'
    """
    return name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"


def short(value: float) -> str:
    """A number in at most nine characters, with four significant digits.

    >>> [short(value) for value in (0.123456, -24.71234, 1234.5, 1.5e-7, float("nan"))]
    ['0.1235', '-24.71', '1234', '1.5e-07', 'nan']
    """
    return f"{value:z.4g}" if math.isfinite(value) else str(value)
