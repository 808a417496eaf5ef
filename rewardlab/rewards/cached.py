"""A reward that remembers."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from rewardlab.errors import RewardUnavailable, shown
from rewardlab.types import (
    Candidate,
    ErrorSpan,
    Reward,
    RewardOutput,
    SeverityTable,
    Status,
    family_of,
    severities_of,
)

KEPT = frozenset({Status.OK, Status.REPAIRED, Status.NOT_APPLICABLE})
"""What is remembered; everything else is a failure, and tried again."""


@dataclass(frozen=True)
class Cached:
    """Another reward with a memory on disk: what it has scored before is not asked again.

    A row is known by the reward's signature and its key, so another model, option or version is
    another row, and one file serves any number of rewards and processes. Kept are scores with
    their spans and components, and "not applicable". A failure is not kept, be it the service's
    or the text's: it is tried again. Within one call rows of one key are asked once.

    ``components["cached"]`` is 1 where the answer was read. For the ensemble this is the reward
    itself: name, signature, family, key and ``worst`` are the reward's own.

    Attributes:
        reward: The reward.
        path: The file; its directory exists, on a disk of this machine.

    Raises:
        ValueError: The reward's rows have no keys (a plain function, a service whose signature
            nobody expects), so none could be told from another.
    """

    reward: Reward
    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if self.reward.key(Candidate("", "")) is None:
            raise ValueError(
                f"{self.reward.name} cannot be cached: nobody knows what its scores depend on"
            )

    @property
    def name(self) -> str:
        """The reward's."""
        return self.reward.name

    @property
    def signature(self) -> str:
        """The reward's: the numbers are the same."""
        return self.reward.signature

    @property
    def family(self) -> str:
        """The reward's."""
        return family_of(self.reward)

    @property
    def span_severities(self) -> SeverityTable:
        """The reward's."""
        return severities_of(self.reward)

    @property
    def needs_reference(self) -> bool:
        """The reward's."""
        return self.reward.needs_reference

    @property
    def worst(self) -> float:
        """The reward's."""
        return self.reward.worst

    def key(self, candidate: Candidate) -> Hashable | None:
        """The reward's."""
        return self.reward.key(candidate)

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates, asking the reward only about those it has not scored before.

        Raises:
            RewardUnavailable: The reward is gone, and no row was known.
            UserError: E352 the file is no score cache, or damaged; E210 it cannot be read or
                written.
            TypeError: A key holds what cannot be written as JSON.
        """
        from rewardlab.store.score_cache import score_cache  # sqlite, which few need

        if not candidates:
            return self.reward(candidates)
        cache = score_cache(self.path)
        signature = self.reward.signature
        # A row without a key is nobody's double: it goes by its number and is not remembered.
        names = [
            _address(signature, key) if (key := self.reward.key(candidate)) is not None else row
            for row, candidate in enumerate(candidates)
        ]
        lasting = [name for name in dict.fromkeys(names) if isinstance(name, bytes)]
        known = {name: _from_json(value) for name, value in cache.read(lasting).items()}
        fresh = {name: candidates[row] for row, name in enumerate(names) if name not in known}
        told = dict(zip(fresh, self._ask(list(fresh.values()), some=bool(known)), strict=True))
        cache.write(
            {
                name: _as_json(row)
                for name, row in told.items()
                if isinstance(name, bytes) and row.status in KEPT
            }
        )
        answers: dict[bytes | int, _Row] = {**known, **told}
        return _output(
            [answers[name] for name in names], cached=[float(name in known) for name in names]
        )

    def _ask(self, candidates: Sequence[Candidate], *, some: bool) -> list[_Row]:
        """The reward's own answers; its outage is its rows' only where others have answers."""
        if not candidates:
            return []
        try:
            output = self.reward(candidates)
        except RewardUnavailable:
            if not some:
                raise
            return [_Row(None, Status.UNAVAILABLE, None, {})] * len(candidates)
        parts = {name: values.tolist() for name, values in output.components.items()}
        spans = output.spans or [None] * len(output.status)
        return [
            _Row(
                score=score if status.scored else None,
                status=status,
                spans=spans[row],
                parts={name: values[row] for name, values in parts.items()},
            )
            for row, (score, status) in enumerate(
                zip(output.scores.tolist(), output.status, strict=True)
            )
        ]


class _Row(NamedTuple):
    """What a reward said about one row."""

    score: float | None
    status: Status
    spans: list[ErrorSpan] | None
    parts: Mapping[str, float]


def _output(rows: Sequence[_Row], *, cached: Sequence[float]) -> RewardOutput:
    names = dict.fromkeys(name for row in rows for name in row.parts)
    parts = {name: [row.parts.get(name, math.nan) for row in rows] for name in names}
    return RewardOutput.of(
        [row.score for row in rows],
        status=[row.status for row in rows],
        spans=(
            None if all(row.spans is None for row in rows) else [row.spans or [] for row in rows]
        ),
        components={name: np.array(part) for name, part in {**parts, "cached": cached}.items()},
    )


def _address(signature: str, key: Hashable) -> bytes:
    """Names a row of a reward: a sha256 over both.

    Raises:
        TypeError: The key holds something else than texts, numbers, None and tuples of them.
    """
    text = json.dumps([signature, _plain(key)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def _plain(key: object) -> object:
    """The same as JSON writes it, each kind of value in its own way."""
    if isinstance(key, tuple):
        return [_plain(part) for part in cast("tuple[object, ...]", key)]
    if not isinstance(key, str | int | float | None):
        raise TypeError(f"a key that holds {shown(key)} ({type(key).__name__}) cannot be cached")
    return key


def _as_json(row: _Row) -> dict[str, Any]:
    spans = row.spans if row.spans is None else [asdict(span) for span in row.spans]
    parts = {name: part if math.isfinite(part) else None for name, part in row.parts.items()}
    return {"score": row.score, "status": row.status.value, "spans": spans, "parts": parts}


def _from_json(value: Mapping[str, Any]) -> _Row:
    spans = value["spans"]
    return _Row(
        score=value["score"],
        status=Status(value["status"]),
        spans=None if spans is None else [ErrorSpan(**span) for span in spans],
        parts={name: math.nan if part is None else part for name, part in value["parts"].items()},
    )
