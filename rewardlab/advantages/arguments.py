"""Arguments and results of presets that cannot work: told by name, before any arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor

from rewardlab.advantages.gathered_rows import RewardRows, settle
from rewardlab.align import AlignedSpans
from rewardlab.errors import Problem, UserError, kind_of, nearest, refuse
from rewardlab.token_credit import CREDIT, OMISSION

OPTIONS: Mapping[str, str] = {
    "credit": f"CREDIT[name], with a name of {', '.join(CREDIT)}",
    "omission": f"OMISSION[name], with a name of {', '.join(OMISSION)}",
    "sum_ranks": "leave it out on one process",
    "combine": "a function such as weighted_sum or worst_case",
}
"""Options of presets, all of them functions, and what to write for a value that is none."""


def settled(
    rows: RewardRows,
    spans: AlignedSpans | None,
    mask: Tensor,
    num_generations: int,
    options: Mapping[str, object],
) -> RewardRows:
    """The settled rows, see `settle`, if a preset can work with all of its arguments.

    Args:
        rows: The gathered rewards.
        spans: The aligned error spans of this process's rows, or None.
        mask: (n, T) bool.
        num_generations: Group size G.
        options: The options of the preset.

    Raises:
        UserError: E023 an unknown option; E025 a value of the wrong type or shape; otherwise as
            `settle`.
    """
    if problems := list(_problems(rows, spans, mask, options)):
        raise UserError(problems)
    return settle(rows, num_generations)


def _problems(
    rows: object, spans: object, mask: object, options: Mapping[str, object]
) -> Iterator[Problem]:
    if not isinstance(rows, RewardRows):
        fix = "reward_rows(ensemble(candidates)), with reward_rows from rewardlab.advantages"
        yield Problem("E025", "rows", f"{named(rows)} is not RewardRows", fix)
    if not (spans is None or isinstance(spans, AlignedSpans)):
        fix = "align(decoded, scores.spans, scores.severities, length=T), from rewardlab.align"
        yield Problem("E025", "spans", f"{named(spans)} is not AlignedSpans", fix)
    if not isinstance(mask, Tensor) or mask.dtype is not torch.bool or mask.ndim != 2:  # noqa: PLR2004 - rows and tokens
        kind = f"a tensor {_form(mask)}" if isinstance(mask, Tensor) else named(mask)
        fix = "a bool tensor (rows of this process, tokens), such as mask.bool()"
        yield Problem("E025", "mask", f"{kind} is not a mask", fix)
    elif isinstance(rows, RewardRows) and len(mask) != (here := len(rows.values[rows.local])):
        what = f"it has {len(mask)} rows, and this process has {here}"
        yield Problem("E025", "mask", what, "one row for each of this process's completions")
    for name, value in options.items():
        if name not in OPTIONS:
            fix = nearest(name, OPTIONS) or f"one of {', '.join(OPTIONS)}"
            yield Problem("E023", name, "unknown option of a preset", fix)
        elif not callable(value):
            what = f"{named(value)} is not a function"
            yield Problem("E025", name, what, OPTIONS[name])


def check_result(advantages: object, mask: Tensor) -> None:
    """Refuse what an advantage returned if it is not one number per token.

    Args:
        advantages: What it returned.
        mask: (n, T) bool.

    Raises:
        UserError: E025, it is no tensor of the shape of ``mask``.
    """
    if isinstance(advantages, Tensor) and advantages.shape == mask.shape:
        return
    kind = f"a tensor {_form(advantages)}" if isinstance(advantages, Tensor) else named(advantages)
    shape = tuple(mask.shape)
    fix = f"return a tensor of shape {shape}; for one number per row: values[:, None] * mask"
    refuse(Problem("E025", "advantage", f"it returned {kind} for a mask of shape {shape}", fix))


def _form(tensor: Tensor) -> str:
    return f"of {str(tensor.dtype).removeprefix('torch.')} and shape {tuple(tensor.shape)}"


def named(given: object) -> str:
    """A plain value with its type, or the class of an object.

    Args:
        given: Any value.
    """
    plain = given is None or isinstance(given, (bool, int, float, str, list, Mapping))
    return kind_of(cast("object", given)) if plain else type(given).__name__
