"""From rewards and error spans to token-level advantages: one equation, one function.

Shapes: ``N`` rows of the *global* batch, prompt-major, in groups of ``num_generations``; ``n`` rows
of this process; ``R`` rewards; ``T`` completion tokens. Row statistics are taken over the gathered
``(N, R)`` matrix. Token statistics are taken over ``(n, T)`` tensors that never leave their
process; the only distributed operation is the argument ``sum_ranks``, which adds a small tensor
over all processes.

A preset (`gdpo`, `translategemma`, ...) is a complete published method, composed of the equations
here and in `rewardlab.token_credit` (re-exported). Masked places are 0, and so is every token of a
row that was not scored because a reward was unavailable. `settle` decides what each failed status
costs a row, and which rows are left out of their group's baseline. A new preset is one function
here and one entry in `PRESETS`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from rewardlab.align import AlignedSpans
from rewardlab.errors import Problem, UserError, nearest, shown
from rewardlab.token_credit import (
    CREDIT,
    OMISSION,
    Credit,
    Omission,
    SumRanks,
    centre_tokens,
    credited_tokens,
    divided_credit,
    identity,
    omission_ignored,
    omission_on_last_token,
    omission_on_sequence,
    span_credit,
    to_go_credit,
    whiten_tokens,
)
from rewardlab.types import Scores, Status

__all__ = [
    "CREDIT",
    "EPSILON",
    "OMISSION",
    "PRESETS",
    "SIGMA_FLOOR",
    "RewardRows",
    "TokenOptions",
    "centre_tokens",
    "combination",
    "combination_problems",
    "credited_tokens",
    "divided_credit",
    "dr_grpo",
    "gdpo",
    "group_centre",
    "group_zscore",
    "identity",
    "leave_one_out",
    "mean_minus_variance",
    "omission_ignored",
    "omission_on_last_token",
    "omission_on_sequence",
    "reward_rows",
    "rloo",
    "settle",
    "span_credit",
    "sum_then_normalize",
    "to_go_credit",
    "token_credit",
    "translategemma",
    "weighted_rewards",
    "weighted_sum",
    "whiten_rows",
    "whiten_tokens",
    "worst_case",
]

EPSILON = 1e-4
"""Added to standard deviations, as in TRL."""

SIGMA_FLOOR = 1.0
"""Minimum standard deviation that token credit is divided by: one minor error (ours)."""

ROUNDING = 1e-6
"""A group whose std is below this share of its largest value is only rounding noise (ours)."""

Combine = Callable[[Tensor, Tensor], Tensor]
"""(N, R) z-scores and (R,) weights -> (N,)."""


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


class RewardRows(NamedTuple):
    """The tensor side of `Scores`, gathered over all processes.

    Attributes:
        values: float64 (N, R), NaN where not scored.
        failed: bool (N, R), True if not scored because of the text itself.
        unavailable: bool (N,), True if a reward with a weight was unavailable.
        gated: bool (N,), True if a gate closed on the row.
        weights: float64 (R,).
        token_weights: float64 (R,).
        local: The rows of this process.
    """

    values: Tensor
    failed: Tensor
    unavailable: Tensor
    gated: Tensor
    weights: Tensor
    token_weights: Tensor
    local: slice = slice(None)


def reward_rows(scores: Scores) -> RewardRows:
    """Turn scores into tensors.

    Values are rounded to float32, the precision in which trainers gather them. A reward that is
    only logged (both weights 0) cannot make a row unavailable.

    Args:
        scores: N rows and R rewards of one process, or of all.
    """
    weights = torch.from_numpy(scores.weights)
    token_weights = torch.from_numpy(scores.token_weights)
    failed = torch.tensor([[status.failed for status in row] for row in scores.status])
    missing = torch.tensor([[s is Status.UNAVAILABLE for s in row] for row in scores.status])
    shape = (len(scores), len(scores.names))
    counts = (weights != 0) | (token_weights != 0)
    return RewardRows(
        values=torch.from_numpy(scores.values.astype(np.float32).astype(np.float64)),
        failed=failed.reshape(shape),
        unavailable=(missing.reshape(shape) & counts).any(dim=1),
        gated=torch.tensor([gate is not None for gate in scores.gated], dtype=torch.bool),
        weights=weights,
        token_weights=token_weights,
    )


# ── failures ────────────────────────────────────────────────────────────────────────────────────


def settle(rows: RewardRows, num_generations: int) -> RewardRows:
    """Replace failed scores, so that failing never pays.

    If a reward was unavailable, the row becomes NaN on every reward and is left out of the
    baseline. If the text made a reward fail, the row gets its group's worst score on that reward,
    or the worst score of the batch if its group has none. A gated row gets at most that score.

    Args:
        rows: The gathered rewards.
        num_generations: Group size G.

    Raises:
        ValueError: N is not a multiple of G.
    """
    if len(rows.values) % num_generations:
        raise ValueError(
            f"{len(rows.values)} rows is not a multiple of num_generations={num_generations}; "
            "rows must be prompt-major"
        )
    values = rows.values.masked_fill(rows.unavailable[:, None], torch.nan)
    failed = rows.failed & ~rows.unavailable[:, None]
    worst = _worst(values, num_generations)
    gated = rows.gated[:, None] & ~values.isnan()
    values = torch.where(gated, torch.minimum(values, worst), values)
    return rows._replace(values=torch.where(failed, worst, values), failed=failed)


def _worst(values: Tensor, num_generations: int) -> Tensor:
    """(N, R) lowest known value of each row's group, else of the batch, else NaN."""
    known = values.masked_fill(values.isnan(), torch.inf)
    groups = _groups(known, num_generations).amin(dim=1, keepdim=True)
    groups = torch.where(groups.isinf(), known.amin(dim=0), groups)
    groups = groups.masked_fill(groups.isinf(), torch.nan)
    return groups.expand(-1, num_generations, -1).reshape(values.shape)


# ── rows: (N, R) or (N,) ────────────────────────────────────────────────────────────────────────


def group_centre(values: Tensor, num_generations: int) -> Tensor:
    """Subtract the mean of the group: ``r - mean_g`` (GRPO, arXiv 2402.03300, eq. 4's numerator).

    Args:
        values: (N, R); NaN is skipped and stays NaN.
        num_generations: Group size G.

    >>> group_centre(torch.tensor([[1.0], [3.0]]), 2).flatten().tolist()
    [-1.0, 1.0]
    """
    groups = _groups(values, num_generations)
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
    centred = _groups(group_centre(values, num_generations), num_generations)
    std = _std(centred, dim=1)
    largest = _groups(values, num_generations).nan_to_num(0.0).abs().amax(dim=1, keepdim=True)
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
    centred = _groups(group_centre(values, num_generations), num_generations)
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
    return _unless_all_nan(z, weights, (z.nan_to_num(0.0) * weights).sum(dim=1))


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
    return _unless_all_nan(z, weights, lowest.nan_to_num(posinf=0.0))


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
    return _unless_all_nan(z, weights, mean - penalty * variance)


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
    mean = _groups(rows.values, num_generations).nanmean(dim=1, keepdim=True)
    neutral = mean.expand(-1, num_generations, -1).reshape(rows.values.shape).nan_to_num(0.0)
    filled = torch.where(rows.values.isnan(), neutral, rows.values)
    return _unless_all_nan(rows.values, rows.weights, (filled * rows.weights).sum(dim=1))


# ── tokens: (n, T) ──────────────────────────────────────────────────────────────────────────────


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
    worst = _worst(known, num_generations).nan_to_num(0.0)
    charge = torch.minimum(worst[:, 0], worst[:, 1] / length)
    here = rows.local
    charged = torch.minimum(raw, charge[here, None] * mask)
    return torch.where(blamed[here, None], charged, raw)


# ── presets: one published method each ──────────────────────────────────────────────────────────


def gdpo(
    rows: RewardRows,
    spans: AlignedSpans | None,
    mask: Tensor,
    *,
    num_generations: int,
    combine: Combine = weighted_sum,
    **options: Unpack[TokenOptions],
) -> Tensor:
    """GDPO with token credit, our default (arXiv 2601.05242; token terms ours).

    ``A[i,t] = whiten_rows(Σ_r w_r Z_r[i]) + Σ_s v_s (T_s[i,t] - mean_s) / max(σ_s, 1)``

    with ``Z_r`` the z-score of reward r within its group. Without token terms this is TRL's
    ``multi_objective_aggregation="normalize_then_sum"``.

    Args:
        rows: The gathered rewards.
        spans: The aligned error spans of this process's rows, or None.
        mask: (n, T) bool, completion tokens that count.
        num_generations: Group size G.
        combine: How the z-scores become one number per row.
        **options: See `TokenOptions`.

    Returns:
        (n, T) float64.
    """
    rows = settle(rows, num_generations)
    sequence = whiten_rows(combine(group_zscore(rows.values, num_generations), rows.weights))
    tokens = _token_terms(rows, spans, mask, num_generations, floor=SIGMA_FLOOR, **options)
    return _masked(rows, sequence, tokens, mask)


def sum_then_normalize(
    rows: RewardRows,
    spans: AlignedSpans | None,
    mask: Tensor,
    *,
    num_generations: int,
    **options: Unpack[TokenOptions],
) -> Tensor:
    """GRPO on the weighted sum of raw rewards (arXiv 2402.03300; TRL's default), with token credit.

    ``A[i,t] = (r_i - mean_g) / (std_g + eps) + Σ_s v_s (T_s - mean_s) / max(σ_s, 1)``,
    ``r_i = Σ_r w_r R_r(i)``: the reward with the largest scale decides. Arguments as for `gdpo`.
    """
    rows = settle(rows, num_generations)
    total = weighted_rewards(rows, num_generations)
    sequence = group_zscore(total[:, None], num_generations).squeeze(1)
    tokens = _token_terms(rows, spans, mask, num_generations, floor=SIGMA_FLOOR, **options)
    return _masked(rows, sequence, tokens, mask)


def dr_grpo(
    rows: RewardRows,
    spans: AlignedSpans | None,
    mask: Tensor,
    *,
    num_generations: int,
    **options: Unpack[TokenOptions],
) -> Tensor:
    """Dr. GRPO: no division by any std (arXiv 2503.20783), with token credit.

    ``A[i,t] = r_i - mean_g + Σ_s v_s (T_s - mean_s)``; rewards and errors keep their units. The
    paper's constant length normaliser is the trainer's ``loss_type="dr_grpo"``. Equals TRL's
    ``scale_rewards="none"`` without token terms. Arguments as for `gdpo`.
    """
    rows = settle(rows, num_generations)
    total = weighted_rewards(rows, num_generations)
    sequence = group_centre(total[:, None], num_generations).squeeze(1)
    tokens = _token_terms(rows, spans, mask, num_generations, **options)
    return _masked(rows, sequence, tokens, mask)


def rloo(
    rows: RewardRows,
    spans: AlignedSpans | None,
    mask: Tensor,
    *,
    num_generations: int,
    **options: Unpack[TokenOptions],
) -> Tensor:
    """REINFORCE leave-one-out (arXiv 2402.14740), with token credit.

    ``A[i,t] = n/(n-1) (r_i - mean_g) + Σ_s v_s (T_s - mean_s)``. Arguments as for `gdpo`.
    """
    rows = settle(rows, num_generations)
    total = weighted_rewards(rows, num_generations)
    sequence = leave_one_out(total[:, None], num_generations).squeeze(1)
    tokens = _token_terms(rows, spans, mask, num_generations, **options)
    return _masked(rows, sequence, tokens, mask)


def translategemma(
    rows: RewardRows,
    spans: AlignedSpans | None,
    mask: Tensor,
    *,
    num_generations: int,
    **options: Unpack[TokenOptions],
) -> Tensor:
    """TranslateGemma (arXiv 2601.09012, figure 2): raw rewards and raw token errors, one whitening.

    ``A_raw[i,t] = Σ_r w_r R_r(i) + Σ_s v_s T_s(i,t)``, ``A = (A_raw - mean) / (std + eps)``

    Mean and std are over the unmasked tokens of the global batch (our reading). There is no group
    baseline: groups matter only for failures. The scale of a reward acts as a weight, but constant
    offsets cancel. So both terms are centred first: a reward that does not apply to a row then
    counts as its batch mean and changes nothing. Arguments as for `gdpo`.
    """
    rows = settle(rows, num_generations)
    centred = rows.values - rows.values.nanmean(dim=0)
    sequence = weighted_sum(centred, rows.weights)
    tokens = _token_terms(rows, spans, mask, num_generations, **options)
    counts = mask & ~rows.unavailable[rows.local, None]
    raw = _masked(rows, sequence, tokens, mask)
    sum_ranks = options.get("sum_ranks", identity)
    return whiten_tokens(raw, counts, eps=EPSILON, sum_ranks=sum_ranks)


PRESETS: dict[str, Callable[..., Tensor]] = {
    "gdpo": gdpo,
    "translategemma": translategemma,
    "sum_then_normalize": sum_then_normalize,
    "dr_grpo": dr_grpo,
    "rloo": rloo,
}


METHODS = {"grpo": "sum_then_normalize"}
"""Names of methods that have no preset of their name, with the preset that is theirs."""


def combination(
    preset: str = "gdpo", *, credit: str = "span", omission: str = "ignore"
) -> Callable[..., Tensor]:
    """A preset with its token options, by name: what a trainer takes as ``advantage``.

    Args:
        preset: A name of `PRESETS`.
        credit: How a span's weight is spread over its tokens: a name of `CREDIT`.
        omission: Which tokens an omission is charged to: a name of `OMISSION`.

    Raises:
        UserError: E026, a name is unknown.

    >>> combination("rloo").func.__name__
    'rloo'
    """
    if problems := list(combination_problems(preset=preset, credit=credit, omission=omission)):
        raise UserError(problems)
    return functools.partial(PRESETS[preset], credit=CREDIT[credit], omission=OMISSION[omission])


def combination_problems(*, preset: str, credit: str, omission: str) -> Iterator[Problem]:
    """E026 for every unknown name; for a method's name the preset that implements it.

    Args:
        preset: See `combination`.
        credit: See `combination`.
        omission: See `combination`.
    """
    for where, name, table, wanted in (
        ("preset", preset, PRESETS, "a preset"),
        ("credit", credit, CREDIT, "a token credit"),
        ("omission", omission, OMISSION, "a place for omissions"),
    ):
        if isinstance(name, str) and name in table:  # pyright: ignore[reportUnnecessaryIsInstance]
            continue
        what = f"{shown(name)} is not {wanted}"
        fix = nearest(str(name), table) or f"one of {', '.join(table)}"
        if where == "preset" and (method := str(name).lower()) in METHODS:
            fix = f"one of {', '.join(table)}; {METHODS[method]} is {method.upper()}'s"
        yield Problem("E026", where, what, fix)


# ── small parts ─────────────────────────────────────────────────────────────────────────────────


def _token_terms(
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


def _masked(rows: RewardRows, sequence: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """Broadcast row advantages over tokens; exactly 0 where masked or unavailable."""
    here = sequence[rows.local].nan_to_num(0.0)[:, None]
    counts = mask & ~rows.unavailable[rows.local, None]
    return torch.where(counts, here + tokens, 0.0)


def _gather(values: Tensor, rows: RewardRows, sum_ranks: SumRanks) -> Tensor:
    """(N,) from each process's (n,)."""
    everywhere = torch.zeros(len(rows.values), dtype=values.dtype)
    everywhere[rows.local] = values
    return sum_ranks(everywhere)


def _groups(values: Tensor, num_generations: int) -> Tensor:
    """(P, G, R) view of (N, R)."""
    return values.reshape(-1, num_generations, values.shape[-1])


def _std(centred: Tensor, dim: int) -> Tensor:
    """Unbiased standard deviation of already centred values, NaN skipped; 0 for one value."""
    count = (~centred.isnan()).sum(dim=dim, keepdim=True)
    squares = (centred.nan_to_num(0.0) ** 2).sum(dim=dim, keepdim=True)
    return (squares / (count - 1).clamp(min=1)).sqrt()


def _unless_all_nan(values: Tensor, weights: Tensor, combined: Tensor) -> Tensor:
    """NaN where no reward with a weight scored the row."""
    return torch.where((values.isnan() | (weights == 0)).all(dim=1), torch.nan, combined)
