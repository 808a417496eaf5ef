"""The MetricX regressor: an mT5 encoder-decoder whose only output is one logit.

Juraska et al. 2023 (2023.wmt-1.63) and 2024 (arXiv 2410.03983). The encoder reads one text, the
decoder takes one step from token 0, and the error is the logit of ``<extra_id_10>`` clamped to
0..25, lower is better. Of the head's 250,112 rows only the row of this token is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import MT5Config, MT5Model, PreTrainedTokenizerBase

from rewardlab.errors import Problem, UserError, one_line, shown
from rewardlab.models.batches import in_batches, padded
from rewardlab.models.device import pick_device, pick_dtype
from rewardlab.models.pretrained import (
    UnusableError,
    check_vocabulary,
    fill,
    read_config,
    read_tokenizer,
)
from rewardlab.models.weights import load_state_dict
from rewardlab.store.checkpoints import loaded_once

HEAD_ROW = 250_089
"""``<extra_id_10>`` in mT5's vocabulary."""
WORST_ERROR = 25.0
"""The largest MQM error in training: one non-translation, or five major errors."""
EMBEDDINGS = ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
"""Three names of one tensor; a file may contain any of them."""
UNUSED = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
"""A tensor that some conversions of T5 write and no code reads."""
CPU_TOKENS = 512
"""Larger batches are slower on the CPU: they have more padding, and the activations of a layer do
not stay in the caches (d_model 512: with 1024 tokens a row takes 1.2 times as long)."""
ACCELERATOR_TOKENS = 16_384


class Predicted(NamedTuple):
    """Predictions for N texts.

    Attributes:
        errors: float64 (N,) MQM errors in 0..25, lower is better; NaN if the logit is not finite.
        truncated: bool (N,), True if the text was truncated.
    """

    errors: NDArray[np.float64]
    truncated: NDArray[np.bool_]


@dataclass(frozen=True)
class Regressor:
    """A loaded model.

    Attributes:
        model: Encoder and decoder, without a head.
        head: float32 (d_model,), one row of the head, times d_model**-0.5 if embeddings are tied.
        tokenizer: The encoder's.
    """

    model: MT5Model
    head: Tensor
    tokenizer: PreTrainedTokenizerBase

    def predict(self, texts: Sequence[str], *, max_length: int, batch_tokens: int) -> Predicted:
        """MQM errors of N texts. Their order and the batches affect only rounding.

        Args:
            texts: Inputs in the model's format.
            max_length: Maximum number of tokens in an input, the end-of-sequence token included.
                That token is then removed, so the model reads one token less.
            batch_tokens: Maximum number of tokens in a batch, padding included; 0 for `CPU_TOKENS`
                or `ACCELERATOR_TOKENS`.

        Raises:
            UserError: E309, a batch does not fit on the accelerator; exit code 2.
        """
        whole = input_ids(self.tokenizer, texts)
        ids = [row[: max_length - 1] for row in whole]
        on_cpu = self.head.device.type == "cpu"
        budget = batch_tokens or (CPU_TOKENS if on_cpu else ACCELERATOR_TOKENS)
        logits = np.array(in_batches(ids, self._logits, budget=budget), dtype=np.float64)
        errors = np.where(np.isfinite(logits), np.clip(logits, 0.0, WORST_ERROR), np.nan)
        cut = [len(read) < len(row) for read, row in zip(ids, whole, strict=True)]
        return Predicted(errors, np.array(cut, dtype=np.bool_))

    @torch.inference_mode()
    def _logits(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Logits (B,) of `HEAD_ROW` for one batch."""
        ids, real = (part.to(self.head.device) for part in padded(rows, filler=0))
        full = len({len(row) for row in rows}) == 1
        encoder: Any = self.model.encoder
        read: Tensor = encoder(
            input_ids=ids, attention_mask=None if full else real
        ).last_hidden_state
        logits = first_step(self.model, read, real).float() @ self.head
        return logits.cpu().numpy().astype(np.float64)


def input_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of N inputs, without the end-of-sequence token.

    ``</s>`` or ``<pad>`` written out in a text is read as an unknown word, while the published
    script reads it as the special token. Half a surrogate pair is read as a question mark.

    Args:
        tokenizer: The model's.
        texts: N inputs.
    """
    words: Any = tokenizer
    rows: list[list[int]] = _encoded(tokenizer, texts)["input_ids"]
    special = {words.eos_token_id, words.pad_token_id}
    return [[words.unk_token_id if id_ in special else id_ for id_ in row] for row in rows]


def input_offsets(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> list[list[tuple[int, int]]]:
    """The characters of each of the `input_ids` in its text, half-open.

    Args:
        tokenizer: The model's; must be a fast tokenizer.
        texts: N inputs.
    """
    return _encoded(tokenizer, texts, offsets=True)["offset_mapping"]


def _encoded(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, offsets: bool = False
) -> Any:
    valid = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    if not valid:
        return {"input_ids": [], "offset_mapping": []}
    return tokenizer(
        valid,
        add_special_tokens=False,
        return_attention_mask=False,
        return_offsets_mapping=offsets,
        verbose=False,
    )


def one_step(block: Any, h: Tensor, read: Tensor, real: Tensor) -> Tensor:
    """The output (B, d_model) of a decoder block at its first step, without dropout.

    The only position attends to itself with weight 1, so self-attention is ``o(v(h))``.

    Args:
        block: An ``MT5Block`` of the decoder.
        h: (B, d_model), the output of the block below.
        read: (B, T, d_model), the encoder's output.
        real: bool (B, T), True where a token is.
    """
    own, cross, forward = block.layer
    h = h + own.SelfAttention.o(own.SelfAttention.v(own.layer_norm(h)))
    h = h + attend_once(cross.EncDecAttention, cross.layer_norm(h), read, real)
    return h + forward.DenseReluDense(forward.layer_norm(h))


def first_step(
    model: MT5Model,
    read: Tensor,
    real: Tensor,
    *,
    block: Callable[[Any, Tensor, Tensor, Tensor], Tensor] = one_step,
) -> Tensor:
    """The decoder's output at its first step, from token 0.

    Args:
        model: The model whose decoder is used.
        read: (B, T, d_model), the encoder's output.
        real: bool (B, T), True where a token is.
        block: Computes one block.

    Returns:
        (B, d_model).
    """
    decoder: Any = model.decoder
    h: Tensor = model.shared.weight[0].expand(len(read), -1)
    for one in decoder.block:
        h = block(one, h, read, real)
    return decoder.final_layer_norm(h)


def attend_once(attention: Any, h: Tensor, read: Tensor, real: Tensor) -> Tensor:
    """Cross-attention of one query: ``o(sum_t softmax_t(q · K r_t) V r_t)`` for each head.

    K and V are moved out of the sum over T, (Kᵀ q) · r_t and V (sum_t p_t r_t): a head then needs
    two d_kv by d_model products for a row, not two for each token. mT5 does not scale queries.

    Args:
        attention: An ``MT5Attention``.
        h: (B, d_model), the query's input.
        read: (B, T, d_model), the encoder's output.
        real: bool (B, T), True where a token is.

    Returns:
        (B, d_model).
    """
    heads = attention.n_heads
    per_head = (heads, -1, read.shape[-1])
    query = attention.q(h).view(len(h), heads, -1)
    query = torch.einsum("bnk,nkd->bnd", query, attention.k.weight.view(per_head))
    scores = torch.matmul(query, read.transpose(1, 2)).masked_fill(~real[:, None], -torch.inf)
    weights = scores.float().softmax(-1).to(read.dtype)
    mixed = torch.einsum("bnd,nkd->bnk", weights @ read, attention.v.weight.view(per_head))
    return attention.o(mixed.flatten(1))


def read_regressor(
    model: Path, *, tokenizer: Path, device: str, dtype: str, pickle_sha256: str
) -> Regressor:
    """Read the regressor of a checkpoint.

    Args:
        model: The checkpoint's directory.
        tokenizer: The directory of its tokenizer.
        device: See `rewardlab.models.device.pick_device`.
        dtype: See `rewardlab.models.device.pick_dtype`.
        pickle_sha256: See `rewardlab.models.weights.load_state_dict`.

    Raises:
        UserError: E301 to E304 its weights or the device, E305 not an mT5, E306 weights that do not
            match the configuration, E307 no row for the score, E308 no tokenizer; exit code 2.
    """
    place = pick_device(device)
    raw, config = _read_config(model)
    words = _read_tokenizer(tokenizer, rows=config.vocab_size)
    weights = load_state_dict(model, pickle_sha256=pickle_sha256)
    weights.pop(UNUSED, None)
    embedding = next((weights[name] for name in EMBEDDINGS if name in weights), None)
    if embedding is None:
        raise _mismatch(model, "shared.weight is missing")
    head = _head(model, weights.pop("lm_head.weight", None), embedding, raw)
    precision = pick_dtype(dtype, embedding.dtype)
    weights |= dict.fromkeys(EMBEDDINGS, embedding.to(place, precision))
    placed = {name: tensor.to(place, _stored(name, precision)) for name, tensor in weights.items()}
    with torch.device("meta"):
        network = MT5Model(config)
    try:
        fill(network, placed)
    except UnusableError as error:
        raise _mismatch(model, str(error)) from error
    network.set_input_embeddings(network.shared)
    return Regressor(network, head.to(place), words)


load_regressor = loaded_once()(read_regressor)
"""As `read_regressor`; a process reads a regressor once for equal arguments and shares it."""


def read_words(model: Path, *, tokenizer: Path) -> PreTrainedTokenizerBase:
    """The tokenizer, checked against the checkpoint's configuration; no weights are read.

    Args:
        model: The checkpoint's directory.
        tokenizer: The directory of its tokenizer.

    Raises:
        UserError: E305 not an mT5, E307 no row for the score, E308 no tokenizer; exit code 2.
    """
    _, config = _read_config(model)
    return _read_tokenizer(tokenizer, rows=config.vocab_size)


def _stored(name: str, precision: torch.dtype) -> torch.dtype:
    """The precision of a weight; in float16 a feed-forward layer's second matrix would overflow."""
    wide = precision is torch.float16 and ".wo." in name
    return torch.float32 if wide else precision


def _read_config(model: Path) -> tuple[dict[str, Any], MT5Config]:
    """``config.json`` as written, and as transformers 5 reads it.

    Raises:
        UserError: E305, not the configuration of an mT5; E307, a vocabulary without `HEAD_ROW`.
    """
    where = f"model {shown(str(model))}"
    try:
        raw, config = read_config(model, {"mt5": MT5Config})
    except UnusableError as error:
        fix = "give a MetricX checkpoint, such as google/metricx-24-hybrid-large-v2p6"
        raise UserError([Problem("E305", where, one_line(error), fix)]) from error
    if config.vocab_size <= HEAD_ROW:
        what = f"its vocabulary has {config.vocab_size} entries; the score is number {HEAD_ROW}"
        fix = "give a MetricX checkpoint, whose vocabulary is mT5's with 250112 entries"
        raise UserError([Problem("E307", where, what, fix)])
    return raw, config


def _read_tokenizer(directory: Path, *, rows: int) -> PreTrainedTokenizerBase:
    """The tokenizer in a directory.

    Raises:
        UserError: E308, the tokenizer is missing, is empty, or has more tokens than the model.
    """
    files = ("tokenizer.json", "spiece.model")
    if not any((directory / name).is_file() for name in files):
        raise _no_tokenizer(directory, f"it holds neither {' nor '.join(files)}")
    try:
        tokenizer = read_tokenizer(directory)
        check_vocabulary(tokenizer, rows)
    except UnusableError as error:
        raise _no_tokenizer(directory, one_line(error)) from error
    return tokenizer


def _no_tokenizer(directory: Path, what: str) -> UserError:
    fix = "tokenizer=DIRECTORY with the files of google/mt5-xl, which all published sizes use"
    return UserError([Problem("E308", f"tokenizer {shown(str(directory))}", what, fix)])


def _head(model: Path, head: Tensor | None, embedding: Tensor, raw: dict[str, Any]) -> Tensor:
    """One row of the head, float32 (d_model,), scaled by d_model**-0.5 if embeddings are tied.

    mT5 is published untied. transformers 5 treats every mT5 as tied, whatever its ``config.json``
    says, and saves it as tied. So if the head differs from the embeddings, the model counts as
    untied whatever the configuration says.
    """
    says_tied = raw.get("tie_word_embeddings", True)
    if head is None and not says_tied:
        raise _mismatch(model, "lm_head.weight is missing, and config.json says it is not tied")
    rows = embedding if head is None else head
    if rows.ndim != 2 or len(rows) <= HEAD_ROW:  # noqa: PLR2004 - a matrix
        raise _mismatch(model, f"the head has shape {tuple(rows.shape)}")
    row = rows[HEAD_ROW].float()
    tied = is_tied(head, embedding, says_tied=says_tied)
    return row * row.numel() ** -0.5 if tied else row.clone()


def is_tied(head: Tensor | None, embedding: Tensor, *, says_tied: bool) -> bool:
    """Whether a checkpoint's head is tied to its embeddings.

    Args:
        head: (V, d_model), or None if the checkpoint has none.
        embedding: (V, d_model).
        says_tied: The configuration says so.
    """
    return head is None or (says_tied and torch.equal(head, embedding))


def _mismatch(model: Path, what: str) -> UserError:
    fix = "give weights and config.json of one MetricX checkpoint"
    return UserError([Problem("E306", f"model {shown(str(model))}", what, fix)])
