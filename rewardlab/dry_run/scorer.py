"""Checks of ``rewardlab train-reward`` before a weight is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rewardlab.config.train_reward import TrainRewardConfig, family_of
from rewardlab.config.training_data import StageData, TrainingData
from rewardlab.dry_run.checkpoint import read_checkpoint
from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.tokenizer import read_tokenizer

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from rewardlab.scorers.families.protocol import Family


def check_scorer(
    config: TrainRewardConfig,
    data: TrainingData,
    options: Sequence[TrainingArguments],
    *,
    found: Findings,
) -> None:
    """Check the checkpoint that a run starts from, and each stage's rows against it.

    Args:
        config: The run; one that starts from scratch has no checkpoint yet.
        data: The rows.
        options: The trainer's, for each stage.
        found: Gets what the family raises, E050..E056 of a language model's checkpoint, E057
            of a judge's tokenizer, and notes.
    """
    start = config.model.path
    if start is None:
        return
    family = family_of(config)
    found.attempt(family.reward, start)
    if config.scorer.family in ("automqm", "generalist"):  # decoders
        classifier = config.scorer.generalist is not None
        checkpoint = found.attempt(read_checkpoint, start, classifier=classifier)
        found.notes += [] if checkpoint is None else checkpoint.notes
    if config.scorer.automqm is not None and found.attempt(read_tokenizer, start) is None:
        return  # the other families refuse it themselves
    found.notes += check_stages(config, family, start, data, options, found=found)


def check_stages(
    config: TrainRewardConfig,
    family: Family,
    start: Path,
    data: TrainingData,
    options: Sequence[TrainingArguments],
    *,
    found: Findings,
) -> Iterator[str]:
    """A line for each stage and side: how many rows are used, and why others are not.

    Args:
        config: The run.
        family: Family of the scorer.
        start: The checkpoint that the run starts from.
        data: The rows.
        options: The trainer's, for each stage.
        found: Gets what the family raises.
    """

    def lines(rows: StageData, args: TrainingArguments) -> list[str]:
        from rewardlab.scorers.families.protocol import Stage

        return [*family.describe(Stage(start, rows.train, rows.validation, args, config.seed))]

    for stage, rows, args in zip(config.stages, data.stages, options, strict=True):
        for line in found.attempt(lines, rows, args) or ():
            yield f"stage {stage.name}, {line}"
