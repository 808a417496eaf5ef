"""The gathered rewards of a batch as tensors, and what a failed score costs a row."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rewardlab.errors import Problem, kind_of, refuse
from rewardlab.types import Scores, Status


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

    Raises:
        UserError: E025, these are no scores.
    """
    if not isinstance(scores, Scores):  # pyright: ignore[reportUnnecessaryIsInstance]
        fix = "reward_rows(ensemble(candidates))"
        refuse(Problem("E025", "scores", f"{kind_of(scores)} is not Scores", fix))
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


def group_problems(
    rows: int, num_generations: object, *, least: int = 2, where: str = "num_generations"
) -> Iterator[Problem]:
    """Why rows cannot be divided into groups: the one rule for Python and for recipes.

    Args:
        rows: Number of rows N.
        num_generations: Group size G as it was given.
        least: Smallest group size; with one completion, a baseline has nothing to compare.
        where: Place of ``num_generations`` in the message.

    Yields:
        E025 it is no integer; E035 it is below ``least``; E031 N is not a multiple of G.
    """
    fitting = [size for size in range(2, rows + 1) if rows % size == 0][:4]
    fix = f"num_generations={' or '.join(map(str, fitting))}" if fitting else "give more rows"
    if isinstance(num_generations, bool) or not isinstance(num_generations, Integral):
        what = f"{kind_of(num_generations)} is not an integer"
        yield Problem("E025", where, what, fix)
        return
    if (size := int(num_generations)) < least:
        what = f"num_generations={size}: a group baseline needs at least 2 completions"
        yield Problem("E035", where, what, fix)
    elif rows % size:
        what = f"{rows} rows is not a multiple of num_generations={size}; rows must be prompt-major"
        yield Problem("E031", where, what, fix)


def settle(rows: RewardRows, num_generations: int) -> RewardRows:
    """Replace failed scores, so that failing never pays.

    If a reward was unavailable, the row becomes NaN on every reward and is left out of the
    baseline. If the text made a reward fail, the row gets its group's worst score on that reward,
    or the worst score of the batch if its group has none. A gated row gets at most that score.

    Args:
        rows: The gathered rewards.
        num_generations: Group size G.

    Raises:
        UserError: As `in_groups`; a group of one is allowed, since TRL has
            ``num_generations_eval=1``.
    """
    values = rows.values.masked_fill(rows.unavailable[:, None], torch.nan)
    failed = rows.failed & ~rows.unavailable[:, None]
    worst = worst_of_group(values, num_generations)
    gated = rows.gated[:, None] & ~values.isnan()
    values = torch.where(gated, torch.minimum(values, worst), values)
    return rows._replace(values=torch.where(failed, worst, values), failed=failed)


def worst_of_group(values: Tensor, num_generations: int) -> Tensor:
    """(N, R) lowest known value of each row's group, else of the batch, else NaN."""
    known = values.masked_fill(values.isnan(), torch.inf)
    groups = in_groups(known, num_generations).amin(dim=1, keepdim=True)
    groups = torch.where(groups.isinf(), known.amin(dim=0), groups)
    groups = groups.masked_fill(groups.isinf(), torch.nan)
    return groups.expand(-1, num_generations, -1).reshape(values.shape)


def in_groups(values: Tensor, num_generations: int) -> Tensor:
    """(P, G, R) view of (N, R).

    Args:
        values: (N, R).
        num_generations: Group size G.

    Raises:
        UserError: E025 these are no values (N, R); otherwise as `group_problems`, with groups of
            one allowed.
    """
    form = tuple(values.shape) if isinstance(values, Tensor) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    if form is None or len(form) != 2:  # noqa: PLR2004 - rows and rewards
        kind = f"a tensor of shape {form}" if form else kind_of(values)
        what = f"{kind} is not a tensor of shape (N, R)"
        fix = "one row per completion and one column per reward: values[:, None] for one reward"
        refuse(Problem("E025", "values", what, fix))
    if problems := list(group_problems(len(values), num_generations, least=1)):
        refuse(*problems)
    return values.reshape(-1, num_generations, values.shape[-1])
