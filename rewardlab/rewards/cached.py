"""A reward with a cache on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

from rewardlab import composing
from rewardlab.arguments import Checked
from rewardlab.errors import RewardUnavailable, shown
from rewardlab.json_values import json_value
from rewardlab.rewards.base import reads_of
from rewardlab.types import (
    Candidate,
    ErrorSpan,
    Reward,
    RewardOutput,
    SeverityTable,
    Status,
    bounds_of,
    family_of,
    marks_spans,
    severities_of,
)

KEPT = frozenset({Status.OK, Status.REPAIRED, Status.NOT_APPLICABLE})
"""Statuses that are stored; the others are failures, which are tried again."""


@dataclass(frozen=True)
class Cached(metaclass=Checked):
    """Another reward with a cache on disk: a row that was scored before is not scored again.

    A row is identified by the reward's signature and the row's key, so a different model, option or
    version means a different row, and one file serves any number of rewards and processes. Scores
    are stored with their spans and components, and so is "not applicable". Failures are not stored,
    so these rows are tried again. Rows with equal keys are scored once per call.

    ``components["cached"]`` is 1 if the score was read from the file. Name, signature, family, key,
    ``worst`` and ``bounds`` are those of the wrapped reward.

    Attributes:
        reward: The wrapped reward.
        path: The cache file, in an existing directory on a local disk.

    Raises:
        UserError: E107, ``reward`` is no reward.
        ValueError: The reward has no keys (a plain function, a service without ``expects``), so
            rows cannot be told apart.
    """

    reward: Reward
    path: Path

    def __post_init__(self) -> None:
        composing.raise_if_any(composing.reward_problems(self.reward, "Cached"))
        object.__setattr__(self, "path", Path(self.path))
        if self.reward.key(Candidate("", "")) is None:
            raise ValueError(
                f"{self.reward.name} cannot be cached: it is not known what its scores depend on"
            )

    @property
    def name(self) -> str:
        """The reward's."""
        return self.reward.name

    @property
    def signature(self) -> str:
        """The reward's signature: the numbers are the same."""
        return self.reward.signature

    @property
    def reads(self) -> tuple[str, ...]:
        """The reward's."""
        return reads_of(self.reward)

    @property
    def family(self) -> str:
        """The reward's."""
        return family_of(self.reward)

    @property
    def learned(self) -> bool | None:
        """The reward's; None if it does not say."""
        return getattr(self.reward, "learned", None)

    @property
    def span_severities(self) -> SeverityTable:
        """The reward's."""
        return severities_of(self.reward)

    @property
    def needs_reference(self) -> bool:
        """The reward's."""
        return self.reward.needs_reference

    @property
    def bounds(self) -> tuple[float, float]:
        """The reward's."""
        return bounds_of(self.reward)

    @property
    def finds_spans(self) -> bool | None:
        """The reward's."""
        return marks_spans(self.reward)

    @property
    def by_script(self) -> bool:
        """The reward's; False if it does not say."""
        return getattr(self.reward, "by_script", False)

    @property
    def worst(self) -> float:
        """The reward's."""
        return self.reward.worst

    def key(self, candidate: Candidate) -> Hashable | None:
        """The reward's."""
        return self.reward.key(candidate)

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates, calling the reward only for those that are not in the file.

        Raises:
            RewardUnavailable: The reward is unavailable, and no row was in the file.
            UserError: E352 the file is not a score cache, or is damaged; E210 the file cannot be
                read or written.
            TypeError: A key contains a value that cannot be written as JSON.
        """
        from rewardlab.store.score_cache import score_cache  # loads sqlite, and few need it

        if not candidates:
            return self.reward(candidates)
        cache = score_cache(self.path)
        signature = self.reward.signature
        # A row without a key is identified by its number, and is not stored.
        names = [
            _address(signature, key) if (key := self.reward.key(candidate)) is not None else row
            for row, candidate in enumerate(candidates)
        ]
        known = cache.read([name for name in dict.fromkeys(names) if isinstance(name, bytes)])
        fresh = {name: candidates[row] for row, name in enumerate(names) if name not in known}
        scored = dict(zip(fresh, self._score(list(fresh.values()), some=bool(known)), strict=True))
        cache.write(
            {
                name: row
                for name, row in scored.items()
                if isinstance(name, bytes) and row["status"] in KEPT
            }
        )
        answers: dict[bytes | int, _Row] = {**known, **scored}
        return _output(
            [answers[name] for name in names], cached=[float(name in known) for name in names]
        )

    def _score(self, candidates: Sequence[Candidate], *, some: bool) -> list[_Row]:
        """The reward's scores; all unavailable if the reward is and ``some`` rows were cached."""
        if not candidates:
            return []
        try:
            return _rows(self.reward(candidates))
        except RewardUnavailable:
            if not some:
                raise
            nothing = RewardOutput.of([None], status=[Status.UNAVAILABLE])
            return _rows(nothing) * len(candidates)


_Row: TypeAlias = "dict[str, Any]"
"""One row of an output as JSON: ``score``, ``status``, ``spans`` and ``parts``; NaN is null."""


def _rows(output: RewardOutput) -> list[_Row]:
    return [
        json_value(
            {
                "score": score,
                "status": status,
                "spans": None if output.spans is None else output.spans[row],
                "parts": {name: values[row] for name, values in output.components.items()},
            }
        )
        for row, (score, status) in enumerate(zip(output.scores, output.status, strict=True))
    ]


def _output(rows: Sequence[_Row], *, cached: Sequence[float]) -> RewardOutput:
    names = dict.fromkeys(name for row in rows for name in row["parts"])
    parts = {name: [row["parts"].get(name) for row in rows] for name in names} | {"cached": cached}
    spans = [[ErrorSpan(**span) for span in row["spans"] or []] for row in rows]
    return RewardOutput.of(
        [row["score"] for row in rows],
        status=[Status(row["status"]) for row in rows],
        spans=None if all(row["spans"] is None for row in rows) else spans,
        components={name: np.array(part, dtype=np.float64) for name, part in parts.items()},
    )


def _address(signature: str, key: Hashable) -> bytes:
    """The key of a row in the file: a sha256 of the reward's signature and the row's key.

    Raises:
        TypeError: The key contains a value other than texts, numbers, None and tuples of these.
    """
    text = json.dumps([signature, _plain(key)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def _plain(key: object) -> object:
    """A key as JSON; values of different types stay different."""
    if isinstance(key, tuple):
        return [_plain(part) for part in cast("tuple[object, ...]", key)]
    if not isinstance(key, str | int | float | None):
        raise TypeError(f"a key that holds {shown(key)} ({type(key).__name__}) cannot be cached")
    return key
