"""Token credit: the cost of error spans by token, and its normalisation.

Shapes: ``n`` rows of this process, ``T`` completion tokens. Credit is minus an error weight, so it
is at most 0. Rewards, groups and failures are handled elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rewardlab.align import AlignedSpans

SumRanks = Callable[[Tensor], Tensor]
"""Sums a small tensor over all processes."""
Credit = Callable[[AlignedSpans, int], Tensor]
"""(aligned spans, column of the reward) -> (n, T)."""
Omission = Callable[[Tensor, Tensor], Tensor]
"""((n,) omitted weights, (n, T) mask) -> (n, T)."""


def identity(x: Tensor) -> Tensor:
    """The sum over all processes, if there is only one."""
    return x


def span_credit(spans: AlignedSpans, column: int) -> Tensor:
    """Each token of a span carries the full error weight: ``T_t = -Σ_{spans ∋ t} w``.

    TranslateGemma's form (arXiv 2601.09012, figure 2): neither divided by the span's length nor
    summed over later tokens.

    Args:
        spans: Aligned error spans.
        column: Column of the reward.
    """
    return -_spread(spans, column, torch.ones_like)


def divided_credit(spans: AlignedSpans, column: int) -> Tensor:
    """The tokens of a span share its weight: ``T_t = -Σ_{spans ∋ t} w / |span|`` (ours).

    A long span costs as much as a short one. Under PPO, where returns sum over tokens, this form
    counts every error once.

    Args:
        spans: Aligned error spans.
        column: Column of the reward.
    """
    return -_spread(spans, column, lambda tokens: 1.0 / tokens.clamp(min=1.0))


def to_go_credit(spans: AlignedSpans, column: int) -> Tensor:
    """Errors still to come: ``T_t = Σ_{u ≥ t} divided_u`` (returns, DeepSeekMath 4.1.3).

    The paper sums normalised step rewards. Here the sum comes first and is then normalised, so that
    the offset of the normalisation is not summed along the sequence.

    Args:
        spans: Aligned error spans.
        column: Column of the reward.
    """
    return divided_credit(spans, column).flip(1).cumsum(dim=1).flip(1)


def omission_on_last_token(omitted: Tensor, mask: Tensor) -> Tensor:
    """Omissions are charged to the last token: the EOS, unless the row was truncated.

    Args:
        omitted: (n,) summed weights of the source-side spans.
        mask: (n, T) bool.
    """
    last = mask.shape[1] - 1 - mask.flip(1).to(torch.int64).argmax(dim=1)
    credit = torch.zeros(mask.shape, dtype=omitted.dtype)
    return credit.scatter(1, last[:, None], -omitted[:, None]) * mask


def omission_on_sequence(omitted: Tensor, mask: Tensor) -> Tensor:
    """Omissions are charged to every token, so they outweigh other spans T-fold.

    Args:
        omitted: (n,) summed weights of the source-side spans.
        mask: (n, T) bool.
    """
    return -omitted[:, None] * mask


def omission_ignored(omitted: Tensor, mask: Tensor) -> Tensor:
    """Omissions are charged to no token; the sequence-level rewards see them.

    Args:
        omitted: (n,) summed weights of the source-side spans.
        mask: (n, T) bool.
    """
    return torch.zeros(mask.shape, dtype=omitted.dtype)


def credited_tokens(spans: AlignedSpans, mask: Tensor, omission: Omission) -> Tensor:
    """(n, T) bool, the tokens that can be charged: those with text, and the last one for omissions.

    Special tokens and tokens outside the hypothesis (reasoning) can have no span. Counting them as
    free of errors would reward them, so they are excluded and get 0. So is the last token, the end
    of the sequence, if omissions are not charged to it. So is every token of a row with a span that
    could not be placed.

    Args:
        spans: Aligned error spans.
        mask: (n, T) bool, the completion's tokens.
        omission: Which tokens an omission is charged to.
    """
    one = torch.ones(len(mask), dtype=torch.float64)
    last = (omission_on_last_token(one, mask) < 0) & (omission(one, mask) < 0)
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

    Without a floor, one error among ten thousand tokens would weigh a hundred standard deviations.
    σ is the population's, since the count is large and differs between processes.

    Args:
        credit: (n, T).
        mask: (n, T) bool, the tokens that count.
        floor: Minimum of σ, in units of ``credit``.
        eps: Added to σ.
        sum_ranks: Sums a tensor over all processes.
    """
    centred = centre_tokens(credit, mask, sum_ranks=sum_ranks)
    count, squares = sum_ranks(torch.stack([mask.sum().to(credit.dtype), (centred**2).sum()]))
    std = (squares / count.clamp(min=1)).sqrt().clamp(min=floor)
    return centred / (std + eps) if float(std + eps) > 0.0 else centred


def centre_tokens(credit: Tensor, mask: Tensor, *, sum_ranks: SumRanks = identity) -> Tensor:
    """``T - mean`` over the unmasked tokens of the global batch; masked places hold 0.

    Args:
        credit: (n, T).
        mask: (n, T) bool, the tokens that count.
        sum_ranks: Sums a tensor over all processes.
    """
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

    Adds at each start, subtracts at each end and takes the running sum: linear in T and in spans.
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
