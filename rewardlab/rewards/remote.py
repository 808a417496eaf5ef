"""A reward behind HTTP: a model on another machine, asked in batches whoever calls.

What travels is `rewardlab.rewards.remote_protocol`; how requests are made, repeated and split is
`rewardlab.rewards.remote_client`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rewardlab.errors import RewardUnavailable, shown
from rewardlab.rewards.base import BaseReward
from rewardlab.rewards.remote_protocol import FIELDS, KEY, LONGEST_TEXT, Result
from rewardlab.types import Candidate, RewardOutput, Status

if TYPE_CHECKING:
    from rewardlab.rewards.remote_client import Call


@dataclass(frozen=True, kw_only=True)
class Remote(BaseReward):
    """Whatever a service says, asked over HTTP.

    Items of callers that come within a few milliseconds go out as one request, so threads and
    coroutines that score one row each still make batches. A request that fails in a way that may
    pass (no connection, 408, 425, 429, 5xx, an answer that is none) is repeated with jitter; one
    that is refused because of what it holds (400, 413, 422) is split until the row that it is
    about stands alone. What has no answer within ``timeout`` seconds of the call is
    ``UNAVAILABLE``; if nothing has, `rewardlab.errors.RewardUnavailable` is raised with the reason.

    The service states a signature. Give it as ``expects``, and no other is accepted: then the
    scores can be cached. Without it the first one that this process sees is the one, and when the
    service changes its rows become unavailable rather than mixed.

    A bearer token is read from the environment variable ``REWARDLAB_REMOTE_KEY``.

    Attributes:
        name: Unique within an ensemble; stands in metric names and tables.
        url: Where items are posted; no user name, password or query.
        worst: The lowest score that the service gives, in its units: what a gated row gets.
        needs_reference: The service reads references; rows without one are not sent.
        expects: The signature that the service must state; empty takes the first.
        timeout: Seconds that one call may take in all, whatever happens.
        batch_size: Items of one request at most.
        concurrency: Requests under way at once.
        attempts: Requests for one item at most.

    Raises:
        ValueError: The URL is none, or holds a password; a number is out of range.
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

    def __post_init__(self) -> None:
        if problem := _url_problem(self.url):
            raise ValueError(problem)
        if not math.isfinite(self.worst):
            raise ValueError(f"worst={self.worst} must be finite")
        if not 0 < self.timeout < math.inf:
            raise ValueError(f"timeout={self.timeout} must be a number of seconds above 0")
        for option in ("batch_size", "concurrency", "attempts"):
            if getattr(self, option) < 1:
                raise ValueError(f"{option}={getattr(self, option)} must be at least 1")

    @property
    def reads(self) -> tuple[str, ...]:
        """What is sent."""
        return tuple(name for name in FIELDS if name != "reference" or self.needs_reference)

    def key(self, candidate: Candidate) -> Hashable | None:
        """What is sent; None where nobody has said which service answers."""
        return super().key(candidate) if self.expects else None

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates; any number of threads may call at once.

        Raises:
            RewardUnavailable: No row got an answer; says why the last one did not.
            UserError: E353, a library is missing; exit code 2.
        """
        call = self._call(candidates)
        try:
            call.done.result(max(0.0, call.deadline - time.monotonic()))
        except TimeoutError:
            pass  # rows without an answer are told so
        finally:
            call.expired = True
        return _output(call)

    async def score(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """As calling it, for coroutines; any number of them.

        Raises:
            RewardUnavailable: As calling it.
            UserError: As calling it.
        """
        import asyncio  # 25 ms that few need

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
        service = service_of(options) if candidates else None  # at first it loads certificates
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
        """What becomes of a row that is not worth sending; None for all others."""
        if self.needs_reference and candidate.reference is None:
            return Status.NOT_APPLICABLE
        if max(len(candidate.source), len(candidate.reference or "")) > LONGEST_TEXT:
            return Status.NOT_APPLICABLE
        return Status.TRUNCATED if len(candidate.hypothesis) > LONGEST_TEXT else None


def _url_problem(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.username or parts.password:
        return (
            "the URL holds a user name or password, which logs would record; "
            f"put a token into the environment variable {KEY}"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        return f"{shown(url)} is no address of a service; for example http://localhost:8000/score"
    return None


def _output(call: Call) -> RewardOutput:
    """What a call got; rows without an answer are unavailable.

    Raises:
        RewardUnavailable: All of them are.
    """
    got = dict(call.results)  # a late answer may still come in
    rows = [got.get(row, "no answer in time") for row in range(call.rows)]
    reasons = [row for row in rows if isinstance(row, str)]
    if reasons and len(reasons) == len(rows):
        raise RewardUnavailable(reasons[-1])
    results = [None if isinstance(row, str) else row for row in rows]
    silent = all(one is None or one.spans is None for one in results)
    return RewardOutput.of(
        [None if one is None else one.score for one in results],
        status=[Status.UNAVAILABLE if one is None else one.status for one in results],
        spans=None if silent else [[] if one is None else one.error_spans() for one in results],
    )
