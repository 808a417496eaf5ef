"""Supervised fine-tuning on prompt-completion pairs: TRL's trainer with early stopping.

The loss covers the completion only. Held-out examples decide when to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from datasets import Dataset
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from rewardlab.text.prompts import Prompt, chat_options

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
    """A prompt and the answer to learn, as two texts or as the messages of two turns."""

    prompt: Prompt
    completion: Prompt

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of prompt and answer, without roles."""
        return tuple(
            text
            for part in self
            for text in ([part] if isinstance(part, str) else [turn["content"] for turn in part])
        )


class LogValidationLoss(TrainerCallback):
    """Prints each validation loss.

    Args:
        say: Prints one line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def on_evaluate(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the callback's signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the callback's signature
        metrics: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Print one line."""
        loss = (metrics or {}).get("eval_loss", float("nan"))
        self._say(f"step {state.global_step}: validation loss {loss:.4f}")


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
        tokenizer: Its tokenizer; an end-of-sequence token is appended to every completion.
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
    trainer_class: type[SFTTrainer] = SFTTrainer,
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
    """
    early = [] if patience is None else [EarlyStoppingCallback(early_stopping_patience=patience)]
    trainer = trainer_class(
        model=model,
        args=args,
        train_dataset=_dataset(train, tokenizer),
        eval_dataset=_dataset(heldout, tokenizer) if heldout else None,
        processing_class=tokenizer,
        callbacks=[*early, *callbacks],
        **trl_options,
    )
    trainer.remove_callback(PrinterCallback)  # stdout is for data
    return trainer


def train_to_best(trainer: SFTTrainer) -> float:
    """Train, and restore the best model (`BEST`) or keep the final one (`LAST`).

    Returns:
        The held-out loss of that model, in nats per token. If no best model was kept, the loss is
        measured at the end.
    """
    trainer.train()
    best = trainer.state.best_metric
    return trainer.evaluate()["eval_loss"] if best is None else best


def token_ids(
    tokenizer: PreTrainedTokenizerBase, prompt: Prompt, completion: Prompt | None = None
) -> list[int]:
    """Token ids as TRL's trainer makes them.

    Args:
        tokenizer: The policy's.
        prompt: A text, or messages.
        completion: A text, or messages; None for the prompt alone.
    """
    if isinstance(prompt, str):
        text = prompt if completion is None else f"{prompt}{completion}{tokenizer.eos_token}"
        return cast("list[int]", tokenizer(text)["input_ids"])
    messages = prompt if completion is None else [*prompt, *cast("list[Any]", completion)]
    render: Any = tokenizer.apply_chat_template
    options = chat_options(str(tokenizer.chat_template))
    text = render(messages, tokenize=False, add_generation_prompt=completion is None, **options)
    return cast("list[int]", tokenizer(text, add_special_tokens=False)["input_ids"])


def _dataset(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """Columns ``prompt`` and ``completion``, and options for the chat template."""
    options = chat_options(str(tokenizer.chat_template))
    told = {"chat_template_kwargs": options} if options else {}
    chat = not isinstance(examples[0].prompt, str)
    return Dataset.from_list([example._asdict() | (told if chat else {}) for example in examples])
