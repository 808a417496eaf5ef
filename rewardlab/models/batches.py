"""Batches of token ids: grouping by length, padding, and the error for a full accelerator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from rewardlab.errors import Problem, UserError

T = TypeVar("T")


def batches_by_tokens(
    lengths: Sequence[int], *, budget: int, most_rows: int = 256
) -> list[list[int]]:
    """Split N rows into batches of at most ``budget`` tokens, padding included.

    Rows are sorted by length, the longest first, so a batch that does not fit in memory fails at
    once. The size of a batch is the length of its first row times its number of rows. Rows of equal
    length keep their order.

    Args:
        lengths: Number of tokens in each row; an empty row counts as one token.
        budget: Maximum number of tokens in a batch; a longer row forms its own batch.
        most_rows: Maximum number of rows in a batch.

    Returns:
        Row numbers of each batch; every row is in exactly one batch.

    Raises:
        ValueError: ``budget`` or ``most_rows`` is below 1.

    >>> batches_by_tokens([2, 9, 3, 3], budget=6)
    [[1], [2, 3], [0]]
    """
    if budget < 1 or most_rows < 1:
        raise ValueError(f"budget={budget} and most_rows={most_rows} must be at least 1")
    batches: list[list[int]] = []
    width = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        rows = len(batches[-1]) if batches else most_rows
        if rows < most_rows and (rows + 1) * width <= budget:
            batches[-1].append(row)
        else:
            batches.append([row])
            width = max(1, lengths[row])
    return batches


def padded(
    rows: Sequence[Sequence[int]], *, filler: int, left: bool = False
) -> tuple[Tensor, Tensor]:
    """Pad B rows to one length: ids (B, T), and a bool mask (B, T), True at tokens.

    Args:
        rows: Token ids of each row.
        filler: The id of the padding.
        left: Pad at the beginning of each row instead of the end.

    >>> padded([[7, 8], [9]], filler=0)[0].tolist()
    [[7, 8], [9, 0]]
    """
    width = max(1, *map(len, rows))
    fillers = [[filler] * (width - len(row)) for row in rows]
    both = zip(rows, fillers, strict=True)
    ids = torch.tensor([[*fill, *row] if left else [*row, *fill] for row, fill in both])
    lengths, places = torch.tensor([[len(row)] for row in rows]), torch.arange(width)
    return ids, places >= width - lengths if left else places < lengths


def in_batches(
    rows: Sequence[list[int]], compute: Callable[[list[list[int]]], Iterable[T]], *, budget: int
) -> list[T]:
    """The results of N rows, computed in `batches_by_tokens`.

    Args:
        rows: Token ids of each row.
        compute: Computes B results from the B rows of a batch.
        budget: Maximum number of tokens in a batch.

    Returns:
        N results, in the order of the rows.

    Raises:
        UserError: E309, a batch does not fit on the accelerator; exit code 2.
    """
    results: dict[int, T] = {}
    try:
        for batch in batches_by_tokens([len(row) for row in rows], budget=budget):
            results |= zip(batch, compute([rows[row] for row in batch]), strict=True)
    except torch.OutOfMemoryError as error:
        what = f"{budget} tokens do not fit on the accelerator at once"
        fix = f"batch_tokens={max(1, budget // 2)}"
        raise UserError([Problem("E309", "batch_tokens", what, fix)]) from error
    return [results[row] for row in range(len(rows))]
