"""Reading checkpoints written by ``save_pretrained``: safetensors only, no code, all weights.

Everything here raises `UnusableError`; the caller adds what its model needs and the error code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from rewardlab.errors import shown
from rewardlab.store.checkpoints import LOADING


class UnusableError(Exception):
    """Why a checkpoint cannot be used."""


def read_config(directory: Path, known: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """``config.json`` as it is written, and as transformers reads it.

    Args:
        directory: Of the checkpoint.
        known: Configuration classes by ``model_type``.

    Raises:
        UnusableError: It cannot be read, or is that of another architecture.
    """
    try:
        raw: Any = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        kind = raw["model_type"]
        config: Any = known[kind].from_dict(raw) if kind in known else None
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        raise UnusableError(f"its config.json cannot be read: {error}") from error
    if config is None:
        raise UnusableError(f"its model_type is {shown(kind)}, not {' or '.join(known)}")
    return raw, config


def read_tokenizer(checkpoint: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a saved checkpoint.

    Raises:
        UnusableError: It cannot be loaded, or is empty.
    """
    try:
        with LOADING:
            tokenizer = AutoTokenizer.from_pretrained(
                str(checkpoint), local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # a broken file can raise anything
        raise UnusableError(f"its tokenizer cannot be loaded: {error}") from error
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        # If its files are missing, transformers 5 makes an empty one without an error.
        raise UnusableError("its tokenizer has no words; its files are missing")
    return tokenizer


def read_model(kind: Any, checkpoint: Path, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The model of a saved checkpoint, on the CPU in the precision it was saved in.

    Args:
        kind: One of transformers' ``AutoModelFor...``.
        checkpoint: Its directory.
        tokenizer: The checkpoint's.

    Raises:
        UnusableError: It cannot be loaded, lacks weights, or does not match its tokenizer.
    """
    try:
        with LOADING:
            model, found = kind.from_pretrained(
                str(checkpoint),
                dtype="auto",
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
    except Exception as error:  # as above
        raise UnusableError(f"it cannot be loaded: {error}") from error
    if missing := sorted(found["missing_keys"]):
        raise UnusableError(f"{len(missing)} weights are missing, first {missing[0]}")
    check_vocabulary(tokenizer, model.get_input_embeddings().num_embeddings)
    return model


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, rows: int) -> None:
    """Check that a model has an embedding for every token.

    Args:
        tokenizer: The model's.
        rows: Rows of its embeddings.

    Raises:
        UnusableError: It has not.
    """
    if len(tokenizer) > rows:
        raise UnusableError(
            f"its tokenizer has {len(tokenizer)} tokens and the model embeddings for {rows}"
        )


def fill(module: nn.Module, tensors: Mapping[str, Tensor], *, prefix: str = "") -> None:
    """Give a module exactly these tensors, without copying them, for inference.

    Args:
        module: Built on the ``meta`` device.
        tensors: By their names in the module.
        prefix: Of the names in messages.

    Raises:
        UnusableError: Tensors are missing, unknown, or of another shape.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    for names, what in ((wanted.keys() - tensors, "missing"), (tensors.keys() - wanted, "unknown")):
        if names:
            first = shown(prefix + min(names))
            raise UnusableError(f"{len(names)} weights are {what}, first {first}")
    for name, shape in wanted.items():
        if (found := tuple(tensors[name].shape)) != shape:
            raise UnusableError(f"{prefix}{name} has shape {found}, where {shape} is needed")
    module.load_state_dict(dict(tensors), assign=True)
    module.requires_grad_(requires_grad=False).eval()


def positions(config: PreTrainedConfig) -> float:
    """The most tokens that a model reads at once; infinity if its configuration names no limit.

    A longer input has no position embedding, which stops the program, on a GPU for good.
    """
    text: Any = config.get_text_config()
    most: Any = getattr(text, "max_position_embeddings", None)
    return most if isinstance(most, int) and most > 0 else math.inf
