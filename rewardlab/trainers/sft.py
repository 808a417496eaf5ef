"""Supervised fine-tuning on prompt-completion pairs: TRL's trainer, stopped at its best.

What a from-scratch policy needs before reinforcement; the loss is on the completion only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
)
from trl import SFTConfig, SFTTrainer


class Example(NamedTuple):
    """A prompt and what the policy should answer."""

    prompt: str
    completion: str


def fine_tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Sequence[Example],
    heldout: Sequence[Example],
    output_dir: Path,
    *,
    patience: int = 3,
    callbacks: Sequence[Any] = (),
    **sft_options: Any,
) -> float:
    """Train the model in place and leave it at its best held-out loss.

    Args:
        model: The policy.
        tokenizer: Its tokenizer; an end-of-sequence token closes every completion.
        train: Examples to learn from.
        heldout: Examples that decide when to stop.
        output_dir: Checkpoints; only the best is kept.
        patience: Evaluations without improvement before training stops.
        callbacks: Passed to the trainer.
        **sft_options: TRL's SFTConfig, by its names.

    Returns:
        The best held-out loss, in nats per token.

    Raises:
        ValueError: Training ended before the first evaluation.
    """
    args = SFTConfig(
        output_dir=str(output_dir),
        eval_strategy="steps",
        save_strategy="best",
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        completion_only_loss=True,
        **sft_options,
    )
    trainer = SFTTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list([example._asdict() for example in train]),
        eval_dataset=Dataset.from_list([example._asdict() for example in heldout]),
        processing_class=tokenizer,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=patience), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)  # stdout is for data
    trainer.train()
    if trainer.state.best_metric is None:
        raise ValueError("no held-out loss was measured; set eval_steps to at most max_steps")
    return trainer.state.best_metric
