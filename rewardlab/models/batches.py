"""Rows of about one length together, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Sequence


def batches_by_tokens(
    lengths: Sequence[int], *, budget: int, most_rows: int = 256
) -> list[list[int]]:
    """Split N rows into batches of at most ``budget`` tokens, padding included.

    Rows are sorted by length, the longest first: what does not fit in memory shows at once, and
    a batch costs (its first row's length) x (its rows). Rows of one length keep their order.

    Args:
        lengths: Tokens of each row; an empty row counts as one token.
        budget: Tokens of a batch at most. A single row that is longer is a batch of its own.
        most_rows: Rows of a batch at most.

    Returns:
        Row numbers by batch; each of the N is in exactly one.

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
