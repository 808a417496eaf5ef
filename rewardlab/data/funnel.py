"""How many rows of a data set were read, left out and kept, as numbers and as one line of text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rewardlab.errors import quantity


@dataclass(frozen=True)
class Funnel:
    """Counts of rows from reading to use.

    Attributes:
        start: Number of rows at the start: the lines of a file, or the rows kept by the parts.
        steps: ``(reason, rows left out)`` in order. A reason completes "3 rows ...".
        parts: The funnels of the corpora that were joined; empty for a single corpus.

    >>> str(Funnel(1997).without("empty", 3).without("over 300 characters", 40))
    '1,997 lines: 1,954 rows; left out: 3 empty, 40 over 300 characters'
    """

    start: int = 0
    steps: tuple[tuple[str, int], ...] = ()
    parts: tuple[Funnel, ...] = ()

    @classmethod
    def joined(cls, funnels: Iterable[Funnel]) -> Funnel:
        """The funnel of concatenated corpora."""
        parts = tuple(funnels)
        return parts[0] if len(parts) == 1 else cls(sum(one.kept for one in parts), parts=parts)

    @classmethod
    def added(cls, funnels: Iterable[Funnel]) -> Funnel:
        """The funnel of the sides of one corpus: rows left out for the same reason are added.

        >>> sides = Funnel(10).without("empty", 1), Funnel(5).without("empty", 2)
        >>> str(Funnel.added(sides))
        '15 lines: 12 rows; left out: 3 empty'
        """
        sides = tuple(funnels)
        steps: dict[str, int] = {}
        for reason, count in (step for side in sides for step in side.steps):
            steps[reason] = steps.get(reason, 0) + count
        return cls(sum(side.start for side in sides), tuple(steps.items()))

    @property
    def kept(self) -> int:
        """Number of rows left after all steps."""
        return self.start - sum(count for _, count in self.steps)

    def without(self, reason: str, count: int) -> Funnel:
        """The funnel with an additional step; unchanged if the step leaves nothing out.

        Args:
            reason: Why rows are left out; completes "3 rows ...".
            count: Number of rows, at least 0.
        """
        return replace(self, steps=(*self.steps, (reason, count))) if count else self

    def __str__(self) -> str:
        start = " + ".join(map(str, self.parts)) or quantity(self.start, "line")
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in self.steps)
        return f"{start}: {quantity(self.kept, 'row')}; left out: {left_out}" if left_out else start
