"""An induction circuit in the initial weights, so that a small model can quote without training.

A judge's answer quotes its question, and a model quotes with an induction head (Olsson et al. 2022,
arXiv 2209.11895): a head of one layer stores at each token which token came before, and a head of
the next layer looks for an earlier occurrence of the current token and repeats the token that
followed there. Small models learn this circuit only after thousands of steps. Here the circuit is
written into the random weights of the first two layers, as random directions, and is trained
together with all other weights.

A hidden state of H numbers has three parts: one number is the same for every token,
``m = (H - 2) // 2`` numbers encode the token (the embeddings, tied to the output head), and m
numbers encode the previous token.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

SCALE = 0.1
"""Standard deviation of the embeddings; their products are the logits."""
GAIN = 6.0
"""Factor by which the copied token is stronger than the current one."""
ONE_BACK_FREQUENCIES = 4
"""Number of the fastest rotations, which tell the previous token from all others."""
ONE_BACK_SHARPNESS, LOOKUP_SHARPNESS = 3.0, 2.3
"""Weights of the norms of queries and keys; they act as a temperature."""
SLOW = 0.004
"""Radians per token; a slower rotation hardly changes what is compared."""
SHARED = 0.8
"""Correlation between the embeddings of a word with and without a space before it: quotations
start without a space."""


def write_copying(
    policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, seed: int
) -> bool:
    """Write the circuit into a Qwen3 with tied embeddings.

    Args:
        policy: A model made by `rewardlab.trainers.from_scratch.new_policy`; changed in place.
        tokenizer: A byte-level one made by `rewardlab.trainers.from_scratch.train_tokenizer`.
        seed: Seed of the directions.

    Returns:
        Whether the circuit fits: it needs two layers, and heads with slow rotations.
    """
    model: Any = policy
    config, layers = model.config, model.model.layers
    width = config.hidden_size // config.num_attention_heads
    same = (config.hidden_size - 2) // 2
    this, before = torch.arange(1, 1 + same), torch.arange(1 + same, 1 + 2 * same)
    base = config.rope_parameters["rope_theta"]
    rotations = base ** (-torch.arange(width // 2) / (width // 2))
    slow = [int(place) for place in (rotations < SLOW).nonzero()[:, 0]]
    compared = [*slow, *(place + width // 2 for place in slow)]
    if len(layers) < 2 or not slow:  # noqa: PLR2004 - one looks back, one looks up
        return False
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        _write_embeddings(policy, tokenizer, this, generator)
        _write_one_back(layers[0].self_attn, rotations, this, before)
        _write_lookup(layers[1].self_attn, compared, this, before, generator)
    return True


def _write_embeddings(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    this: torch.Tensor,
    generator: torch.Generator,
) -> None:
    """Write a direction for each token; a word has similar ones with and without a space before."""
    weight = cast("torch.Tensor", policy.get_input_embeddings().weight)
    drawn = torch.randn(weight.shape[0], len(this), generator=generator)
    directions = drawn.clone()
    vocabulary = tokenizer.get_vocab()
    for token, place in vocabulary.items():
        bare = vocabulary.get(token[1:]) if token.startswith("Ġ") else None
        if bare is not None:
            directions[place] = SHARED * drawn[bare] + math.sqrt(1 - SHARED**2) * drawn[place]
    weight.zero_()
    weight[:, 0] = SCALE
    weight[:, this] = SCALE * directions


def _write_one_back(
    attention: Any,
    rotations: torch.Tensor,
    this: torch.Tensor,
    before: torch.Tensor,
) -> None:
    """Write heads that look at the previous token and store which token it is.

    Query and key are the same for every token, rotated against each other by one position.
    """
    width, half = attention.head_dim, attention.head_dim // 2
    for head in _carriers(attention, len(this)):
        first = head * width
        _clear(attention, slice(first, first + width))
        for place, rotation in enumerate(rotations[:ONE_BACK_FREQUENCIES].tolist()):
            attention.q_proj.weight[first + place, 0] = 1.0
            attention.k_proj.weight[first + place, 0] = math.cos(rotation)
            attention.k_proj.weight[first + half + place, 0] = math.sin(rotation)
        _carry(attention, head, this, before, SCALE)
    for norm in (attention.q_norm, attention.k_norm):
        for start in (0, half):
            norm.weight[start : start + ONE_BACK_FREQUENCIES] = ONE_BACK_SHARPNESS


def _write_lookup(
    attention: Any,
    compared: list[int],
    this: torch.Tensor,
    before: torch.Tensor,
    generator: torch.Generator,
) -> None:
    """Write heads that find an earlier copy of the current token and repeat the token after it.

    Each head compares the two by its own few random projections, in dimensions that hardly rotate.
    """
    for norm in (attention.q_norm, attention.k_norm):
        norm.weight.fill_(LOOKUP_SHARPNESS)
    for head in _carriers(attention, len(this)):
        first = head * attention.head_dim
        _clear(attention, slice(first, first + attention.head_dim))
        views = torch.randn(len(compared), len(this), generator=generator)
        for place, view in zip(compared, views, strict=True):
            attention.q_proj.weight[first + place, this] = view
            attention.k_proj.weight[first + place, before] = view
        _carry(attention, head, this, this, GAIN * SCALE)


def _carriers(attention: Any, numbers: int) -> range:
    """As many heads as are needed to carry this many numbers, or all heads."""
    return range(min(attention.config.num_attention_heads, math.ceil(numbers / attention.head_dim)))


def _clear(attention: Any, rows: slice) -> None:
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        projection.weight[rows] = 0.0
    attention.o_proj.weight[:, rows] = 0.0


def _carry(attention: Any, head: int, read: torch.Tensor, write: torch.Tensor, gain: float) -> None:
    """Let a head copy its share of the dimensions ``read`` to the dimensions ``write``."""
    first = head * attention.head_dim
    share = slice(first, min(len(read), first + attention.head_dim))
    for place, (source, target) in enumerate(
        zip(read[share].tolist(), write[share].tolist(), strict=True), first
    ):
        attention.v_proj.weight[place, source] = 1.0
        attention.o_proj.weight[target, place] = gain
