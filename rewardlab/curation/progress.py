"""How far a stage has come, how fast it is, and how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

Clock = Callable[[], float]


class Progress:
    """Rows that are done of all rows of a stage.

    Rows that an earlier process did count as done, and not for the rate.

    Args:
        clock: Seconds from an arbitrary time.

    >>> times = iter([0.0, 0.0, 20.0])
    >>> progress = Progress(lambda: next(times))
    >>> progress.begin("2 gain", 100)
    >>> progress.add(10, known=True)
    >>> progress.add(30)
    >>> str(progress)
    '2 gain: 40 of 100 rows, 1.5 a second, 0:00:40 left'
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.begin("", 0)

    def begin(self, stage: str, total: int) -> None:
        """A stage begins.

        Args:
            stage: Its name.
            total: Rows that it looks at.
        """
        self._stage, self._total, self._done, self._known = stage, total, 0, 0
        self._began = self._clock()

    def add(self, rows: int, *, known: bool = False) -> None:
        """Rows are done.

        Args:
            rows: How many.
            known: An earlier process did them.
        """
        self._done += rows
        self._known += rows if known else 0

    def __str__(self) -> str:
        line = f"{self._stage}: {self._done:,} of {self._total:,} rows"
        fresh = self._done - self._known
        if not fresh or self._done >= self._total:
            return line
        rate = fresh / max(1e-9, self._clock() - self._began)
        left = timedelta(seconds=round((self._total - self._done) / rate))
        return f"{line}, {rate:.1f} a second, {left} left"
