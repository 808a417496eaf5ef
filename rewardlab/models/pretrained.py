"""Reading checkpoints written by ``save_pretrained``: safetensors only, no code, all weights.

The functions raise `UnusableError`; the caller turns it into an error with a code and a fix.
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

from rewardlab.errors import EXIT_USAGE, Problem, one_line, refuse, shown
from rewardlab.models.device import pick_device, pick_dtype
from rewardlab.store.checkpoints import LOADING


class UnusableError(Exception):
    """A checkpoint cannot be used; the message says why."""


def read_config(directory: Path, known: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """``config.json`` as written, and as transformers reads it.

    Args:
        directory: Directory of the checkpoint.
        known: ``model_type`` -> configuration class.

    Raises:
        UnusableError: The file cannot be read, or has another architecture.
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
        UnusableError: The tokenizer cannot be loaded, or is empty.
    """
    try:
        with LOADING:
            tokenizer = AutoTokenizer.from_pretrained(
                str(checkpoint), local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # a broken file can raise anything
        raise UnusableError(f"its tokenizer cannot be loaded: {error}") from error
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        # If the files are missing, transformers 5 makes an empty tokenizer without an error.
        raise UnusableError("its tokenizer has no words; its files are missing")
    return tokenizer


def read_model(
    kind: Any, checkpoint: Path, tokenizer: PreTrainedTokenizerBase, *, unused: str = ""
) -> PreTrainedModel:
    """The model of a saved checkpoint, on the CPU, in the saved precision.

    Args:
        kind: One of transformers' ``AutoModelFor...``.
        checkpoint: The checkpoint's directory.
        tokenizer: The checkpoint's tokenizer.
        unused: Beginning of the names of weights that may be missing, because nobody reads them.

    Raises:
        UnusableError: The model cannot be loaded, lacks weights, or does not match its tokenizer.
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
    kept = (name for name in found["missing_keys"] if not (unused and name.startswith(unused)))
    if missing := sorted(kept):
        raise UnusableError(f"{len(missing)} weights are missing, first {missing[0]}")
    check_vocabulary(tokenizer, model.get_input_embeddings().num_embeddings)
    return model


def read_placed(
    kind: Any, checkpoint: Path, *, device: str, dtype: str, unused: str = ""
) -> tuple[Any, PreTrainedTokenizerBase]:
    """A saved model for inference on a device, and its tokenizer.

    Args:
        kind: One of transformers' ``AutoModelFor...``.
        checkpoint: The checkpoint's directory.
        device: See `rewardlab.models.device.pick_device`.
        dtype: See `rewardlab.models.device.pick_dtype`.
        unused: As in `read_model`.

    Raises:
        UserError: E303 the device, E304 the weights or the tokenizer; exit code 2.
    """
    place = pick_device(device)
    try:
        tokenizer = read_tokenizer(checkpoint)
        model: Any = read_model(kind, checkpoint, tokenizer, unused=unused)
    except UnusableError as error:
        where = f"model {shown(str(checkpoint))}"
        refuse(Problem("E304", where, one_line(error), "download it again"), exit_code=EXIT_USAGE)
    return model.to(place, pick_dtype(dtype, model.dtype)).eval(), tokenizer


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, rows: int) -> None:
    """Check that a model has an embedding for every token.

    Args:
        tokenizer: The model's.
        rows: Rows of its embeddings.

    Raises:
        UnusableError: The tokenizer has more tokens than the model has embeddings.
    """
    if len(tokenizer) > rows:
        raise UnusableError(
            f"its tokenizer has {len(tokenizer)} tokens and the model embeddings for {rows}"
        )


def fill(module: nn.Module, tensors: Mapping[str, Tensor], *, prefix: str = "") -> None:
    """Give a module exactly these tensors, without copying them, for inference.

    Args:
        module: A module built on the ``meta`` device.
        tensors: Name in the module -> tensor.
        prefix: Prefix of the names in messages.

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
    """Maximum number of tokens that a model reads at once; infinity if it is not configured.

    Tokens after that have no position embedding. This is an error; on a GPU the process cannot
    recover from it.
    """
    text: Any = config.get_text_config()
    most: Any = getattr(text, "max_position_embeddings", None)
    return most if isinstance(most, int) and most > 0 else math.inf
