"""Scores of S systems on M segments, the input of every statistic of meta-evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoreMatrix:
    """One score per system and segment, higher is better.

    Attributes:
        systems: S unique names, in the order of the rows.
        segments: M unique ids, in the order of the columns.
        values: float64 (S, M), NaN if there is no score. A read-only copy is kept.
        signature: Names everything that the numbers depend on.

    Raises:
        ValueError: The shape is not (S, M), a name occurs twice, or a value is infinite.
    """

    systems: tuple[str, ...]
    segments: tuple[str, ...]
    values: Floats
    signature: str

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64, order="C")
        expected = (len(self.systems), len(self.segments))
        if values.shape != expected:
            raise ValueError(
                f"values of shape {values.shape} for {expected[0]} systems and {expected[1]} "
                "segments"
            )
        for kind, names in (("system", self.systems), ("segment", self.segments)):
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise ValueError(f"{kind} {twice!r} occurs more than once")
        if np.isinf(values).any():
            row, column = (int(at[0]) for at in np.nonzero(np.isinf(values)))
            raise ValueError(
                f"system {self.systems[row]!r}, segment {self.segments[column]!r}: "
                f"{values[row, column]} is not a score"
            )
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    @classmethod
    def of_cells(
        cls,
        systems: Iterable[str],
        segments: Iterable[str],
        scores: Mapping[tuple[str, str], float],
        signature: str,
    ) -> ScoreMatrix:
        """A matrix made of single scores.

        Args:
            systems: S unique names.
            segments: M unique ids.
            scores: (system, segment) -> score; missing ones are NaN.
            signature: Names everything that the numbers depend on.
        """
        rows, columns = tuple(systems), tuple(segments)
        values = np.full((len(rows), len(columns)), np.nan)
        for row, system in enumerate(rows):
            values[row] = [scores.get((system, segment), np.nan) for segment in columns]
        return cls(rows, columns, values, signature)

    def by_cell(self) -> dict[tuple[str, str], float]:
        """(system, segment) -> score, without missing scores."""
        return {
            (system, segment): value
            for system, row in zip(self.systems, self.values.tolist(), strict=True)
            for segment, value in zip(self.segments, row, strict=True)
            if not math.isnan(value)
        }

    def only(self, systems: Sequence[str]) -> ScoreMatrix:
        """The matrix of only these systems, in this order.

        Raises:
            ValueError: Some are unknown; the message names them.
        """
        rows = {system: row for row, system in enumerate(self.systems)}
        unknown = [system for system in systems if system not in rows]
        if unknown:
            raise ValueError(
                f"unknown systems: {', '.join(unknown)}; there are {', '.join(self.systems)}"
            )
        chosen = [rows[system] for system in systems]
        return replace(self, systems=tuple(systems), values=self.values[chosen])

    def system_scores(self) -> Floats:
        """Mean of each system over its scored segments.

        Returns:
            (S,), NaN for a system without a scored segment.
        """
        return system_means(self.values)

    def negated(self) -> ScoreMatrix:
        """The same matrix with every sign flipped: errors as scores, or scores as errors."""
        return replace(self, values=-self.values, signature=f"{self.signature}|negated")


def system_means(values: Floats) -> Floats:
    """Mean of each row over the values that are not NaN.

    Args:
        values: (S, M), NaN = missing.

    Returns:
        (S,), NaN for a row without a value.
    """
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.divide(total, counts, out=np.full(len(values), np.nan), where=counts > 0)
