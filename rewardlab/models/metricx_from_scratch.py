"""Initial weights of a MetricX regressor that is trained from scratch on a few thousand rows.

A transformer needs tens of thousands of steps to learn to attend to equal words and to represent
the length of a text. A few thousand rows are too few for that, so a new model starts with weights
that do both:

- Half of the heads of the encoder's first layer attend to the same word elsewhere and subtract it:
  W_q W_kᵀ is near the identity and W_v W_o near minus the identity, as in mimetic initialisation
  (Trockman & Kolter 2023, arXiv 2305.09828). A word that occurs nowhere else is unchanged.
- Half of the heads of the decoder attend to the first token as much as to `SINK` other tokens, so
  their output grows with the number of other tokens: a sum, where a softmax gives a mean.
- The output head predicts the mean error of some texts. It has no bias, so it uses the part of the
  decoder's output that all texts share.

These are only initial weights; the architecture is not changed.
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
"""Standard deviation of embeddings; small enough for AdamW's steps to change them noticeably."""
SINK = 150.0
"""Attention of the decoder to the first token, as an equivalent number of other tokens."""
LIKENESS = 2.0 * math.log(100.0)
"""Logarithm of a word's attention to the same word elsewhere, relative to another word."""
NEVER = -10.0
"""Added to the attention of a word to its own place."""
CONSTANT, OPENING, START = 0, 1, 2
"""Reserved coordinates: the same for all tokens, the first token's, the decoder's start."""
RESERVED = 3
"""Number of reserved coordinates; the others distinguish words."""


def new_trainable(
    config: MT5Config, readings: Sequence[Reading], *, opening: int, seed: int
) -> TrainableMetricX:
    """A model with the initial weights that the module describes.

    Args:
        config: Configuration of the model, with the tokenizer's rows as ``vocab_size``.
        readings: Examples whose mean error the head predicts; at least one.
        opening: The token with which every text begins.
        seed: Seed of the random weights.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = TrainableMetricX(config).eval()
        _shrink_outputs(model)
        _embed(model, opening)
        _look_at_like_words(model)
        _count(model)
        model.head.copy_(_mean_error(model, readings))
    return model


def _shrink_outputs(model: TrainableMetricX) -> None:
    """Scale down the output of every layer, which would otherwise dominate the embeddings."""
    for name, weight in model.named_parameters():
        if name.endswith((".wo.weight", ".o.weight")):
            weight.mul_(WORD_SCALE)


def _embed(model: TrainableMetricX, opening: int) -> None:
    rows = model.shared.weight
    rows.normal_(0.0, WORD_SCALE)
    rows[:, :RESERVED] = 0.0
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
    words[:, :RESERVED] = 0.0
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
    """A head that predicts about the mean error, from the shared part of the decoder's outputs."""
    batch = collate(readings)
    real = batch["attention_mask"].bool()
    encoder: Any = model.encoder
    read = encoder(input_ids=batch["input_ids"], attention_mask=real).last_hidden_state
    shared = first_step(model, read, real).mean(0)
    return shared * batch["labels"].mean() / shared.dot(shared)
