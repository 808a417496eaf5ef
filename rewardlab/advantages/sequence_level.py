"""Equations over rows: one number per row and reward, or per row."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rewardlab.advantages.gathered_rows import RewardRows, in_groups

EPSILON = 1e-4
"""Added to standard deviations, as in TRL."""

ROUNDING = 1e-6
"""A group whose std is below this share of its largest value is only rounding noise (ours)."""

Combine = Callable[[Tensor, Tensor], Tensor]
"""(N, R) z-scores and (R,) weights -> (N,)."""


def group_centre(values: Tensor, num_generations: int) -> Tensor:
    """Subtract the mean of the group: ``r - mean_g`` (GRPO, arXiv 2402.03300, eq. 4's numerator).

    Args:
        values: (N, R); NaN is skipped and stays NaN.
        num_generations: Group size G.

    >>> group_centre(torch.tensor([[1.0], [3.0]]), 2).flatten().tolist()
    [-1.0, 1.0]
    """
    groups = in_groups(values, num_generations)
    return (groups - groups.nanmean(dim=1, keepdim=True)).reshape(values.shape)


def group_zscore(values: Tensor, num_generations: int, *, eps: float = EPSILON) -> Tensor:
    """``(r - mean_g) / (std_g + eps)``, std unbiased (arXiv 2402.03300; TRL's numerics).

    Args:
        values: (N, R); NaN is skipped and stays NaN.
        num_generations: Group size G.
        eps: Added to the std.

    Returns:
        (N, R); 0 in a group with one known value, or whose std is only rounding noise.

    >>> [round(z, 3) for z in group_zscore(torch.tensor([[1.0], [3.0]]), 2).flatten().tolist()]
    [-0.707, 0.707]
    """
    centred = in_groups(group_centre(values, num_generations), num_generations)
    std = _std(centred, dim=1)
    largest = in_groups(values, num_generations).nan_to_num(0.0).abs().amax(dim=1, keepdim=True)
    z = torch.where(std > ROUNDING * largest, centred / (std + eps), centred * 0.0)
    return z.reshape(values.shape)


def leave_one_out(values: Tensor, num_generations: int) -> Tensor:
    """Baseline from the group's *other* rows: ``n/(n-1) (r - mean_g)`` (RLOO, arXiv 2402.14740).

    Args:
        values: (N, R); NaN is skipped and stays NaN.
        num_generations: Group size G.

    >>> leave_one_out(torch.tensor([[1.0], [3.0]]), 2).flatten().tolist()
    [-2.0, 2.0]
    """
    centred = in_groups(group_centre(values, num_generations), num_generations)
    n = (~centred.isnan()).sum(dim=1, keepdim=True).to(values.dtype)
    return (centred * n / (n - 1).clamp(min=1)).reshape(values.shape)


def whiten_rows(values: Tensor, *, eps: float = EPSILON) -> Tensor:
    """``(a - mean) / (std + eps)`` over the batch's known rows, std unbiased (arXiv 2601.05242).

    Args:
        values: (N,); NaN marks rows that do not count, and stays NaN.
        eps: Added to the std.
    """
    centred = values - values.nanmean()
    std = _std(centred, dim=0).squeeze(0)
    return torch.where(std > 0, centred / (std + eps), centred * 0.0)


def weighted_sum(z: Tensor, weights: Tensor) -> Tensor:
    """``Σ_r w_r z_r``; a reward that does not apply to a row adds nothing.

    Args:
        z: (N, R) z-scores, NaN where not scored.
        weights: (R,).

    Returns:
        (N,), NaN where no reward with a weight scored the row.
    """
    return unless_all_nan(z, weights, (z.nan_to_num(0.0) * weights).sum(dim=1))


def worst_case(z: Tensor, weights: Tensor) -> Tensor:
    """``min_r z_r`` over rewards with a weight (worst-case optimisation, arXiv 2310.02743).

    Args:
        z: (N, R) z-scores, NaN where not scored.
        weights: (R,).

    Returns:
        (N,), NaN where no reward with a weight scored the row.
    """
    ignored = z.isnan() | (weights == 0)
    lowest = z.masked_fill(ignored, torch.inf).amin(dim=1)
    return unless_all_nan(z, weights, lowest.nan_to_num(posinf=0.0))


def mean_minus_variance(z: Tensor, weights: Tensor, *, penalty: float = 0.5) -> Tensor:
    """``mean_r z_r - λ var_r z_r`` (uncertainty-weighted optimisation, arXiv 2310.02743, eq. 6).

    Weighted mean and population variance over the rewards that scored the row.

    Args:
        z: (N, R) z-scores, NaN where not scored.
        weights: (R,).
        penalty: λ.

    Returns:
        (N,), NaN where no reward with a weight scored the row.
    """
    share = torch.where(z.isnan(), 0.0, weights.expand_as(z))
    share = share / share.sum(dim=1, keepdim=True).clamp(min=torch.finfo(z.dtype).tiny)
    mean = (share * z.nan_to_num(0.0)).sum(dim=1)
    variance = (share * (z.nan_to_num(0.0) - mean[:, None]) ** 2).sum(dim=1)
    return unless_all_nan(z, weights, mean - penalty * variance)


def weighted_rewards(rows: RewardRows, num_generations: int) -> Tensor:
    """``Σ_r w_r r`` of raw rewards.

    A reward that does not apply to a row counts as its mean in the row's group, which changes no
    advantage. (TRL counts it as 0, which is an advantage if 0 is a good score.)

    Args:
        rows: The gathered rewards.
        num_generations: Group size G.

    Returns:
        (N,), NaN where no reward with a weight scored the row.
    """
    mean = in_groups(rows.values, num_generations).nanmean(dim=1, keepdim=True)
    neutral = mean.expand(-1, num_generations, -1).reshape(rows.values.shape).nan_to_num(0.0)
    filled = torch.where(rows.values.isnan(), neutral, rows.values)
    return unless_all_nan(rows.values, rows.weights, (filled * rows.weights).sum(dim=1))


def _std(centred: Tensor, dim: int) -> Tensor:
    """Unbiased standard deviation of already centred values, NaN skipped; 0 for one value."""
    count = (~centred.isnan()).sum(dim=dim, keepdim=True)
    squares = (centred.nan_to_num(0.0) ** 2).sum(dim=dim, keepdim=True)
    return (squares / (count - 1).clamp(min=1)).sqrt()


def unless_all_nan(values: Tensor, weights: Tensor, combined: Tensor) -> Tensor:
    """NaN where no reward with a weight scored the row."""
    return torch.where((values.isnan() | (weights == 0)).all(dim=1), torch.nan, combined)
