"""Training a MetricX regressor, and saving it in the published layout.

Juraska et al. 2023 (2023.wmt-1.63) and 2024 (arXiv 2410.03983): the loss is the mean squared
difference between a logit and an MQM error of 0..25; only predictions are clamped to that range.

Embeddings and head have 250,112 rows. Training changes only the embeddings of the tokenizer's ids
and one row of the head, and only these are in memory here. When the model is saved, the other rows
are copied from the checkpoint that training started from.

One number per text says little about where an error is, and a small model that starts from random
weights cannot infer it. So training may have a second task, as in xCOMET (Guerreiro et al. 2023,
arXiv 2310.10482): is this token of the hypothesis part of an error? The head of that task is not
saved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, dropout, mse_loss
from transformers import MT5Config, MT5Model, PreTrainedTokenizerBase
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.models.mt5.modeling_mt5 import MT5Block

from rewardlab.models.batches import padded
from rewardlab.models.metricx import (
    EMBEDDINGS,
    HEAD_ROW,
    Regressor,
    first_step,
    is_tied,
    one_step,
    read_regressor,
)
from rewardlab.models.weights import SAFETENSORS, load_state_dict

PUBLISHED_ROWS = 250_112
"""Rows of mT5's embeddings and head."""


class OneStepBlock(MT5Block):
    """A decoder block that computes `one_step` when it is called.

    If weights are sharded over processes (FSDP, ZeRO-3), calling a module gathers its weights.
    Without the call, `one_step` would see only shards.
    """

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] - no sequence
        self, h: Tensor, read: Tensor, real: Tensor
    ) -> Tensor:
        """See `rewardlab.models.metricx.one_step`."""
        return one_step(self, h, read, real)


class TrainableMetricX(MT5Model):
    """Encoder, decoder and one row of the head.

    The encoder and the decoder's output have mT5's dropout. Inside the decoder, which runs for one
    step, there is none.

    Attributes:
        head: float32 (d_model,).
        span_head: Predicts from the encoder's output whether a token is part of an error.
        span_weight: Weight of that task's loss, in squared MQM points per nat; 0 turns it off.
    """

    head: nn.Parameter
    span_head: nn.Linear
    span_weight: float
    _no_split_modules = ["MT5Block", "OneStepBlock"]  # noqa: RUF012 - transformers' own
    _keys_to_ignore_on_save = list(EMBEDDINGS[1:])  # noqa: RUF012 - transformers' own

    def __init__(self, config: MT5Config) -> None:
        super().__init__(config)
        self.head = nn.Parameter(torch.zeros(config.d_model))
        self.span_head = nn.Linear(config.d_model, 1)
        self.span_weight = 0.0
        decoder: Any = self.decoder
        for block in decoder.block:
            block.__class__ = OneStepBlock  # keeps the random initialisation of MT5Model

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] - one number, no sequence
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        marked: Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Logits (B,) and, if there are labels, the mean squared difference from the labels.

        In training mode ``span_weight`` times the `span_loss` is added to the loss.

        Args:
            input_ids: (B, T), padded on the right.
            attention_mask: (B, T), 1 or True at tokens.
            labels: (B,), errors in 0..25.
            marked: (B, T), the share of raters who mark a token as part of an error, in 0..1;
                negative for a token without a label.
        """
        real = attention_mask.bool()
        encoder: Any = self.encoder
        read: Tensor = encoder(
            input_ids=input_ids, attention_mask=None if bool(real.all()) else real
        ).last_hidden_state
        state = first_step(self, read, real, block=_called)
        state = dropout(state, self.config.dropout_rate, self.training)
        logits = state.float() @ self.head
        loss = None if labels is None else mse_loss(logits, labels.float())
        if loss is not None and marked is not None and self.training and self.span_weight:
            loss = loss + self.span_weight * span_loss(self.span_head(read).squeeze(-1), marked)
        return SequenceClassifierOutput(loss=loss, logits=logits)  # pyright: ignore[reportArgumentType]


def _called(block: Any, h: Tensor, read: Tensor, real: Tensor) -> Tensor:
    return block(h, read, real)


def span_loss(logits: Tensor, marked: Tensor) -> Tensor:
    """Mean binary cross-entropy over the labelled tokens; 0 if there are none.

    Args:
        logits: (B, T).
        marked: (B, T), in 0..1, negative for a token without a label.

    >>> span_loss(torch.zeros(1, 2), torch.tensor([[1.0, -1.0]])).item()  # log 2
    0.6931471824645996
    """
    labelled = marked >= 0
    losses = binary_cross_entropy_with_logits(
        logits.float(), marked.clamp(min=0.0), reduction="none"
    )
    return (losses * labelled).sum() / labelled.sum().clamp(min=1)


class Reading(NamedTuple):
    """One training example.

    Attributes:
        ids: Token ids, without the end-of-sequence token.
        error: MQM error in 0..25, lower is better.
        marked: For each id the share of raters who mark it as part of an error; negative for a
            token outside the hypothesis, or without a label. May be empty.
    """

    ids: Sequence[int]
    error: float
    marked: Sequence[float] = ()


def collate(readings: Sequence[Reading]) -> dict[str, Tensor]:
    """The arguments of `TrainableMetricX.forward` for B examples.

    >>> collate([Reading([7, 8], 1.0), Reading([9], 0.0)])["input_ids"].tolist()
    [[7, 8], [9, 0]]
    """
    ids, real = padded([reading.ids for reading in readings], filler=0)
    width = ids.shape[1]
    marked = [[*reading.marked, *[-1.0] * (width - len(reading.marked))] for reading in readings]
    return {
        "input_ids": ids,
        "attention_mask": real.long(),
        "labels": torch.tensor([reading.error for reading in readings], dtype=torch.float32),
        "marked": torch.tensor(marked, dtype=torch.float32),
    }


def token_rows(tokenizer: PreTrainedTokenizerBase) -> int:
    """Number of embedding rows that the tokenizer's ids need."""
    return max(tokenizer.get_vocab().values()) + 1


def load_trainable(
    start: Path, *, tokenizer: Path, span_weight: float = 0.0, pickle_sha256: str = ""
) -> tuple[TrainableMetricX, PreTrainedTokenizerBase]:
    """A checkpoint in float32 for training, with only the embeddings of its tokenizer's ids.

    Args:
        start: The checkpoint's directory, in the published layout, embeddings tied or not.
        tokenizer: The directory of its tokenizer.
        span_weight: See `TrainableMetricX`.
        pickle_sha256: See `rewardlab.models.weights.load_state_dict`.

    Raises:
        UserError: E301 to E308, see `rewardlab.models.metricx.read_regressor`; exit code 2.
    """
    found: Regressor = read_regressor(
        start, tokenizer=tokenizer, device="cpu", dtype="float32", pickle_sha256=pickle_sha256
    )
    rows = token_rows(found.tokenizer)
    with torch.device("meta"):  # without weights, which are assigned below
        model = TrainableMetricX(
            MT5Config.from_dict({**found.model.config.to_dict(), "vocab_size": rows})
        )
    weights = found.model.state_dict() | {"head": found.head}
    weights |= dict.fromkeys(EMBEDDINGS, found.model.shared.weight[:rows].clone())
    weights |= {"span_head.weight": torch.zeros(1, model.config.d_model)}
    weights |= {"span_head.bias": torch.zeros(1)}
    model.load_state_dict(weights, strict=True, assign=True)
    model.set_input_embeddings(model.shared)
    model.requires_grad_(requires_grad=True)
    model.span_weight = span_weight
    model.span_head.requires_grad_(requires_grad=span_weight > 0)
    _freeze_unused(model)
    return model, found.tokenizer


def save_published(
    model: TrainableMetricX,
    directory: Path,
    *,
    start: Path | None,
    pickle_sha256: str = "",
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write ``config.json`` and ``model.safetensors`` in the published layout, in float32.

    The head is saved separately from the embeddings, even if ``start`` ties them. In that case the
    other rows of the head are the embeddings of ``start`` times d_model**-0.5, which gives the same
    logits.

    Args:
        model: The trained model.
        directory: The directory to write; created if it is missing.
        start: The checkpoint that `load_trainable` read; None sets the other rows to 0.
        pickle_sha256: As for `load_trainable`.
        weights: Name -> weight of the model, needed if the model has only shards of its weights.
    """
    raw, shared, head = _other_rows(model, start, pickle_sha256)
    trained = model.state_dict() if weights is None else weights
    own = {name: weight.detach().cpu() for name, weight in trained.items()}
    shared[: model.config.vocab_size] = own.pop(EMBEDDINGS[0])
    head[HEAD_ROW] = own.pop("head")
    kept = {
        name: weight
        for name, weight in own.items()
        if name not in EMBEDDINGS and not name.startswith("span_head.")
    }
    whole = {**kept, EMBEDDINGS[0]: shared, "lm_head.weight": head}
    raw = {name: value for name, value in raw.items() if name != "torch_dtype"} | {
        "architectures": ["MT5ForRegression"],
        "decoder_start_token_id": 0,
        "dtype": "float32",
        "model_type": "mt5",
        "tie_word_embeddings": False,
        "vocab_size": len(shared),
    }
    directory.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: weight.contiguous() for name, weight in sorted(whole.items())},
        directory / SAFETENSORS,
        metadata={"format": "pt"},
    )
    text = json.dumps(raw, indent=2, sort_keys=True, ensure_ascii=False)
    (directory / "config.json").write_text(f"{text}\n", encoding="utf-8")


def _other_rows(
    model: TrainableMetricX, start: Path | None, pickle_sha256: str
) -> tuple[dict[str, Any], Tensor, Tensor]:
    """The parts that training does not change: configuration, embeddings and head (V, d_model)."""
    if start is None:
        empty_rows = torch.zeros(PUBLISHED_ROWS, model.config.d_model)
        return model.config.to_diff_dict(), empty_rows, empty_rows.clone()
    raw: dict[str, Any] = json.loads((start / "config.json").read_text(encoding="utf-8"))
    weights = load_state_dict(start, pickle_sha256=pickle_sha256)
    stored = next(weights[name] for name in EMBEDDINGS if name in weights)
    head = weights.get("lm_head.weight")
    tied = is_tied(head, stored, says_tied=raw.get("tie_word_embeddings", True))
    shared = stored.float().clone()
    scaled = shared * model.config.d_model**-0.5
    return raw, shared, scaled if head is None or tied else head.float().clone()


def _freeze_unused(model: TrainableMetricX) -> None:
    """Freeze the weights that a single step does not use; DDP would wait for their gradients."""
    decoder: Any = model.decoder
    for block in decoder.block:
        attention = block.layer[0].SelfAttention
        attention.q.requires_grad_(requires_grad=False)
        attention.k.requires_grad_(requires_grad=False)
        if attention.has_relative_attention_bias:
            attention.relative_attention_bias.requires_grad_(requires_grad=False)
