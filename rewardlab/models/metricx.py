"""The MetricX regressor: an mT5 encoder-decoder whose one number is a logit.

Juraska et al. 2023 (2023.wmt-1.63) and 2024 (arXiv 2410.03983). The encoder reads one text, the
decoder takes one step from token 0, and the error is the logit of ``<extra_id_10>`` clamped to
0..25, lower is better. Of the head of 250,112 rows only that one is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoTokenizer, MT5Config, MT5Model, PreTrainedTokenizerBase

from rewardlab.errors import Problem, UserError, shown
from rewardlab.models.batches import batches_by_tokens
from rewardlab.models.device import pick_device, pick_dtype
from rewardlab.models.weights import load_state_dict
from rewardlab.store.checkpoints import LOADING

HEAD_ROW = 250_089
"""``<extra_id_10>`` in mT5's vocabulary."""
WORST_ERROR = 25.0
"""The most errors that the model was trained to see: one non-translation, or five major ones."""
EMBEDDINGS = ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
"""One tensor under three names; files hold any number of them."""
UNUSED = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
"""Some conversions of T5 write it; no code reads it."""
CPU_TOKENS = 512
"""Larger batches are slower there: they hold more padding, and what a layer computes leaves the
caches (d_model 512: 1024 tokens take 1.2 times as long for a row)."""
ACCELERATOR_TOKENS = 16_384


class Predicted(NamedTuple):
    """What the regressor says about N texts.

    Attributes:
        errors: float64 (N,) in 0..25, lower is better; NaN where the logit is not finite.
        truncated: bool (N,): the text was longer than the input and was cut.
    """

    errors: NDArray[np.float64]
    truncated: NDArray[np.bool_]


@dataclass(frozen=True)
class Regressor:
    """A loaded model.

    Attributes:
        model: Encoder and decoder, without a head.
        head: float32 (d_model,), the head's one row; with tied embeddings times d_model**-0.5.
        tokenizer: What the encoder's ids come from.
    """

    model: MT5Model
    head: Tensor
    tokenizer: PreTrainedTokenizerBase

    def predict(self, texts: Sequence[str], *, max_length: int, batch_tokens: int) -> Predicted:
        """Errors of N texts, batched by length; neither order nor batch matters but for rounding.

        Args:
            texts: Inputs in the model's format.
            max_length: Tokens of an input at most, the end-of-sequence token counted, which is
                taken off again: what is read is one token less.
            batch_tokens: Tokens of a batch at most, padding included; 0 for `CPU_TOKENS` or
                `ACCELERATOR_TOKENS`.

        Raises:
            UserError: E309, a batch does not fit on the accelerator; exit code 2.
        """
        whole = self._token_ids(texts)
        ids = [row[: max_length - 1] for row in whole]
        logits = np.full(len(texts), np.nan)
        on_cpu = self.head.device.type == "cpu"
        budget = batch_tokens or (CPU_TOKENS if on_cpu else ACCELERATOR_TOKENS)
        try:
            for batch in batches_by_tokens([len(row) for row in ids], budget=budget):
                logits[batch] = self._logits([ids[row] for row in batch])
        except torch.OutOfMemoryError as error:
            what = f"{budget} tokens do not fit on the accelerator at once"
            fix = f"batch_tokens={max(1, budget // 2)}"
            raise UserError([Problem("E309", "batch_tokens", what, fix)]) from error
        errors = np.where(np.isfinite(logits), np.clip(logits, 0.0, WORST_ERROR), np.nan)
        cut = [len(read) < len(row) for read, row in zip(ids, whole, strict=True)]
        return Predicted(errors, np.array(cut, dtype=np.bool_))

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return token_ids(self.tokenizer, texts)

    @torch.inference_mode()
    def _logits(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Logits (B,) of `HEAD_ROW` for one rectangle, padded on the right."""
        device = self.head.device
        width = max(1, *map(len, ids))
        padded = torch.tensor([[*row, *[0] * (width - len(row))] for row in ids]).to(device)
        lengths = torch.tensor([[len(row)] for row in ids])
        real = (torch.arange(width) < lengths).to(device)
        full = len({len(row) for row in ids}) == 1
        encoder: Any = self.model.encoder
        read: Tensor = encoder(
            input_ids=padded, attention_mask=None if full else real
        ).last_hidden_state
        logits = first_step(self.model, read, real).float() @ self.head
        return logits.cpu().numpy().astype(np.float64)


def token_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Ids of N texts, without the end-of-sequence token.

    Where a text spells out ``</s>`` or ``<pad>``, that is an unknown word; the published script
    reads it as real. Half a surrogate pair reads as a question mark.
    """
    valid = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    if not valid:
        return []
    words: Any = tokenizer
    rows: list[list[int]] = words(
        valid, add_special_tokens=False, return_attention_mask=False, verbose=False
    )["input_ids"]
    real = {words.eos_token_id, words.pad_token_id}
    return [[words.unk_token_id if id_ in real else id_ for id_ in row] for row in rows]


def token_places(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> list[list[tuple[int, int]]]:
    """Of each of `token_ids`, the characters it stands for: first and one past the last."""
    valid = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    if not valid:
        return []
    words: Any = tokenizer
    return words(
        valid,
        add_special_tokens=False,
        return_attention_mask=False,
        return_offsets_mapping=True,
        verbose=False,
    )["offset_mapping"]


def one_step(block: Any, h: Tensor, read: Tensor, real: Tensor) -> Tensor:
    """A decoder block at its first step: (B, d_model), from what the block below says.

    One position attends to itself with weight 1, so self-attention is ``o(v(h))``. No dropout.
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
        model: Of which the decoder is used.
        read: (B, T, d_model), what the encoder says.
        real: bool (B, T), True where there is a token.
        block: How one block is asked.

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

    K and V are taken out of the sum over T, (Kᵀ q) · r_t and V (sum_t p_t r_t): a head's d_kv by
    d_model products are then two for a row, not two for each of its tokens. mT5 scales no query.

    Args:
        attention: Its ``q``, ``k``, ``v`` and ``o``.
        h: (B, d_model).
        read: (B, T, d_model).
        real: bool (B, T).

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


def load_regressor(
    model: Path, *, tokenizer: Path, device: str, dtype: str, pickle_sha256: str
) -> Regressor:
    """The regressor of a checkpoint; the same one for the same arguments, in all of the process.

    Args:
        model: The checkpoint's directory.
        tokenizer: The directory of its tokenizer.
        device: See `rewardlab.models.device.pick_device`.
        dtype: See `rewardlab.models.device.pick_dtype`.
        pickle_sha256: See `rewardlab.models.weights.load_state_dict`.

    Raises:
        UserError: E301 to E304 its weights or the device, E305 no mT5, E306 weights that are not
            the configuration's, E307 no place for the score, E308 no tokenizer; exit code 2.
    """
    with LOADING:
        return _load(model, tokenizer, device, dtype, pickle_sha256)


@cache
def _load(model: Path, tokenizer: Path, device: str, dtype: str, pickle_sha256: str) -> Regressor:
    return read_regressor(
        model, tokenizer=tokenizer, device=device, dtype=dtype, pickle_sha256=pickle_sha256
    )


def read_regressor(
    model: Path, *, tokenizer: Path, device: str, dtype: str, pickle_sha256: str
) -> Regressor:
    """As `load_regressor`, read anew and the caller's own."""
    place = pick_device(device)
    raw, config = _read_config(model)
    words = read_words(model, tokenizer=tokenizer)
    weights = load_state_dict(model, pickle_sha256=pickle_sha256)
    weights.pop(UNUSED, None)
    embedding = next((weights[name] for name in EMBEDDINGS if name in weights), None)
    if embedding is None:
        raise _mismatch(model, "shared.weight is missing")
    head = _head(model, weights.pop("lm_head.weight", None), embedding, raw)
    precision = pick_dtype(dtype, embedding.dtype)
    weights = {name: tensor for name, tensor in weights.items() if name not in EMBEDDINGS}
    weights["shared.weight"] = embedding
    placed = {
        name: tensor.to(device=place, dtype=_stored(name, precision))
        for name, tensor in weights.items()
    }
    return Regressor(_build(model, config, placed), head.to(place), words)


def read_words(model: Path, *, tokenizer: Path) -> PreTrainedTokenizerBase:
    """The tokenizer, held against the checkpoint's configuration; no weight is read.

    Args:
        model: The checkpoint's directory.
        tokenizer: The directory of its tokenizer.

    Raises:
        UserError: E305 no mT5, E307 no place for the score, E308 no tokenizer; exit code 2.
    """
    _, config = _read_config(model)
    return _read_tokenizer(tokenizer, rows=config.vocab_size)


def _stored(name: str, precision: torch.dtype) -> torch.dtype:
    """In float16 the second matrix of a feed-forward layer overflows, so it stays in float32."""
    wide = precision is torch.float16 and ".wo." in name
    return torch.float32 if wide else precision


def _read_config(model: Path) -> tuple[dict[str, Any], MT5Config]:
    """``config.json`` as it is written, and as transformers 5 reads it.

    Raises:
        UserError: E305, no configuration of an mT5; E307, a vocabulary without `HEAD_ROW`.
    """
    path = model / "config.json"
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        kind = raw["model_type"]
        config: Any = MT5Config.from_dict(raw) if kind == "mt5" else None
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        raise _wrong(model, f"its config.json cannot be read: {error}") from error
    if config is None:
        raise _wrong(model, f"it is a {shown(kind)}, and MetricX is an mT5")
    if config.vocab_size <= HEAD_ROW:
        what = f"its vocabulary has {config.vocab_size} entries; the score is number {HEAD_ROW}"
        fix = "give a MetricX checkpoint, whose vocabulary is mT5's with 250112 entries"
        raise UserError([Problem("E307", f"model {shown(str(model))}", what, fix)])
    return raw, config


def _read_tokenizer(directory: Path, *, rows: int) -> PreTrainedTokenizerBase:
    """The tokenizer in a directory.

    Raises:
        UserError: E308, there is none, it is empty, or it knows more tokens than the model.
    """
    where = f"tokenizer {shown(str(directory))}"
    fix = "tokenizer=DIRECTORY with the files of google/mt5-xl, which all published sizes use"
    files = ("tokenizer.json", "spiece.model")
    if not any((directory / name).is_file() for name in files):
        what = f"it holds neither {' nor '.join(files)}"
        raise UserError([Problem("E308", where, what, fix)])
    try:
        found = AutoTokenizer.from_pretrained(
            str(directory), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises nothing more special
        what = f"it cannot be loaded: {' '.join(str(error).split())[:200].rstrip('.')}"
        raise UserError([Problem("E308", where, what, fix)]) from error
    tokenizer = cast("PreTrainedTokenizerBase", found)
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        # Where its files are missing, transformers 5 makes an empty one and says nothing.
        raise UserError([Problem("E308", where, "it knows no words; its files are missing", fix)])
    if len(tokenizer) > rows:
        what = f"it has {len(tokenizer)} tokens and the model embeddings for {rows}"
        raise UserError([Problem("E308", where, what, fix)])
    return tokenizer


def _head(model: Path, head: Tensor | None, embedding: Tensor, raw: dict[str, Any]) -> Tensor:
    """The head's one row, float32 (d_model,), scaled by d_model**-0.5 if embeddings are tied.

    mT5 is published untied. transformers 5 calls every mT5 tied whatever its ``config.json`` says,
    and writes so when it saves one; so a head that differs from the embeddings is believed first.
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
    """Whether a checkpoint's head is its embeddings: there is none, or it is said and true."""
    return head is None or (says_tied and torch.equal(head, embedding))


def _build(model: Path, config: MT5Config, weights: dict[str, Tensor]) -> MT5Model:
    """Encoder and decoder made of these very tensors.

    Raises:
        UserError: E306, tensors are missing, left over, or of another shape.
    """
    with torch.device("meta"):
        network = MT5Model(config)
    network.encoder.set_input_embeddings(network.shared)
    network.decoder.set_input_embeddings(network.shared)
    wanted = set(network.state_dict()) - set(EMBEDDINGS[1:])
    for names, what in ((wanted - set(weights), "missing"), (set(weights) - wanted, "left over")):
        if names:
            first = shown(min(names))
            raise _mismatch(model, f"{len(names)} weights are {what}, first {first}")
    try:
        network.load_state_dict(weights, strict=False, assign=True)
    except RuntimeError as error:
        raise _mismatch(model, " ".join(str(error).split())[:300].rstrip(".")) from error
    return network.requires_grad_(requires_grad=False).eval()


def _wrong(model: Path, what: str) -> UserError:
    what = " ".join(what.split())[:300].rstrip(".")
    fix = "give a MetricX checkpoint, such as google/metricx-24-hybrid-large-v2p6"
    return UserError([Problem("E305", f"model {shown(str(model))}", what, fix)])


def _mismatch(model: Path, what: str) -> UserError:
    fix = "give weights and config.json of one MetricX checkpoint"
    return UserError([Problem("E306", f"model {shown(str(model))}", what, fix)])
