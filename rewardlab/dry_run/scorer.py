"""What ``rewardlab train-reward`` can know about a run before a weight is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rewardlab.dry_run.checkpoint import read_checkpoint
from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.tokenizer import read_tokenizer

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from rewardlab.config.train_reward import TrainRewardConfig
    from rewardlab.config.training_data import StageData, TrainingData
    from rewardlab.scorers.families.protocol import Family


def examine_scorer(
    config: TrainRewardConfig,
    lessons: TrainingData,
    options: Sequence[TrainingArguments],
    *,
    found: Findings,
) -> None:
    """The checkpoint that a run starts from, and what becomes of every stage's rows with it.

    Args:
        config: The run; where it starts from scratch there is nothing to examine yet.
        lessons: What it learns from.
        options: The trainer's, for each stage.
        found: Gets what the family raises, E050..E056 of a language model's checkpoint, E057
            of a judge's tokenizer, and notes.
    """
    from rewardlab.config.train_reward import family_of

    start = config.model.path
    if start is None:
        return
    family = family_of(config)
    found.attempt(family.reward, start)
    if config.scorer.metricx is None:
        classifier = config.scorer.generalist is not None
        checkpoint = found.attempt(read_checkpoint, start, classifier=classifier)
        found.notes += [] if checkpoint is None else checkpoint.notes
    if config.scorer.automqm is not None and found.attempt(read_tokenizer, start) is None:
        return  # the other families refuse it themselves
    for name, note in examine_stages(config, family, start, lessons, options, found=found):
        found.notes.append(f"stage {name}, {note}")


def examine_stages(
    config: TrainRewardConfig,
    family: Family,
    start: Path,
    lessons: TrainingData,
    options: Sequence[TrainingArguments],
    *,
    found: Findings,
) -> Iterator[tuple[str, str]]:
    """By stage, what becomes of its rows: a line a side."""
    for stage, rows, args in zip(config.stages, lessons.stages, options, strict=True):
        lines = found.attempt(_lines, family, start, rows, args, config.seed)
        for line in lines or ():
            yield stage.name, line


def _lines(
    family: Family, start: Path, rows: StageData, args: TrainingArguments, seed: int
) -> list[str]:
    from rewardlab.scorers.families.protocol import Stage

    return [*family.describe(Stage(start, rows.train, rows.validation, args, seed))]
