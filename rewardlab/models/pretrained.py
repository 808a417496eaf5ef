"""Reading what ``save_pretrained`` wrote: safetensors only, no code, whole or not at all."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from rewardlab.store.checkpoints import LOADING


class UnusableError(Exception):
    """A checkpoint cannot be used, and why."""


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
    except Exception as error:  # a broken file shows as whatever comes of it
        raise UnusableError(f"its tokenizer cannot be loaded: {error}") from error
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        # Where its files are missing, transformers 5 makes an empty one and says nothing.
        raise UnusableError("its tokenizer knows no words; its files are missing")
    return tokenizer


def read_model(kind: Any, checkpoint: Path, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The model of a saved checkpoint, on the CPU in the precision it was saved in.

    Args:
        kind: One of transformers' ``AutoModelFor...``.
        checkpoint: Its directory.
        tokenizer: The checkpoint's.

    Raises:
        UnusableError: It cannot be loaded, lacks weights, or does not fit its tokenizer.
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
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise UnusableError(
            f"its tokenizer has {len(tokenizer)} tokens and the model embeddings for {rows}"
        )
    return model


def positions(config: PreTrainedConfig) -> float:
    """Tokens that a model of this configuration reads at once; infinity where it names none.

    Beyond them a table of positions has no row, which stops the program, on a GPU for good.
    """
    text: Any = config.get_text_config()
    most: Any = getattr(text, "max_position_embeddings", None)
    return most if isinstance(most, int) and most > 0 else math.inf
