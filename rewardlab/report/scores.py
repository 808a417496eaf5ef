"""Scores of systems: a table for people, and tab-separated lines for programs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from rich.table import Table

from rewardlab.errors import quantity
from rewardlab.evaluation.system_scores import SystemScores
from rewardlab.spans import printable

LONG_KEYS = ("system", "segment")
"""The first columns of the long form; a reward must not have one of these names."""
CorpusScores = Mapping[str, Mapping[str, float]]
"""System -> reward -> sacrebleu's score of the whole file."""


def score_table(
    systems: Sequence[SystemScores], corpus: CorpusScores, *, weighted: bool, precision: int
) -> Table:
    """One row per reward and system; it fits a terminal of 80 columns.

    Args:
        systems: The scores; at least one system.
        corpus: The rewards that have a score of the whole file.
        weighted: Show weights; otherwise all are 1.
        precision: Digits after the point.
    """
    many, whole = len(systems) > 1, any(corpus.values())
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("reward", overflow="fold")
    if many:
        table.add_column("system", overflow="fold")
    headings = [*(["weight"] if weighted else []), "mean", *(["corpus"] if whole else [])]
    for heading in (*headings, "std", "share", "scored"):
        table.add_column(heading, justify="right", no_wrap=True)
    numbers = [(one, one.means(), one.deviations(), one.shares()) for one in systems]
    for at, reward in enumerate(systems[0].names):
        for row, (one, means, deviations, shares) in enumerate(numbers):
            scored = int(np.sum(~np.isnan(one.values[:, at])))
            score = corpus.get(one.system, {}).get(reward, math.nan)
            table.add_row(
                "" if row else printable(reward),
                *([printable(one.system)] if many else []),
                *([("" if row else f"{one.weights[at]:g}")] if weighted else []),
                number(means[at], precision),
                *([number(score, precision)] if whole else []),
                number(deviations[at], precision),
                f"{shares[at]:.0%}",
                f"{scored:,}",
            )
    return table


def score_notes(systems: Sequence[SystemScores], corpus: CorpusScores) -> Iterator[str]:
    """What the table does not say: rows that were gated, cut or not scored, and what it means.

    Args:
        systems: The scores.
        corpus: As in `score_table`.
    """
    for one in systems:
        place = f" of {one.system}" if len(systems) > 1 else ""
        closed = Counter(gate for gate in one.gated if gate is not None)
        if closed:
            by = ", ".join(f"{gate} {count:,}" for gate, count in closed.items())
            total = f"{closed.total():,} of {quantity(len(one), 'row')}{place}"
            yield printable(f"gated: {total}, which have the worst score ({by})")
        for at, reward in enumerate(one.names):
            counts = one.statuses(at).items()
            lost = {status: count for status, count in counts if not status.scored}
            if lost:
                reasons = ", ".join(f"{status} {count:,}" for status, count in lost.items())
                total = f"{sum(lost.values()):,} of {quantity(len(one), 'row')}{place}"
                yield printable(f"not scored by {reward}: {total} ({reasons})")
        for part, values in one.components.items():
            reward, _, kind = part.rpartition("/")
            if kind == "truncated" and (cut := int(np.nansum(values))):
                yield printable(f"truncated: {reward} read {quantity(cut, 'text')}{place} in part")
    yield "mean, std: of the rows that were scored"
    if any(corpus.values()):
        yield "corpus: sacrebleu's score of the whole file, in the sign of the reward"
    yield (
        "share: the reward's part in the variance of the weighted total of z-scores; "
        "the shares of a system add up to 100%"
    )


def row_lines(systems: Sequence[SystemScores], *, gates: bool, precision: int) -> Iterator[str]:
    """A header, then the line number, scores (empty: unscored) and statuses of each row.

    Args:
        systems: The scores of one system; nothing is printed without one.
        gates: Add a column with the gate that a row failed.
        precision: Digits after the point.
    """
    for one in systems:
        gate = ["gated"] if gates else []
        yield "\t".join(["line", *one.names, *(f"{name}.status" for name in one.names), *gate])
        for row, (values, status) in enumerate(zip(one.values, one.status, strict=True)):
            cells = [number(value, precision) for value in values]
            closed = [one.gated[row] or ""] if gates else []
            yield "\t".join([str(row + 1), *cells, *status, *closed])


def long_lines(systems: Sequence[SystemScores], *, precision: int) -> Iterator[str]:
    """The long form, which `rewardlab metaeval` reads: a header, then a line for each translation.

    The segment is the line number from 1. A cell is empty if the row was not scored.

    Args:
        systems: The scores.
        precision: Digits after the point.
    """
    for at, one in enumerate(systems):
        if at == 0:
            yield "\t".join([*LONG_KEYS, *one.names])
        for row, values in enumerate(one.values, start=1):
            yield "\t".join([one.system, str(row), *(number(v, precision) for v in values)])


def number(value: float, precision: int) -> str:
    """A number with so many digits after the point, without a negative zero; empty for NaN.

    Args:
        value: The number.
        precision: The number of digits.

    >>> number(-0.00001, 4), number(2 / 3, 2), number(math.nan, 4)
    ('0.0000', '0.67', '')
    """
    return "" if math.isnan(value) else f"{value:z.{precision}f}"
