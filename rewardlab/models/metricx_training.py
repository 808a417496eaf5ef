"""The MetricX regressor while it learns, and how it is written for `rewardlab.models.metricx`.

Juraska et al. 2023 (2023.wmt-1.63) and 2024 (arXiv 2410.03983): the mean squared difference of a
logit and an MQM error of 0..25; only a prediction is clamped to that range.

Of the 250,112 rows of the embeddings and of the head, training moves those that the tokenizer can
name and the head's one. So only those are held here, and what is written has the others as they
were in the checkpoint that training began from.

One number for a text says little about where it comes from, which a small model that starts from
random weights does not find out. So the encoder may be asked a second thing while it learns, as
xCOMET is (Guerreiro et al. 2023, arXiv 2310.10482): is this token of the hypothesis part of an
error? What answers it is not written.
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
    """A decoder block of which one step is wanted, as a module that can be called.

    Where weights are sharded over processes (FSDP, ZeRO-3), calling a module is what gathers its
    own; `one_step` on a block that nobody calls would see shards.
    """

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] - no sequence
        self, h: Tensor, read: Tensor, real: Tensor
    ) -> Tensor:
        """See `rewardlab.models.metricx.one_step`."""
        return one_step(self, h, read, real)


class TrainableMetricX(MT5Model):
    """Encoder, decoder and the head's one row.

    Dropout is mT5's in the encoder and on what the decoder says; within the decoder's one step
    there is none.

    Attributes:
        head: float32 (d_model,).
        span_head: Says from the encoder's output whether a token is part of an error.
        span_weight: Of that question's loss, in squared MQM points for each nat; 0 does not ask.
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
            block.__class__ = OneStepBlock  # the same weights, drawn as they always were

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] - one number, no sequence
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        marked: Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Logits (B,) and, with labels, their mean squared difference from these.

        While it trains, ``span_weight`` times the cross-entropy of marked tokens is added.

        Args:
            input_ids: (B, T), padded on the right.
            attention_mask: (B, T), 1 or True where there is a token.
            labels: (B,), errors in 0..25.
            marked: (B, T), the share of raters who mark a token as part of an error, in 0..1;
                negative where nobody was asked.
        """
        real = attention_mask.bool()
        encoder: Any = self.encoder
        read: Tensor = encoder(
            input_ids=input_ids, attention_mask=None if bool(real.all()) else real
        ).last_hidden_state
        said = first_step(self, read, real, block=_called)
        said = dropout(said, self.config.dropout_rate, self.training)
        logits = said.float() @ self.head
        loss = None if labels is None else mse_loss(logits, labels.float())
        if loss is not None and marked is not None and self.training and self.span_weight:
            loss = loss + self.span_weight * span_loss(self.span_head(read).squeeze(-1), marked)
        return SequenceClassifierOutput(loss=loss, logits=logits)  # pyright: ignore[reportArgumentType]


def _called(block: Any, h: Tensor, read: Tensor, real: Tensor) -> Tensor:
    return block(h, read, real)


def span_loss(logits: Tensor, marked: Tensor) -> Tensor:
    """Mean binary cross-entropy over the tokens that were asked about; 0 where there are none.

    Args:
        logits: (B, T).
        marked: (B, T), in 0..1, negative where nobody was asked.

    >>> span_loss(torch.zeros(1, 2), torch.tensor([[1.0, -1.0]])).item()  # log 2
    0.6931471824645996
    """
    asked = marked >= 0
    losses = binary_cross_entropy_with_logits(
        logits.float(), marked.clamp(min=0.0), reduction="none"
    )
    return (losses * asked).sum() / asked.sum().clamp(min=1)


class Reading(NamedTuple):
    """One text and what the model is to say of it.

    Attributes:
        ids: Token ids, without the end-of-sequence token.
        error: In 0..25, lower is better.
        marked: For each id the share of raters who mark it as part of an error; negative where it
            is none of the hypothesis's, or nobody was asked. May be empty.
    """

    ids: Sequence[int]
    error: float
    marked: Sequence[float] = ()


def collate(readings: Sequence[Reading]) -> dict[str, Tensor]:
    """What `TrainableMetricX.forward` takes.

    >>> collate([Reading([7, 8], 1.0), Reading([9], 0.0)])["input_ids"].tolist()
    [[7, 8], [9, 0]]
    """
    width = max(1, *(len(reading.ids) for reading in readings))
    padded = [[*reading.ids, *[0] * (width - len(reading.ids))] for reading in readings]
    lengths = torch.tensor([[len(reading.ids)] for reading in readings])
    marked = [[*reading.marked, *[-1.0] * (width - len(reading.marked))] for reading in readings]
    return {
        "input_ids": torch.tensor(padded),
        "attention_mask": (torch.arange(width) < lengths).long(),
        "labels": torch.tensor([reading.error for reading in readings], dtype=torch.float32),
        "marked": torch.tensor(marked, dtype=torch.float32),
    }


def token_rows(tokenizer: PreTrainedTokenizerBase) -> int:
    """Rows of an embedding that has one for every id the tokenizer can give."""
    return max(tokenizer.get_vocab().values()) + 1


def load_trainable(
    start: Path, *, tokenizer: Path, span_weight: float = 0.0, pickle_sha256: str = ""
) -> tuple[TrainableMetricX, PreTrainedTokenizerBase]:
    """A checkpoint in float32, ready to learn, with the embeddings of its tokenizer's ids only.

    Args:
        start: The checkpoint's directory, as published, its embeddings tied or not.
        tokenizer: The directory of its tokenizer.
        span_weight: See `TrainableMetricX`.
        pickle_sha256: See `rewardlab.models.weights.load_state_dict`.

    Raises:
        UserError: E301 to E308, see `rewardlab.models.metricx.load_regressor`; exit code 2.
    """
    found: Regressor = read_regressor(
        start, tokenizer=tokenizer, device="cpu", dtype="float32", pickle_sha256=pickle_sha256
    )
    rows = token_rows(found.tokenizer)
    model = empty(_configured(found.model.config, vocab_size=rows))
    weights = found.model.state_dict() | {"head": found.head}
    weights |= {name: found.model.shared.weight[:rows].clone() for name in EMBEDDINGS[:1]}
    weights |= {"span_head.weight": torch.zeros(1, model.config.d_model)}
    weights |= {"span_head.bias": torch.zeros(1)}
    _assign(model, weights)
    model.span_weight = span_weight
    model.span_head.requires_grad_(requires_grad=span_weight > 0)
    _freeze_unasked(model)
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

    The head is written apart from the embeddings, also where ``start`` ties them; its other rows
    are then the embeddings' of ``start`` times d_model**-0.5, which gives the same logits.

    Args:
        model: What was trained.
        directory: Is made.
        start: What `load_trainable` read; None leaves the other rows 0.
        pickle_sha256: As for `load_trainable`.
        weights: The model's, where it holds only shards of them.
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
    """What training left alone: configuration, embeddings (V, d_model) and head (V, d_model)."""
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


def empty(config: MT5Config) -> TrainableMetricX:
    """A model without weights, for `load_state_dict` to assign them."""
    with torch.device("meta"):
        return TrainableMetricX(config)


def _configured(config: MT5Config, **changes: Any) -> MT5Config:
    return MT5Config.from_dict({**config.to_dict(), **changes})


def _freeze_unasked(model: TrainableMetricX) -> None:
    """What one step has no use for stays as it is: without a gradient, DDP would wait for it."""
    decoder: Any = model.decoder
    for block in decoder.block:
        attention = block.layer[0].SelfAttention
        attention.q.requires_grad_(requires_grad=False)
        attention.k.requires_grad_(requires_grad=False)
        if attention.has_relative_attention_bias:
            attention.relative_attention_bias.requires_grad_(requires_grad=False)


def _assign(model: TrainableMetricX, weights: dict[str, Tensor]) -> None:
    """Give an empty model these very tensors, its embeddings one under three names."""
    whole = {**weights, **dict.fromkeys(EMBEDDINGS, weights[EMBEDDINGS[0]])}
    model.load_state_dict(whole, strict=True, assign=True)
    model.set_input_embeddings(model.shared)
    model.requires_grad_(requires_grad=True)
