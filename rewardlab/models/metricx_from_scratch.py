"""A MetricX regressor that has seen no text but the rows at hand: how its weights begin.

A transformer learns from tens of thousands of steps that like words may look at each other, and
that a text has a length. A few thousand rows are too few for that, so a new one begins with it:

- Half of the heads of the encoder's first layer look at the same word elsewhere and take it off:
  W_q W_kᵀ is near the identity and W_v W_o near minus it, as in mimetic initialisation (Trockman &
  Kolter 2023, arXiv 2305.09828). A word that stands nowhere else stays as it is.
- Half of the heads of the decoder look at the first token as much as at `SINK` others, so what they
  gather of the others grows with their number: sums, where a softmax gives means.
- The head says the mean error of some texts. It has no bias; what the decoder says of all texts
  alike takes its place.

All of it is where training begins, and nothing that the architecture knows of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import MT5Config

from rewardlab.models.metricx import first_step
from rewardlab.models.metricx_training import Reading, TrainableMetricX, collate

WORD_SCALE = 0.1
"""Standard deviation of embeddings: AdamW's steps are then no small part of them."""
SINK = 150.0
"""Tokens that the first token weighs as much as, where the decoder looks."""
LIKENESS = 2.0 * math.log(100.0)
"""How much more a word looks at itself elsewhere than at an unlike one, as a logarithm."""
NEVER = -10.0
"""Added to the attention of a word to its own place."""
CONSTANT, OPENING, START = 0, 1, 2
"""Coordinates with a meaning: the same for all tokens, the first token's, the decoder's start."""
MEANINGLESS = 3
"""Coordinates before those that tell words apart."""


def new_trainable(
    config: MT5Config, readings: Sequence[Reading], *, opening: int, seed: int
) -> TrainableMetricX:
    """Weights to begin with; see the module.

    Args:
        config: Of the model, with the tokenizer's rows as ``vocab_size``.
        readings: Texts and errors that the head is made for; at least one.
        opening: The token that every text begins with.
        seed: Of the weights.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = TrainableMetricX(config).eval()
        _quiet(model)
        _embed(model, opening)
        _look_at_like_words(model)
        _count(model)
        model.head.copy_(_mean_error(model, readings))
    return model


def _quiet(model: TrainableMetricX) -> None:
    """What layers add begins as small as the embeddings, which it would drown otherwise."""
    for name, weight in model.named_parameters():
        if name.endswith((".wo.weight", ".o.weight")):
            weight.mul_(WORD_SCALE)


def _embed(model: TrainableMetricX, opening: int) -> None:
    rows = model.shared.weight
    rows.normal_(0.0, WORD_SCALE)
    rows[:, :MEANINGLESS] = 0.0
    rows[:, CONSTANT] = 0.5 * WORD_SCALE * math.sqrt(rows.shape[1])
    rows[opening] = 0.0
    rows[opening, OPENING] = 20.0 * WORD_SCALE
    rows[0] = 0.0
    rows[0, START] = 1.0


def _look_at_like_words(model: TrainableMetricX) -> None:
    encoder: Any = model.encoder
    attention = encoder.block[0].layer[0].SelfAttention
    heads, size = attention.n_heads // 2, attention.key_value_proj_dim
    width, wide = model.config.d_model, heads * size
    seen = torch.linalg.qr(torch.randn(width, width))[0][:wide]
    words = seen.clone()
    words[:, :MEANINGLESS] = 0.0
    attention.q.weight[:wide] = words * math.sqrt(LIKENESS / size)
    attention.k.weight[:wide] = words * math.sqrt(LIKENESS / size)
    attention.v.weight[:wide] = seen
    attention.o.weight[:, :wide] = -WORD_SCALE * seen.T
    attention.relative_attention_bias.weight[:, :heads] = 0.0
    attention.relative_attention_bias.weight[0, :heads] = NEVER


def _count(model: TrainableMetricX) -> None:
    decoder: Any = model.decoder
    attention = decoder.block[0].layer[1].EncDecAttention
    strength = math.sqrt(math.log(SINK) / model.config.d_model)
    attention.q.weight.mul_(0.1)
    attention.v.weight[:, OPENING] = 0.0
    for head in range(attention.n_heads // 2):
        first = head * attention.key_value_proj_dim
        attention.q.weight[first, START] += strength
        attention.k.weight[first] = 0.0
        attention.k.weight[first, OPENING] = strength


def _mean_error(model: TrainableMetricX, readings: Sequence[Reading]) -> Tensor:
    """A head whose logits are about the mean error: what the decoder says of all texts alike."""
    batch = collate(readings)
    real = batch["attention_mask"].bool()
    encoder: Any = model.encoder
    read = encoder(input_ids=batch["input_ids"], attention_mask=real).last_hidden_state
    said = first_step(model, read, real).mean(0)
    return said * batch["labels"].mean() / said.dot(said)
