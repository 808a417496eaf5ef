"""How an ensemble calls one reward: threads, duplicates, outages, contract, failure rates."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Hashable, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import NamedTuple

from rewardlab.errors import RewardFailed, RewardUnavailable, TooManyFailures, UserError
from rewardlab.generate.services import Breaker
from rewardlab.types import Candidate, Reward, RewardOutput, Status

BREAKER_AFTER = 3
"""Number of outages in a row after which a reward is not called for `BREAKER_SECONDS`."""
BREAKER_SECONDS = 30.0
TALLY_ROWS = 512
"""Failure rates are over this many latest rows, and need at least an eighth of this number."""
_log = logging.getLogger(__name__)


class _Call(NamedTuple):
    """One call of one reward.

    Attributes:
        unique: The candidates with distinct keys.
        place: For each row, the index of its candidate in ``unique``.
        answer: What the reward returns or raises.
    """

    unique: list[Candidate]
    place: list[int]
    answer: Future[object]


def _in_thread(reward: Reward, candidates: list[Candidate]) -> Future[object]:
    """Call a reward in its own thread.

    The threads are daemons, unlike an executor's, so that a reward that hangs forever does not
    keep the process from ending.
    """
    answer: Future[object] = Future()

    def work() -> None:
        try:
            answer.set_result(reward(candidates))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            answer.set_exception(error)

    threading.Thread(target=work, name=f"reward {reward.name}", daemon=True).start()
    return answer


class RewardRunner:
    """Calls one reward: deduplication, circuit breaker, contract checks and failure rates."""

    def __init__(self, reward: Reward) -> None:
        self._reward = reward
        self._breaker = Breaker(BREAKER_AFTER, BREAKER_SECONDS)
        self._late: Future[object] | None = None
        self._latest: deque[Status] = deque(maxlen=TALLY_ROWS)

    def start(self, candidates: Sequence[Candidate]) -> _Call | None:
        """Begin scoring; None while the breaker is open or an earlier call hangs."""
        if self._breaker.is_open or (self._late is not None and not self._late.done()):
            return None
        unique, place = _unique(self._reward, candidates)
        if unique:
            return _Call(unique, place, _in_thread(self._reward, unique))
        nothing: Future[object] = Future()
        nothing.set_result(RewardOutput.of([], spans=[]))
        return _Call(unique, place, nothing)

    def finish(self, call: _Call, deadline: float) -> RewardOutput:
        """Wait for the answer and copy it to all rows, duplicates included."""
        done, _ = wait([call.answer], max(0.0, deadline - time.monotonic()))
        error = call.answer.exception() if done else None
        if not done or isinstance(error, RewardUnavailable):
            self._late = call.answer
            why = error or "it did not answer in time"
            _log.warning("reward %s is unavailable: %s", self._reward.name, why)
            self._breaker.record(failed=True)
            return unavailable(len(call.place))
        if isinstance(error, RewardFailed):
            raise error
        if isinstance(error, UserError):
            raise _named(self._reward, error) from error
        if error is not None:
            raise RewardFailed(f"reward {self._reward.name} raised {error!r}") from error
        if call.unique:
            self._breaker.record(failed=False)
        output = _checked(self._reward, call.unique, call.answer.result())
        return RewardOutput(
            scores=output.scores[call.place],
            status=[output.status[i] for i in call.place],
            spans=None if output.spans is None else [output.spans[i] for i in call.place],
            components={part: values[call.place] for part, values in output.components.items()},
        )

    def tally(self, status: Sequence[Status], max_unavailable: float, max_failed: float) -> None:
        """Stop the run if too many of the latest rows stayed unscored.

        Args:
            status: Statuses of the rows that the reward was asked about.
            max_unavailable: See `RewardEnsemble`.
            max_failed: See `RewardEnsemble`.
        """
        self._latest.extend(s for s in status if s is not Status.NOT_APPLICABLE)
        rows = len(self._latest)
        if rows < TALLY_ROWS // 8:
            return
        unavailable = sum(s is Status.UNAVAILABLE for s in self._latest) / rows
        failed = sum(s.failed for s in self._latest) / rows
        for rate, limit, fault in (
            (unavailable, max_unavailable, "unavailable"),
            (failed, max_failed, "unscored because of their text"),
        ):
            if rate > limit:
                raise TooManyFailures(
                    f"reward {self._reward.name}: {rate:.0%} of the latest {rows} rows were "
                    f"{fault}, more than the {limit:.0%} allowed"
                )


def _unique(reward: Reward, candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[int]]:
    """Candidates with distinct keys, and for each candidate the index of its key."""
    places: dict[Hashable, int] = {}
    unique: list[Candidate] = []
    place: list[int] = []
    for candidate in candidates:
        try:
            key = reward.key(candidate)
            known = None if key is None else places.setdefault(key, len(unique))
        except Exception as error:
            raise RewardFailed(f"key of reward {reward.name} raised {error!r}") from error
        if known is None or known == len(unique):
            unique.append(candidate)
        place.append(len(unique) - 1 if known is None else known)
    return unique, place


def _named(reward: Reward, error: UserError) -> UserError:
    """The same error, with the reward's name in each problem."""
    problems = [replace(one, where=f"{reward.name}: {one.where}") for one in error.problems]
    return UserError(problems, error.exit_code)


def unavailable(rows: int) -> RewardOutput:
    """The output of a reward that did not answer: ``rows`` rows, all of them unavailable."""
    return RewardOutput.of([None] * rows, status=[Status.UNAVAILABLE] * rows)


def _checked(reward: Reward, candidates: Sequence[Candidate], output: object) -> RewardOutput:
    """Check that a reward kept its contract; a violation is a bug and stops the run."""
    if not isinstance(output, RewardOutput):
        raise RewardFailed(
            f"reward {reward.name} returned {type(output).__name__}, not RewardOutput; "
            "wrap a plain function in FromFunction"
        )
    if len(output.status) != len(candidates):
        raise RewardFailed(
            f"reward {reward.name} returned {len(output.status)} scores for "
            f"{len(candidates)} candidates"
        )
    for candidate, spans in zip(candidates, output.spans or [], strict=output.spans is not None):
        for span in spans:
            text = candidate.hypothesis if span.side == "hypothesis" else candidate.source
            if span.end > len(text):
                raise RewardFailed(
                    f"reward {reward.name} marked [{span.start}, {span.end}) in a {span.side} "
                    f"of {len(text)} characters"
                )
    return output
