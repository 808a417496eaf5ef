"""Token credit: what an error span costs each of its tokens, and how credits are normalised.

Shapes: ``n`` rows of this process, ``T`` completion tokens. Credit is in error weights and at most
0; nothing here knows a reward, a group or a failure.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rewardlab.align import AlignedSpans

SumRanks = Callable[[Tensor], Tensor]
"""Adds a small tensor over all processes."""
Credit = Callable[[AlignedSpans, int], Tensor]
"""Aligned spans and a reward's column -> (n, T)."""
Omission = Callable[[Tensor, Tensor], Tensor]
"""(n,) omitted weights and the (n, T) mask -> (n, T)."""


def identity(x: Tensor) -> Tensor:
    """Sum over the ranks of a single process."""
    return x


def span_credit(spans: AlignedSpans, column: int) -> Tensor:
    """Each token of a span carries the full error weight: ``T_t = -Σ_{spans ∋ t} w``.

    TranslateGemma's form (arXiv 2601.09012, figure 2): neither divided by the span's length nor
    summed forward.
    """
    return -_spread(spans, column, torch.ones_like)


def divided_credit(spans: AlignedSpans, column: int) -> Tensor:
    """The tokens of a span share its weight: ``T_t = -Σ_{spans ∋ t} w / |span|`` (ours).

    A long span costs what a short one does; under PPO, where returns sum over tokens, this is the
    form that counts every error once.
    """
    return -_spread(spans, column, lambda tokens: 1.0 / tokens.clamp(min=1.0))


def to_go_credit(spans: AlignedSpans, column: int) -> Tensor:
    """Errors still to come: ``T_t = Σ_{u ≥ t} divided_u`` (returns, DeepSeekMath 4.1.3).

    The paper sums normalised step rewards; here the sum is taken first and normalised after, so
    that the normalisation's offset is not summed along the sequence.
    """
    return divided_credit(spans, column).flip(1).cumsum(dim=1).flip(1)


def omission_on_last_token(omitted: Tensor, mask: Tensor) -> Tensor:
    """What was left out is charged to the last token: the EOS, unless the row was truncated.

    Args:
        omitted: (n,) summed weights of the source-side spans.
        mask: (n, T) bool.
    """
    last = mask.shape[1] - 1 - mask.flip(1).to(torch.int64).argmax(dim=1)
    credit = torch.zeros(mask.shape, dtype=omitted.dtype)
    return credit.scatter(1, last[:, None], -omitted[:, None]) * mask


def omission_on_sequence(omitted: Tensor, mask: Tensor) -> Tensor:
    """What was left out is charged to every token; outweighs other spans T-fold."""
    return -omitted[:, None] * mask


def omission_ignored(omitted: Tensor, mask: Tensor) -> Tensor:
    """What was left out is charged to no token (the sequence rewards see it)."""
    return torch.zeros(mask.shape, dtype=omitted.dtype)


def credited_tokens(spans: AlignedSpans, mask: Tensor) -> Tensor:
    """(n, T) tokens whose credit says something: those with text, and the last one.

    Special tokens and what lies outside a hypothesis that was cut out (its reasoning) can carry no
    span. Counting them as free of errors would reward them, so they stay out and get 0; so does
    every token of a row with a span that could not be placed.
    """
    last = omission_on_last_token(-torch.ones(len(mask), dtype=torch.float64), mask) > 0
    return mask & (spans.visible | last) & spans.complete[:, None]


def whiten_tokens(
    credit: Tensor,
    mask: Tensor,
    *,
    floor: float = 0.0,
    eps: float = 0.0,
    sum_ranks: SumRanks = identity,
) -> Tensor:
    """``(T - mean) / (max(σ, floor) + eps)`` over the unmasked tokens of the global batch.

    Without a floor one error among ten thousand tokens would weigh a hundred standard deviations.
    σ is the population's, as the count is large and differs between processes.

    Args:
        credit: (n, T).
        mask: (n, T) bool, the tokens that count.
        floor: Least σ, in units of ``credit``.
        eps: Added to σ.
        sum_ranks: Adds a tensor over all processes.
    """
    centred = centre_tokens(credit, mask, sum_ranks=sum_ranks)
    count, squares = sum_ranks(torch.stack([mask.sum().to(credit.dtype), (centred**2).sum()]))
    std = (squares / count.clamp(min=1)).sqrt().clamp(min=floor)
    return centred / (std + eps) if float(std + eps) > 0.0 else centred


def centre_tokens(credit: Tensor, mask: Tensor, *, sum_ranks: SumRanks = identity) -> Tensor:
    """``T - mean`` over the unmasked tokens of the global batch; masked places hold 0."""
    count, total = sum_ranks(torch.stack([mask.sum().to(credit.dtype), (credit * mask).sum()]))
    return (credit - total / count.clamp(min=1)) * mask


CREDIT: dict[str, Credit] = {
    "span": span_credit,
    "divided": divided_credit,
    "to_go": to_go_credit,
}
OMISSION: dict[str, Omission] = {
    "last_token": omission_on_last_token,
    "sequence": omission_on_sequence,
    "ignore": omission_ignored,
}


def _spread(spans: AlignedSpans, column: int, share: Callable[[Tensor], Tensor]) -> Tensor:
    """(n, T) summed weights of the spans over each token, ``share(|span|)`` of each.

    Adds at the start, subtracts at the end and sums along: linear in T and in the spans.
    """
    n, length = spans.visible.shape
    picked = spans.columns == column
    rows, starts, ends = spans.rows[picked], spans.starts[picked], spans.ends[picked]
    seen = torch.zeros((n, length + 1), dtype=torch.float64)
    seen[:, 1:] = spans.visible.to(torch.float64).cumsum(dim=1)
    weights = spans.weights[picked] * share(seen[rows, ends] - seen[rows, starts])
    steps = torch.zeros((n, length + 1), dtype=torch.float64)
    steps.index_put_((rows, starts), weights, accumulate=True)
    steps.index_put_((rows, ends), -weights, accumulate=True)
    return steps.cumsum(dim=1)[:, :length] * spans.visible
