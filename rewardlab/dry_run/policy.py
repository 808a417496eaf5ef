"""The model that a run starts from: what is wrong with it, and its shapes as training sets them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rewardlab.dry_run.checkpoint import embedding_rows, read_checkpoint
from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.tokenizer import (
    credit_problems,
    padding_notes,
    read_tokenizer,
    tokenizer_problems,
)
from rewardlab.errors import Problem, UserError
from rewardlab.text.prompts import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SAMPLE = 2000
"""Examples that a dry run trains a tokenizer on."""
BYTES: Mapping[str, int] = MappingProxyType({"F64": 8, "F32": 4, "F16": 2, "BF16": 2})
"""Of a weight, by the words of safetensors."""


class Policy(NamedTuple):
    """The model of a run, as far as its files allow.

    Attributes:
        tokenizer: None where it was refused.
        model: On the meta device; None where the checkpoint was refused.
        saved_bytes: Of a weight on disk.
    """

    tokenizer: PreTrainedTokenizerBase | None
    model: PreTrainedModel | None
    saved_bytes: int = 4

    @property
    def positions(self) -> int | None:
        """How many tokens the model was built for."""
        if self.model is None:
            return None
        config = cast("Any", self.model.config).get_text_config()
        return getattr(config, "max_position_embeddings", None)


def check_policy(path: Path, *, prompt: Prompt, text: str | None = None, found: Findings) -> Policy:
    """A checkpoint and its tokenizer, held against one row.

    Args:
        path: The checkpoint.
        prompt: One row's.
        text: Where error spans will be put on tokens, one translation to try that on.
        found: Gets E044, E050..E061, and notes.
    """
    if not (path / "config.json").is_file():  # E028, told where the configuration is read
        return Policy(None, None)
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
    saved = max((BYTES.get(dtype, 1) for dtype in checkpoint.dtypes), default=4)
    return Policy(tokenizer, model, saved)


def new_policy(texts: Sequence[str], shape: Mapping[str, Any]) -> Policy:
    """A policy from scratch: a tokenizer from some of the texts, shapes as they will be.

    Args:
        texts: What the run will train its tokenizer on; a sample will do.
        shape: ``vocab_size``, ``architecture``, ``hidden_size``, ``layers``, ``heads``.
    """
    import torch

    from rewardlab.trainers import from_scratch

    some = texts[:: max(1, len(texts) // SAMPLE)]
    size: int = shape["vocab_size"]
    tokenizer = from_scratch.train_tokenizer(some, vocab_size=size)
    rest = {key: value for key, value in shape.items() if key != "vocab_size"}
    with torch.device("meta"):
        return Policy(tokenizer, from_scratch.new_policy(tokenizer, **rest))


def prepare(
    model: PreTrainedModel,
    *,
    lora: Mapping[str, Any] | None = None,
    freeze_embeddings: bool = False,
    untie_embeddings: bool = False,
) -> PreTrainedModel:
    """Set what is trained, by the functions that will set it for the run.

    Raises:
        UserError: E065, adapters are asked for on modules that the model does not have.
    """
    from rewardlab.trainers import policy

    policy.freeze_vision_tower(model)
    if untie_embeddings:
        policy.untie_embeddings(model)
    if freeze_embeddings:
        policy.freeze_embeddings(model)
    if lora is None:
        return model
    from peft import get_peft_model

    try:
        adapted: Any = get_peft_model(model, policy.low_rank(model, **lora))
    except ValueError as error:
        what = f"no adapter finds a place: {' '.join(str(error).split())[:200].rstrip('.')}"
        problem = Problem("E065", "policy.lora", what, "target_modules: all-linear")
        raise UserError([problem]) from error
    return cast("PreTrainedModel", adapted)
