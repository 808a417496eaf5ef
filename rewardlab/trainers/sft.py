"""Supervised fine-tuning on prompt-completion pairs: TRL's trainer with early stopping.

The loss covers the completion only. Held-out examples decide when to stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from datasets import Dataset
from transformers import EarlyStoppingCallback, PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from rewardlab.models.boundary import answer_ids, prompt_ids
from rewardlab.text.prompts import Prompt, separator
from rewardlab.trainers.run_log import NoModelCard, no_printing
from rewardlab.trainers.stopping import StopOnBadGradients

LAST: Mapping[str, Any] = MappingProxyType(
    {"eval_strategy": "steps", "save_strategy": "no", "completion_only_loss": True}
)
"""TRL options: evaluate on held-out examples, keep the final model."""
BEST: Mapping[str, Any] = MappingProxyType(
    {
        **LAST,
        "save_strategy": "best",
        "save_total_limit": 1,
        "save_only_model": True,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
    }
)
"""TRL options: keep the model with the lowest held-out loss."""


class Example(NamedTuple):
    """A prompt and the answer to learn, as two texts or as the messages of two turns.

    Two texts are learned with the white space between them (`rewardlab.text.prompts.separator`),
    which neither contains.
    """

    prompt: Prompt
    completion: Prompt

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of prompt and answer, without roles; the answer with its separator."""
        if isinstance(self.prompt, str):
            return self.prompt, f"{separator(self.prompt)}{self.completion}"
        return tuple(turn["content"] for part in self for turn in cast("list[Any]", part))


class PolicyTrainer(NoModelCard, SFTTrainer):
    """TRL's trainer, without its model card."""


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
    """Train the model in place, then restore the weights with the lowest held-out loss.

    Args:
        model: The policy.
        tokenizer: Its tokenizer; an end-of-sequence token ends every completion, in a chat what
            the template writes after an answer.
        train: Examples to learn from.
        heldout: Examples that decide when to stop.
        output_dir: Directory for checkpoints; only the best is kept.
        patience: Number of evaluations without improvement before training stops.
        callbacks: Passed to the trainer.
        **sft_options: Options of TRL's ``SFTConfig``.

    Returns:
        The best held-out loss, in nats per token.
    """
    args = SFTConfig(output_dir=str(output_dir), **BEST, **sft_options)
    callbacks = [StopOnBadGradients(), *callbacks]
    trainer = sft_trainer(
        model, tokenizer, train, heldout, args=args, patience=patience, callbacks=callbacks
    )
    return train_to_best(trainer)


def sft_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Sequence[Example],
    heldout: Sequence[Example],
    *,
    args: SFTConfig,
    patience: int | None = 3,
    callbacks: Sequence[Any] = (),
    trainer_class: type[SFTTrainer] = PolicyTrainer,
    **trl_options: Any,
) -> SFTTrainer:
    """TRL's trainer on these examples, ready to `train_to_best`.

    Args:
        model: The policy.
        tokenizer: Its tokenizer.
        train: Examples to learn from.
        heldout: Examples that decide when to stop; empty if ``args`` never evaluates.
        args: TRL's configuration, with `BEST`, or with `LAST` if ``patience`` is None.
        patience: Number of evaluations without improvement before training stops; None never stops
            early.
        callbacks: Passed to the trainer.
        trainer_class: TRL's trainer class, or a subclass.
        **trl_options: Other arguments of TRL's trainer.

    Raises:
        ValueError: ``args`` has a ``chat_template_path``, which TRL would read too late.
    """
    if args.chat_template_path is not None:
        raise ValueError("chat_template_path: save the template with the tokenizer instead")
    if args.eos_token is not None:
        tokenizer.eos_token = args.eos_token  # as TRL does, which checks that it is a token
    if args.completion_only_loss is None:  # TRL's default is True for pairs, but not for their ids
        args.completion_only_loss = True
    early = [] if patience is None else [EarlyStoppingCallback(early_stopping_patience=patience)]
    trainer = trainer_class(
        model=model,
        args=args,
        train_dataset=_dataset(train, tokenizer, processes=args.dataset_num_proc),
        eval_dataset=_dataset(heldout, tokenizer) if heldout else None,
        processing_class=tokenizer,
        callbacks=[*early, *callbacks],
        **trl_options,
    )
    no_printing(trainer)
    return trainer


def train_to_best(trainer: SFTTrainer) -> float:
    """Train, and restore the best model (`BEST`) or keep the final one (`LAST`).

    Returns:
        The held-out loss of that model, in nats per token.
    """
    trainer.train()
    return heldout_loss(trainer)


def heldout_loss(trainer: SFTTrainer) -> float:
    """The held-out loss after training, in nats per token.

    It is that of the best model; without a best model it is measured now.
    """
    best = trainer.state.best_metric
    return trainer.evaluate()["eval_loss"] if best is None else best


def _dataset(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    *,
    processes: int | None = None,
) -> Dataset:
    """Columns ``input_ids`` and ``completion_mask``, which TRL trains on as they are.

    TRL would tokenise prompt and completion as one text (`rewardlab.models.boundary`).
    """
    rows = Dataset.from_list([example._asdict() for example in examples])
    return rows.map(
        _tokenized,
        fn_kwargs={"tokenizer": tokenizer},
        remove_columns=rows.column_names,
        num_proc=processes,
        desc="Tokenizing examples",
    )


def _tokenized(row: Mapping[str, Any], *, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    asked = prompt_ids(tokenizer, row["prompt"])
    learned = answer_ids(tokenizer, row["prompt"], row["completion"])
    return {
        "input_ids": [*asked, *learned],
        "completion_mask": [0] * len(asked) + [1] * len(learned),
    }
