"""Equations over tokens: the credit of one reward, and the sum over the rewards."""

from __future__ import annotations

from typing import TypedDict, Unpack

import torch
from torch import Tensor

from rewardlab.advantages.gathered_rows import RewardRows, worst_of_group
from rewardlab.align import AlignedSpans
from rewardlab.token_credit import (
    Credit,
    Omission,
    SumRanks,
    centre_tokens,
    credited_tokens,
    identity,
    omission_ignored,
    span_credit,
    whiten_tokens,
)

SIGMA_FLOOR = 1.0
"""Minimum standard deviation that token credit is divided by: one minor error (ours)."""


class TokenOptions(TypedDict, total=False):
    """Token options of every preset.

    Attributes:
        credit: How a span's weight is spread over its tokens; `span_credit` by default.
        omission: Which tokens an omission is charged to; `omission_ignored` by default.
        sum_ranks: Adds a tensor over all processes; `identity` by default.
    """

    credit: Credit
    omission: Omission
    sum_ranks: SumRanks


def token_credit(
    rows: RewardRows,
    spans: AlignedSpans,
    mask: Tensor,
    column: int,
    *,
    num_generations: int,
    credit: Credit = span_credit,
    omission: Omission = omission_ignored,
    sum_ranks: SumRanks = identity,
) -> Tensor:
    """Token credit of one reward, in units of error weight.

    A row that made its judge fail has no spans, and a gated row was not shown to the judge. The
    tokens of such rows get at most the credit of the worst row in their group, both in mean and in
    sum, so that neither case pays.

    Args:
        rows: The gathered rewards.
        spans: The aligned error spans of this process's rows.
        mask: bool (n, T), completion tokens that count.
        column: The reward.
        num_generations: Group size G.
        credit: See `TokenOptions`.
        omission: See `TokenOptions`.
        sum_ranks: See `TokenOptions`.

    Returns:
        (n, T), at most 0.
    """
    raw = (credit(spans, column) + omission(spans.omissions[:, column], mask)) * mask
    blamed = rows.failed[:, column] | (rows.gated & ~rows.values[:, column].isnan())
    if not blamed.any():
        return raw
    length = _gather(mask.sum(dim=1).to(raw.dtype), rows, sum_ranks)
    total = _gather(raw.sum(dim=1), rows, sum_ranks)
    unknown = blamed | rows.values[:, column].isnan() | (length == 0)
    length = length.clamp(min=1)
    known = torch.stack([total / length, total], dim=1).masked_fill(unknown[:, None], torch.nan)
    worst = worst_of_group(known, num_generations).nan_to_num(0.0)
    charge = torch.minimum(worst[:, 0], worst[:, 1] / length)
    here = rows.local
    charged = torch.minimum(raw, charge[here, None] * mask)
    return torch.where(blamed[here, None], charged, raw)


def token_terms(
    rows: RewardRows,
    spans: AlignedSpans | None,
    mask: Tensor,
    num_generations: int,
    *,
    floor: float | None = None,
    **options: Unpack[TokenOptions],
) -> Tensor:
    """(n, T) ``Σ_s v_s`` of whitened credit, or of centred credit if no floor is given."""
    sum_ranks = options.get("sum_ranks", identity)
    omission = options.get("omission", omission_ignored)
    total = torch.zeros(mask.shape, dtype=rows.values.dtype)
    for column in _token_columns(rows, spans):
        assert spans is not None  # noqa: S101 - _token_columns is empty without spans
        raw = token_credit(rows, spans, mask, column, num_generations=num_generations, **options)
        counts = (
            credited_tokens(spans, mask, omission) & ~rows.values[rows.local, column, None].isnan()
        )
        if floor is None:
            normal = centre_tokens(raw, counts, sum_ranks=sum_ranks)
        else:
            normal = whiten_tokens(raw, counts, floor=floor, sum_ranks=sum_ranks)
        total = total + rows.token_weights[column] * normal
    return total


def _token_columns(rows: RewardRows, spans: AlignedSpans | None) -> list[int]:
    """Rewards with a token weight; the same on every process."""
    return [] if spans is None else rows.token_weights.nonzero().flatten().tolist()


def _gather(values: Tensor, rows: RewardRows, sum_ranks: SumRanks) -> Tensor:
    """(N,) from each process's (n,)."""
    everywhere = torch.zeros(len(rows.values), dtype=values.dtype)
    everywhere[rows.local] = values
    return sum_ranks(everywhere)
