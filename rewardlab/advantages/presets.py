"""The presets, one published method each, and how they are chosen by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor

from rewardlab.advantages.arguments import named, settled
from rewardlab.advantages.gathered_rows import RewardRows
from rewardlab.advantages.sequence_level import (
    EPSILON,
    Combine,
    group_centre,
    group_zscore,
    leave_one_out,
    weighted_rewards,
    weighted_sum,
    whiten_rows,
)
from rewardlab.advantages.token_level import SIGMA_FLOOR, TokenOptions, token_terms
from rewardlab.align import AlignedSpans
from rewardlab.errors import Problem, UserError, nearest, one_line, shown
from rewardlab.token_credit import CREDIT, OMISSION, identity, whiten_tokens


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
    rows = settled(rows, spans, mask, num_generations, {**options, "combine": combine})
    sequence = whiten_rows(combine(group_zscore(rows.values, num_generations), rows.weights))
    tokens = token_terms(rows, spans, mask, num_generations, floor=SIGMA_FLOOR, **options)
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
    rows = settled(rows, spans, mask, num_generations, options)
    total = weighted_rewards(rows, num_generations)
    sequence = group_zscore(total[:, None], num_generations).squeeze(1)
    tokens = token_terms(rows, spans, mask, num_generations, floor=SIGMA_FLOOR, **options)
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
    rows = settled(rows, spans, mask, num_generations, options)
    total = weighted_rewards(rows, num_generations)
    sequence = group_centre(total[:, None], num_generations).squeeze(1)
    tokens = token_terms(rows, spans, mask, num_generations, **options)
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
    rows = settled(rows, spans, mask, num_generations, options)
    total = weighted_rewards(rows, num_generations)
    sequence = leave_one_out(total[:, None], num_generations).squeeze(1)
    tokens = token_terms(rows, spans, mask, num_generations, **options)
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
    rows = settled(rows, spans, mask, num_generations, options)
    centred = rows.values - rows.values.nanmean(dim=0)
    sequence = weighted_sum(centred, rows.weights)
    tokens = token_terms(rows, spans, mask, num_generations, **options)
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


CALL = "advantage(rows, spans, mask, num_generations=..., sum_ranks=...)"
"""How a trainer calls an advantage."""


def advantage_problems(given: object) -> Iterator[Problem]:
    """E025, E026: what a trainer was given as its ``advantage`` cannot be called as one.

    Args:
        given: What was given; a preset, or a function that is called as `CALL`.
    """
    where, imported = "advantage", "with combination from rewardlab.advantages"
    if isinstance(given, str):
        for problem in combination_problems(preset=given, credit="span", omission="ignore"):
            listed = " " in problem.fix
            fix = problem.fix if listed else f"advantage=combination({problem.fix!r}), {imported}"
            yield replace(problem, where=where, fix=fix)
            return
        fix = f"advantage=combination({given!r}), {imported}"
        yield Problem(
            "E025", where, f"the text {given!r} is the name of a preset, not a function", fix
        )
    elif not callable(given):
        fix = f"advantage=combination('gdpo'), {imported}"
        yield Problem("E025", where, f"{named(given)} is not an advantage", fix)
    elif why := _uncallable(given):
        name = getattr(given, "__name__", type(given).__name__)
        fix = f"advantage=combination('gdpo'), {imported}; or a function called as {CALL}"
        yield Problem("E025", where, f"{name} cannot be called as an advantage: {why}", fix)


def _uncallable(given: Callable[..., object]) -> str:
    """Why a function does not take the arguments of `CALL`; empty if it does."""
    try:
        signature = inspect.signature(given)
    except (TypeError, ValueError):
        return ""  # a compiled function tells no signature
    try:
        signature.bind(None, None, None, num_generations=2, sum_ranks=identity)
    except TypeError as error:
        return one_line(error)
    return ""


def _masked(rows: RewardRows, sequence: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """Broadcast row advantages over tokens; exactly 0 where masked or unavailable."""
    here = sequence[rows.local].nan_to_num(0.0)[:, None]
    counts = mask & ~rows.unavailable[rows.local, None]
    return torch.where(counts, here + tokens, 0.0)
