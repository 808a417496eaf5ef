"""A reward behind HTTP: a model on another machine, asked in batches across callers.

`rewardlab.rewards.remote_protocol` is the wire format; `rewardlab.rewards.remote_client` makes,
repeats and splits the requests.
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rewardlab.errors import RewardUnavailable, finite
from rewardlab.generate.services import address_problem
from rewardlab.rewards.base import BaseReward
from rewardlab.rewards.remote_protocol import FIELDS, KEY, LIBRARIES, LONGEST_TEXT, Result
from rewardlab.types import Candidate, RewardOutput, Status

if TYPE_CHECKING:
    from rewardlab.rewards.remote_client import Call


@dataclass(frozen=True, kw_only=True)
class Remote(BaseReward):
    """The scores of a service, over HTTP.

    Rows that arrive within a few milliseconds are sent as one request, so the rows of threads and
    coroutines that score one row each are batched. A request that fails for a reason that may pass
    (no connection, 408, 409, 425, 429, 5xx, an invalid answer) is repeated with jitter. A request
    that is refused because of its content (400, 413, 422) is split until the row that causes the
    refusal is alone. A row without an answer ``timeout`` seconds after the call is ``UNAVAILABLE``;
    if no row has an answer, the reward is unavailable, with the reason.

    The service states a signature. With ``expects`` no other signature is accepted, and the scores
    can be cached. Without ``expects``, the process expects the first signature that it sees from
    then on: if the service changes, rows become unavailable, and scores are never mixed.

    A bearer token is read from the environment variable ``REWARDLAB_REMOTE_KEY``.

    Attributes:
        name: Unique within an ensemble; used in metric names and tables.
        url: Where rows are posted; no user name, password or query.
        worst: The lowest score that the service gives, in its units; the score of a gated row.
        needs_reference: The service reads references; rows without one are not sent.
        expects: The signature that the service must state; empty accepts the first one.
        timeout: Maximum seconds for one call, retries included.
        batch_size: Maximum number of rows in one request.
        concurrency: Maximum number of simultaneous requests.
        attempts: Maximum number of requests for one row.

    Raises:
        ValueError: The URL is invalid or contains a password, or a number is out of range.
    """

    name: str = "remote"
    url: str
    worst: float
    needs_reference: bool = False  # pyright: ignore[reportIncompatibleMethodOverride]
    expects: str = ""
    timeout: float = 120.0
    batch_size: int = 64
    concurrency: int = 8
    attempts: int = 4

    libraries: ClassVar[tuple[str, ...]] = LIBRARIES

    @property
    def bounds(self) -> tuple[float, float]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """From ``worst`` on; the highest score is the service's to know."""
        return self.worst, math.inf

    def __post_init__(self) -> None:
        example = "http://localhost:8000/score"
        if problem := address_problem(self.url, variable=KEY, example=example):
            raise ValueError("; ".join(problem))
        if not finite(self.worst):
            raise ValueError(f"worst={self.worst} must be finite")
        if not 0 < self.timeout < math.inf:
            raise ValueError(f"timeout={self.timeout} must be a number of seconds above 0")
        for option in ("batch_size", "concurrency", "attempts"):
            if getattr(self, option) < 1:
                raise ValueError(f"{option}={getattr(self, option)} must be at least 1")

    learned = True

    @property
    def reads(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The fields that are sent."""
        return tuple(name for name in FIELDS if name != "reference" or self.needs_reference)

    def key(self, candidate: Candidate) -> Hashable | None:
        """The values of the sent fields; None without ``expects``: the service may change."""
        return super().key(candidate) if self.expects else None

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates; any number of threads may call at once.

        Raises:
            RewardUnavailable: No row got an answer; the message gives the reason for the last row.
            UserError: E353, a library is missing; exit code 2.
        """
        call = self._call(candidates)
        try:
            with suppress(TimeoutError):  # rows without an answer become unavailable
                call.done.result(max(0.0, call.deadline - time.monotonic()))
        finally:
            call.expired = True
        return _output(call)

    async def score(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """The same as `__call__`, for coroutines; any number of them may wait at once.

        Raises:
            RewardUnavailable: As for `__call__`.
            UserError: As for `__call__`.
        """
        import asyncio  # takes 25 ms, and few need it

        call = self._call(candidates)
        waiting = asyncio.wrap_future(call.done)
        try:
            await asyncio.wait([waiting], timeout=max(0.0, call.deadline - time.monotonic()))
        finally:
            call.expired = True
        return _output(call)

    def _call(self, candidates: Sequence[Candidate]) -> Call:
        from rewardlab.rewards.remote_client import Call, Item, Options, service_of

        options = Options(*(getattr(self, option) for option in Options._fields))
        service = service_of(options) if candidates else None  # the first call loads certificates
        call = Call(time.monotonic() + self.timeout, len(candidates))
        items: list[Item] = []
        for row, candidate in enumerate(candidates):
            status = self._unasked(candidate)
            if status is None:
                texts = {name: getattr(candidate, name) for name in self.reads}
                items.append(Item(call, row, dict.fromkeys(FIELDS) | texts))
            else:
                call.results[row] = Result(id="", score=None, status=status)
        call.left = len(items)
        if items and service is not None:
            service.submit(items)
        else:
            call.done.set_result(None)
        return call

    def _unasked(self, candidate: Candidate) -> Status | None:
        """The status of a row that is not sent; None if it is sent."""
        if self.needs_reference and candidate.reference is None:
            return Status.NOT_APPLICABLE
        if max(len(candidate.source), len(candidate.reference or "")) > LONGEST_TEXT:
            return Status.NOT_APPLICABLE
        return Status.TRUNCATED if len(candidate.hypothesis) > LONGEST_TEXT else None


def _output(call: Call) -> RewardOutput:
    """The results of a call; rows without an answer are unavailable.

    Raises:
        RewardUnavailable: All rows are unavailable.
    """
    results = dict(call.results)  # a late answer may still arrive
    rows = [results.get(row, "no answer in time") for row in range(call.rows)]
    reasons = [row for row in rows if isinstance(row, str)]
    if reasons and len(reasons) == len(rows):
        raise RewardUnavailable(reasons[-1])
    unanswered = Result(id="", score=None, status=Status.UNAVAILABLE)
    answers = [unanswered if isinstance(row, str) else row for row in rows]
    no_spans = all(one.spans is None for one in answers)
    return RewardOutput.of(
        [one.score for one in answers],
        status=[one.status for one in answers],
        spans=None if no_spans else [one.spans or [] for one in answers],
    )
