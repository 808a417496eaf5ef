"""Checks of the model that a run starts from, and its shapes as training will set them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rewardlab.dry_run.checkpoint import embedding_rows, read_checkpoint
from rewardlab.dry_run.findings import Findings, one_line
from rewardlab.dry_run.tokenizer import (
    credit_problems,
    padding_notes,
    read_tokenizer,
    tokenizer_problems,
)
from rewardlab.errors import EXIT_USAGE, Problem, UserError, refuse, shown
from rewardlab.store.lineage import read_training
from rewardlab.text.prompts import Prompt, separator

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SAMPLE = 2000
"""Examples that a dry run trains a tokenizer on."""


class Policy(NamedTuple):
    """The model of a run, as far as its files can be used.

    Attributes:
        tokenizer: The tokenizer; None if it was refused.
        model: The model on the meta device; None if the checkpoint was refused.
        saved_bytes: Bytes per weight on disk.
    """

    tokenizer: PreTrainedTokenizerBase | None
    model: PreTrainedModel | None
    saved_bytes: int = 4

    @property
    def positions(self) -> int | None:
        """Maximum number of tokens in the model's input."""
        if self.model is None:
            return None
        config = cast("Any", self.model.config).get_text_config()
        return getattr(config, "max_position_embeddings", None)


def check_policy(path: Path, *, prompt: Prompt, text: str | None = None, found: Findings) -> Policy:
    """Check a checkpoint and its tokenizer against one row.

    Args:
        path: The checkpoint.
        prompt: One row's.
        text: A translation to map error spans on; None if the run maps no spans to tokens.
        found: Gets E044, E050..E061, and notes.
    """
    if not (path / "config.json").is_file():  # E028, reported with the configuration
        return Policy(None, None)
    found.notes += separator_notes(path, prompt)
    checkpoint = found.attempt(read_checkpoint, path)
    tokenizer = found.attempt(read_tokenizer, path)
    model = None if checkpoint is None else checkpoint.model
    if tokenizer is not None:
        rows = None if model is None else embedding_rows(model)
        wrong = [*tokenizer_problems(tokenizer, str(path), embeddings=rows, prompt=prompt)]
        found.add(wrong)
        found.notes += padding_notes(tokenizer, str(path))
        if text is not None:
            found.add(credit_problems(tokenizer, str(path), text))
        tokenizer = None if wrong else tokenizer
    if checkpoint is None:
        return Policy(tokenizer, None)
    found.notes += checkpoint.notes
    return Policy(tokenizer, model, checkpoint.weight_bytes)


def separator_notes(path: Path, prompt: Prompt) -> Iterator[str]:
    """A note if the checkpoint learned another white space between prompt and answer.

    Args:
        path: The checkpoint; nothing is known about one without a training history.
        prompt: One row's.
    """
    try:
        training = read_training(path)
    except UserError:  # E047, reported by the commands that continue the history
        return
    learned, asked = training and training.stages[-1].separator, separator(prompt)
    if learned is not None and learned != asked:
        yield (
            f"{path} learned answers that begin with {shown(learned)} after the prompt, and after "
            f"the prompts of this run they begin with {shown(asked)}: expect worse first words, or "
            "fine-tune it again"
        )


def new_policy(texts: Sequence[str], shape: Mapping[str, Any]) -> Policy:
    """A policy from scratch: a tokenizer from a sample of the texts, and shapes without weights.

    Args:
        texts: What the run will train its tokenizer on.
        shape: ``vocab_size``, ``architecture``, ``hidden_size``, ``layers``, ``heads``.
    """
    import torch

    from rewardlab.trainers import from_scratch

    sample, rest = texts[:: max(1, len(texts) // SAMPLE)], dict(shape)
    tokenizer = from_scratch.train_tokenizer(sample, vocab_size=rest.pop("vocab_size"))
    with torch.device("meta"):
        return Policy(tokenizer, from_scratch.new_policy(tokenizer, **rest))


def prepare(
    model: PreTrainedModel,
    *,
    lora: Mapping[str, Any] | None = None,
    freeze_embeddings: bool = False,
    untie_embeddings: bool = False,
) -> PreTrainedModel:
    """Set which weights are trained, by the functions that will set it for the run.

    Args:
        model: The model, on any device; changed in place.
        lora: Options of `rewardlab.trainers.policy.low_rank`; None trains no adapters.
        freeze_embeddings: Do not train the input embeddings.
        untie_embeddings: Give the output head separate weights.

    Raises:
        UserError: E065, adapters are configured for modules that the model does not have.
    """
    from peft import get_peft_model

    from rewardlab.trainers import policy

    policy.freeze_vision_tower(model)
    if untie_embeddings:
        policy.untie_embeddings(model)
    if freeze_embeddings:
        policy.freeze_embeddings(model)
    if lora is None:
        return model
    try:
        adapted: Any = get_peft_model(model, policy.low_rank(model, **lora))
    except ValueError as error:
        what = f"no adapter finds a place: {one_line(error)}"
        fix = "target_modules: all-linear"
        refuse(Problem("E065", "policy.lora", what, fix), exit_code=EXIT_USAGE)
    return cast("PreTrainedModel", adapted)
