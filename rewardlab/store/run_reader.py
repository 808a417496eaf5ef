"""Reads the logs of a run directory, also while the run writes them or after it was killed.

What a killed run has left may be incomplete: half a line at the end of ``metrics.jsonl``, half a
file in ``tokens/``. A run that was resumed from a checkpoint has logged some steps twice.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from rewardlab.store.lock import is_held

METRICS, TOKENS = "metrics.jsonl", "tokens"
FRESH = 120.0
"""A run without a lock file that wrote something in the last seconds is taken to be running."""
SLOW = 5
"""So is one that is late by no more than this many times the time between its last two lines."""
COLUMNS = frozenset(
    {"source", "hypothesis", "spans", "rewards", "scores", "statuses"}
    | {"token_starts", "token_ends", "token_advantages"}
)
"""Columns without which a file of samples is not shown."""
_TOKEN_FILE = re.compile(r"tokens_(\d+)-(\d+)\.parquet")
State: TypeAlias = Literal["finished", "stopped", "running", "killed", "unfinished"]


class Steps(NamedTuple):
    """The logged steps of a run.

    Attributes:
        rows: One mapping per step in ascending order: ``step``, and everything logged for it. A
            value that is not finite is None.
        resumed: Steps at which the run was resumed; what was logged before for later steps is left
            out.
        damaged: Lines that could not be read, not counting an unfinished last line.
    """

    rows: list[dict[str, Any]]
    resumed: tuple[int, ...] = ()
    damaged: int = 0

    @property
    def last(self) -> int:
        """The last step; 0 if there is none."""
        return int(self.rows[-1]["step"]) if self.rows else 0

    def series(self, name: str) -> list[float | None]:
        """The values of a metric at every step, None where it was not logged."""
        return [_number(row.get(name)) for row in self.rows]

    def points(self, name: str) -> list[tuple[int, float]]:
        """The steps at which a metric was logged, with its values."""
        values = zip(self.rows, self.series(name), strict=True)
        return [(int(row["step"]), value) for row, value in values if value is not None]


class Sampled(NamedTuple):
    """The completions of one step, as ``tokens/`` has them.

    Attributes:
        step: The step; 0 without rows.
        rows: One mapping per completion, see `rewardlab.trainers.run_log`.
        unreadable: Newer files that could not be read.
    """

    step: int
    rows: list[dict[str, Any]]
    unreadable: tuple[str, ...] = ()


def read_steps(path: Path) -> Steps:
    """The steps in a ``metrics.jsonl``; none if there is no such file.

    Args:
        path: The file.

    Raises:
        OSError: The file exists and cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return Steps([])
    by_step: dict[int, dict[str, Any]] = {}
    resumed: list[int] = []
    damaged, last = 0, -1
    lines = text.split("\n")
    for at, line in enumerate(lines):
        found = _logged(line)
        if found is None:
            damaged += bool(line.strip()) and at < len(lines) - 1
            continue
        step = found["step"]
        if step < last:
            resumed.append(step)
            by_step = {known: row for known, row in by_step.items() if known < step}
        by_step.setdefault(step, {}).update(found)
        last = step
    return Steps([by_step[step] for step in sorted(by_step)], tuple(resumed), damaged)


def read_sampled(run: Path, *, last_step: int | None = None) -> Sampled:
    """The completions of the latest step that can be read.

    Args:
        run: The run directory.
        last_step: Ignore later steps: those of a run that was resumed before them.
    """
    by_step: dict[int, list[Path]] = {}
    for path in sorted(run.glob(f"{TOKENS}/*.parquet")):
        if (found := _TOKEN_FILE.fullmatch(path.name)) is not None:
            by_step.setdefault(int(found[1]), []).append(path)
    unreadable: list[str] = []
    for step in sorted(by_step, reverse=True):
        if last_step is None or step <= last_step:
            rows = [row for path in by_step[step] for row in _rows(path, unreadable)]
            if rows:
                return Sampled(step, rows, tuple(unreadable))
    return Sampled(0, [], tuple(unreadable))


def state_of(
    run: Path,
    *,
    results: Sequence[str],
    steps: Steps,
    locks: Sequence[Path] = (),
    always_locked: bool = False,
) -> State:
    """What became of a run.

    Args:
        run: The run directory.
        results: Files or directories of which each is written at the end of a run.
        steps: Its steps.
        locks: Lock files that a process holds while it works on the run.
        always_locked: Whether a process that works on the run holds one of them all the time.
            Otherwise a run without a lock file is taken to be running if it has written lately.

    Returns:
        ``finished``; ``stopped``, by a signal, with a saved model; ``running``; ``killed``, which
        a lock file shows that nobody holds; ``unfinished``, without a result or a process: it was
        interrupted, or an error ended it.
    """
    if any((run / name).exists() for name in results):
        return "finished"
    if (run / "stopped").is_dir():
        return "stopped"
    left = [lock for lock in locks if lock.exists()]
    if left:
        return "running" if any(map(is_held, left)) else "killed"
    if always_locked:
        return "unfinished"
    between = [row.get("step_time") for row in steps.rows[-2:]]
    waits = [SLOW * value * _stride(steps) for value in map(_number, between) if value is not None]
    return "running" if silence(run) < max([FRESH, *waits]) else "unfinished"


def silence(run: Path) -> float:
    """Seconds since the run last wrote one of its logs; since anything, if it has none."""
    logs = [*run.glob(METRICS), *run.glob(f"stages/*/{METRICS}"), *run.glob("journal.sqlite*")]
    files = logs or [path for path in run.iterdir() if path.is_file()] or [run]
    return max(0.0, time.time() - max(path.stat().st_mtime for path in files))


def _logged(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    known = isinstance(found, dict) and isinstance(found.get("step"), int)
    return found if known else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _rows(path: Path, unreadable: list[str]) -> Iterator[dict[str, Any]]:
    """The rows of a parquet file; of a damaged one none, and its name is noted."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError):
        table = None
    if table is None or not COLUMNS.issubset(table.column_names):
        unreadable.append(path.name)
    else:
        yield from table.to_pylist()


def _stride(steps: Steps) -> int:
    """Number of steps between the last two lines."""
    return (
        max(1, int(steps.rows[-1]["step"]) - int(steps.rows[-2]["step"]))
        if len(steps.rows) > 1
        else 1
    )
