"""The reward ensemble: runs every term, closes gates, collects scores, spans and statuses.

It knows no group and no token. It marks what became of each row; what a failure costs is decided
in `rewardlab.advantages`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rewardlab.errors import RewardFailed, RewardUnavailable, TooManyFailures, UserError
from rewardlab.types import (
    Candidate,
    ErrorSpan,
    Gate,
    Reward,
    RewardOutput,
    Scores,
    Status,
    Term,
)

BREAKER_AFTER = 3
"""Outages in a row after which a reward is left alone for `BREAKER_SECONDS`."""
BREAKER_SECONDS = 30.0
TALLY_ROWS = 512
"""Failure rates are taken over this many latest rows, and over no fewer than an eighth of it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RewardEnsemble:
    """Several rewards over the same candidates, each with its weights.

    Rewards run at the same time, one thread each, so that a call costs about its slowest waiting
    reward. A candidate whose `Reward.key` was seen in the same call is scored once. The settings
    are frozen; outages and failure rates are remembered from call to call.

    Attributes:
        terms: The rewards and their weights; names must differ.
        gates: Guards run first; a row that fails one gets ``worst`` on every term, and one error
            span over the whole text, without the terms being asked.
        timeout: Seconds a term may take in one call before its rows count as unavailable.
        max_unavailable: Share of the latest rows that may stay unscored through our fault.
        max_failed: Share of the latest rows that may stay unscored through the text's fault.

    Raises:
        TypeError: A bare reward stands where a term should.
        ValueError: No terms, or two with one name.
    """

    terms: Sequence[Term]
    gates: Sequence[Gate] = ()
    timeout: float = 600.0
    max_unavailable: float = 0.5
    max_failed: float = 0.5
    _runners: tuple[_Runner, ...] = field(init=False, repr=False, compare=False)
    _gate_runners: tuple[_Runner, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("an ensemble needs at least one term")
        for term in self.terms:
            if not isinstance(term, Term):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(
                    f"{type(term).__name__} is no Term; write Term({term!r}, weight=1.0)"
                )
        names = [term.reward.name for term in self.terms]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rewards are named {twice[0]!r}; give one another name=")
        object.__setattr__(self, "_runners", tuple(_Runner(t.reward) for t in self.terms))
        object.__setattr__(self, "_gate_runners", tuple(_Runner(g.reward) for g in self.gates))

    @property
    def names(self) -> tuple[str, ...]:
        """The R reward names, in order."""
        return tuple(term.reward.name for term in self.terms)

    @property
    def signature(self) -> str:
        """One line per term and gate: weights, severity table and the reward's own signature."""
        terms = [
            f"{t.reward.signature} weight:{t.weight:g} token_weight:{t.token_weight:g} "
            f"severities:{t.span_severities.name}"
            for t in self.terms
        ]
        return "\n".join(
            terms + [f"gate {g.reward.signature} below:{g.below:g}" for g in self.gates]
        )

    def __call__(self, candidates: Sequence[Candidate]) -> Scores:
        """Score N candidates.

        Raises:
            RewardFailed: A reward raised or broke its contract; carries its name.
            UserError: What a reward was given cannot be used; carries its name.
            TooManyFailures: A reward left too many of the latest rows unscored.
        """
        gated, blind = self._close_gates(candidates)
        asked = [
            [
                row
                for row, candidate in enumerate(candidates)
                if _applies(term, candidate) and gated[row] is None and not blind[row]
            ]
            for term in self.terms
        ]
        outputs = self._run(self._runners, candidates, asked)
        columns = [
            _column(term, candidates, asked=rows, output=output, gated=gated, blind=blind)
            for term, rows, output in zip(self.terms, asked, outputs, strict=True)
        ]
        return Scores(
            names=self.names,
            values=np.stack([values for values, _, _ in columns], axis=1),
            status=[list(row) for row in zip(*(status for _, status, _ in columns), strict=True)],
            spans=[list(row) for row in zip(*(spans for _, _, spans in columns), strict=True)],
            gated=gated,
            weights=np.array([term.weight for term in self.terms], dtype=np.float64),
            token_weights=np.array([term.token_weight for term in self.terms], dtype=np.float64),
            severities=tuple(term.span_severities for term in self.terms),
            signature=self.signature,
            components=_components(self.names, outputs, asked, rows=len(candidates)),
        )

    def _close_gates(self, candidates: Sequence[Candidate]) -> tuple[list[str | None], list[bool]]:
        """For each row the first gate that closed on it, and whether a gate was unavailable.

        A gate that the text broke is closed; one that does not apply is open; one that is down
        leaves the row unjudged, which is our fault and not the text's.
        """
        asked = [
            [row for row, candidate in enumerate(candidates) if _applies(gate, candidate)]
            for gate in self.gates
        ]
        outputs = self._run(self._gate_runners, candidates, asked)
        gated: list[str | None] = [None] * len(candidates)
        blind = [False] * len(candidates)
        for gate, rows, output in zip(self.gates, asked, outputs, strict=True):
            for row, score, status in zip(rows, output.scores, output.status, strict=True):
                blind[row] |= status is Status.UNAVAILABLE
                closed = status.failed or (status.scored and score < gate.below)
                if closed and gated[row] is None:
                    gated[row] = gate.reward.name
        return gated, blind

    def _run(
        self,
        runners: Sequence[_Runner],
        candidates: Sequence[Candidate],
        asked: Sequence[Sequence[int]],
    ) -> list[RewardOutput]:
        """Ask every runner about its rows, all at once, within the deadline."""
        calls = [
            runner.start([candidates[row] for row in rows])
            for runner, rows in zip(runners, asked, strict=True)
        ]
        deadline = time.monotonic() + self.timeout
        outputs = [
            runner.finish(call, deadline) for runner, call in zip(runners, calls, strict=True)
        ]
        for runner, output in zip(runners, outputs, strict=True):
            runner.tally(output.status, self.max_unavailable, self.max_failed)
        return outputs


_Column = tuple[NDArray[np.float64], list[Status], list[list[ErrorSpan]]]


def _applies(asked: Term | Gate, candidate: Candidate) -> bool:
    try:
        return asked.applies(candidate)
    except Exception as error:
        raise RewardFailed(f"applies of reward {asked.reward.name} raised {error!r}") from error


def _column(
    term: Term,
    candidates: Sequence[Candidate],
    *,
    asked: Sequence[int],
    output: RewardOutput,
    gated: Sequence[str | None],
    blind: Sequence[bool],
) -> _Column:
    """Put one term's answers back in their rows, and fill in the rows it was not asked about."""
    values = np.full(len(candidates), np.nan)
    status = [Status.NOT_APPLICABLE] * len(candidates)
    spans: list[list[ErrorSpan]] = [[] for _ in candidates]
    for place, row in enumerate(asked):
        values[row], status[row] = output.scores[place], output.status[place]
        if output.spans is not None:
            spans[row] = output.spans[place]
    for row, candidate in enumerate(candidates):
        if not _applies(term, candidate):
            continue
        if blind[row]:
            status[row] = Status.UNAVAILABLE
        elif (gate := gated[row]) is not None:
            values[row], status[row] = term.reward.worst, Status.OK
            spans[row] = [_whole_text(candidate, gate)]
    return values, status, spans


def _components(
    names: Sequence[str],
    outputs: Sequence[RewardOutput],
    asked: Sequence[Sequence[int]],
    *,
    rows: int,
) -> dict[str, NDArray[np.float64]]:
    """Every reward's parts, back in their rows."""
    found: dict[str, NDArray[np.float64]] = {}
    for name, output, places in zip(names, outputs, asked, strict=True):
        for part, values in output.components.items():
            found[f"{name}/{part}"] = np.full(rows, np.nan)
            found[f"{name}/{part}"][list(places)] = values
    return found


def _whole_text(candidate: Candidate, gate: str) -> ErrorSpan:
    """The error of a gated row: all of it is no translation.

    Without this span a gated row would have no errors, the best there is at token level.
    """
    on_hypothesis = bool(candidate.hypothesis)
    return ErrorSpan(
        start=0,
        end=max(1, len(candidate.hypothesis or candidate.source)),
        severity="critical",
        category="Non-translation",
        side="hypothesis" if on_hypothesis else "source",
        explanation=f"gated by {gate}",
    )


class _Call:
    """One call of one reward in its own thread.

    The threads are daemons, unlike an executor's, so that a reward that hangs for ever does not
    keep the process from ending.
    """

    def __init__(self, reward: Reward, unique: Sequence[Candidate], place: Sequence[int]) -> None:
        self.place = place
        self.unique = unique
        self.output: object = None
        self.error: BaseException | None = None
        self._reward = reward
        self.thread = threading.Thread(target=self._work, name=f"reward {reward.name}", daemon=True)

    def _work(self) -> None:
        try:
            self.output = self._reward(self.unique)
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            self.error = error


class _Runner:
    """Calls one reward: deduplication, breaker, contract checks and failure rates."""

    def __init__(self, reward: Reward) -> None:
        self._reward = reward
        self._outages = 0
        self._open_until = 0.0
        self._hung: threading.Thread | None = None
        self._latest: deque[Status] = deque(maxlen=TALLY_ROWS)

    def start(self, candidates: Sequence[Candidate]) -> _Call | int:
        """Begin scoring; or the number of rows left unscored while the breaker is open."""
        hangs = self._hung is not None and self._hung.is_alive()
        if hangs or time.monotonic() < self._open_until:
            return len(candidates)
        call = _Call(self._reward, *_unique(self._reward, candidates))
        if call.unique:
            call.thread.start()
        else:
            call.output = RewardOutput.of([], spans=[])
        return call

    def finish(self, call: _Call | int, deadline: float) -> RewardOutput:
        """Wait for the answers and hand them out to all rows, duplicates included."""
        if isinstance(call, int):
            return _nothing(call)
        if call.unique:
            call.thread.join(max(0.0, deadline - time.monotonic()))
        late = call.thread.is_alive()
        if late or isinstance(call.error, RewardUnavailable):
            self._hung = call.thread if late else None
            self._outage("it did not answer in time" if late else str(call.error))
            return _nothing(len(call.place))
        if isinstance(call.error, UserError):
            raise _named(self._reward, call.error) from call.error
        if call.error is not None:
            raise RewardFailed(f"reward {self._reward.name} raised {call.error!r}") from call.error
        self._outages = 0 if call.unique else self._outages
        output = _checked(self._reward, call.unique, call.output)
        return RewardOutput(
            scores=output.scores[list(call.place)],
            status=[output.status[i] for i in call.place],
            spans=None if output.spans is None else [output.spans[i] for i in call.place],
            components={
                part: values[list(call.place)] for part, values in output.components.items()
            },
        )

    def _outage(self, why: str) -> None:
        _log.warning("reward %s is unavailable: %s", self._reward.name, why)
        self._outages += 1
        if self._outages >= BREAKER_AFTER:
            self._open_until = time.monotonic() + BREAKER_SECONDS

    def tally(self, status: Sequence[Status], max_unavailable: float, max_failed: float) -> None:
        """Stop the run when too many of the latest rows stayed unscored."""
        self._latest.extend(s for s in status if s is not Status.NOT_APPLICABLE)
        rows = len(self._latest)
        if rows < TALLY_ROWS // 8:
            return
        unavailable = sum(s is Status.UNAVAILABLE for s in self._latest) / rows
        failed = sum(s.failed for s in self._latest) / rows
        for rate, limit, fault in (
            (unavailable, max_unavailable, "unavailable"),
            (failed, max_failed, "unscored by the text's fault"),
        ):
            if rate > limit:
                raise TooManyFailures(
                    f"reward {self._reward.name}: {rate:.0%} of the latest {rows} rows were "
                    f"{fault}, more than the {limit:.0%} allowed"
                )


def _unique(reward: Reward, candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[int]]:
    """Candidates with distinct keys, and for each candidate its place among them."""
    places: dict[Hashable, int] = {}
    unique: list[Candidate] = []
    place: list[int] = []
    for candidate in candidates:
        try:
            key = reward.key(candidate)
            known = key is not None and key in places
        except Exception as error:
            raise RewardFailed(f"key of reward {reward.name} raised {error!r}") from error
        if not known:
            if key is not None:
                places[key] = len(unique)
            place.append(len(unique))
            unique.append(candidate)
        else:
            place.append(places[cast("Hashable", key)])
    return unique, place


def _named(reward: Reward, error: UserError) -> UserError:
    """The same error, each problem with the reward that met it."""
    problems = [replace(one, where=f"{reward.name}: {one.where}") for one in error.problems]
    return UserError(problems, error.exit_code)


def _nothing(rows: int) -> RewardOutput:
    return RewardOutput.of([None] * rows, status=[Status.UNAVAILABLE] * rows)


def _checked(reward: Reward, candidates: Sequence[Candidate], output: object) -> RewardOutput:
    """Hold a reward to its contract; breaking it is a bug and stops the run."""
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
