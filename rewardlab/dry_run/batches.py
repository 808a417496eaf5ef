"""Batches, optimizer steps and rollouts of a run, from its options alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from rewardlab.errors import Problem, quantity


class Batches(NamedTuple):
    """How rows become optimizer steps.

    Attributes:
        rows_per_process: Rows of one forward and backward pass of one process.
        accumulation: Passes per optimizer step.
        processes: World size.
        rows_per_step: Rows of one optimizer step, over all processes.
        steps_per_epoch: Optimizer steps until every row was seen once.
        steps: Optimizer steps of the run.
        epochs: How often the run sees the data.
    """

    rows_per_process: int
    accumulation: int
    processes: int
    rows_per_step: int
    steps_per_epoch: int
    steps: int
    epochs: float


class Rollouts(NamedTuple):
    """How prompts become completions, in RL.

    Attributes:
        per_prompt: Completions of one prompt: TRL's ``num_generations``.
        per_generation: Completions sampled at once, over all processes.
        prompts_per_generation: Number of prompts that these completions answer.
        steps_per_generation: Forward and backward passes on one generation, counted once.
        total: Completions of the whole run.
    """

    per_prompt: int
    per_generation: int
    prompts_per_generation: int
    steps_per_generation: int
    total: int


class Schedule(NamedTuple):
    """The options that decide how many steps a run takes, with their meaning in transformers.

    Attributes:
        rows_per_process: ``per_device_train_batch_size``; in RL, completions.
        accumulation: ``gradient_accumulation_steps``.
        processes: World size.
        max_steps: Optimizer steps; below 1, epochs decide.
        epochs: ``num_train_epochs``.
    """

    rows_per_process: int
    accumulation: int
    processes: int
    max_steps: int = -1
    epochs: float = 3.0

    def sft(self, rows: int) -> Batches:
        """Batches of supervised fine-tuning on ``rows`` rows (at least 1)."""
        return self._batches(math.ceil(rows / (self.rows_per_process * self.processes)))

    def rl(
        self,
        prompts: int,
        *,
        num_generations: int,
        steps_per_generation: int | None = None,
        generation_batch_size: int | None = None,
        num_iterations: int = 1,
    ) -> tuple[Batches, Rollouts]:
        """Batches and rollouts of GRPO, as TRL's trainer and its ``RepeatSampler`` count them.

        An incomplete generation at the end of an epoch is left out.

        Args:
            prompts: Training rows.
            num_generations: Completions per prompt; divides the completions of a generation.
            steps_per_generation: TRL's; ``accumulation`` by default.
            generation_batch_size: TRL's; at most one of the two is given.
            num_iterations: How often the policy is trained on a generation.
        """
        at_once = self.rows_per_process * self.processes
        if generation_batch_size is not None:
            steps_per_generation = generation_batch_size // at_once
        feeds = steps_per_generation or self.accumulation
        per_generation = at_once * feeds
        unique = per_generation // num_generations
        batches = self._batches(prompts // unique * feeds * num_iterations)
        generations = math.ceil(batches.steps * self.accumulation / (feeds * num_iterations))
        total = generations * per_generation
        return batches, Rollouts(num_generations, per_generation, unique, feeds, total)

    def _batches(self, passes: int) -> Batches:  # forward and backward passes of an epoch
        per_epoch = max(1, math.ceil(passes / self.accumulation))
        steps = self.max_steps if self.max_steps > 0 else math.ceil(self.epochs * per_epoch)
        rows_per_step = self.rows_per_process * self.processes * self.accumulation
        epochs = round(steps / per_epoch, 2)
        return Batches(*self[:3], rows_per_step, per_epoch, steps, epochs)


def too_few_prompts(prompts: int, rollouts: Rollouts) -> Iterator[Problem]:
    """E063: the data does not fill one generation, and TRL would train on nothing.

    Args:
        prompts: Training rows.
        rollouts: What the options ask for.
    """
    if prompts >= rollouts.prompts_per_generation:
        return
    what = (
        f"{prompts:,} training prompts do not fill one generation: {rollouts.per_generation:,} "
        f"completions are sampled at once, {rollouts.per_prompt} for each of "
        f"{quantity(rollouts.prompts_per_generation, 'prompt')}"
    )
    fix = "lower per_device_train_batch_size or gradient_accumulation_steps, or give more rows"
    yield Problem("E063", "trainer", what, fix)
