"""The reward ensemble: runs every term, applies gates, collects scores, spans and statuses.

It does not handle groups or tokens. It gives every row a status; `rewardlab.advantages` decides
what a failure costs.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rewardlab import composing
from rewardlab.arguments import Checked
from rewardlab.candidates import FORM, as_candidates
from rewardlab.errors import (
    Problem,
    RewardFailed,
    quantity,
    refuse,
)
from rewardlab.reward_calls import RewardRunner, unavailable
from rewardlab.rewards.language_use import Asked, notes_on_languages
from rewardlab.text.languages import language_problems
from rewardlab.types import (
    Candidate,
    ErrorSpan,
    Gate,
    RewardOutput,
    Scores,
    Status,
    Term,
)

MANY_TEXTS = 20
NEARLY = 1e-3
"""Part of a reward's range; scores that all differ by less are nearly the same."""


@dataclass(frozen=True)
class RewardEnsemble(metaclass=Checked):
    """Several rewards over the same candidates, each with its weights.

    Rewards run at the same time, each in its own thread, so a call takes about as long as its
    slowest reward. Candidates with equal `Reward.key` are scored once per call. The settings are
    frozen; outages and failure rates are remembered from call to call.

    Attributes:
        terms: The rewards and their weights; names must differ.
        gates: Guards that run first. A row that fails a gate gets ``worst`` on every term and one
            error span over the whole text, and no term scores it.
        timeout: Seconds that a term may take in one call before its rows count as unavailable.
        max_unavailable: Maximum share of the latest rows that may be unavailable.
        max_failed: Maximum share of the latest rows that may be unscored because of their text.

    Raises:
        UserError: E107 something is not a `Term` or `Gate`; E026 there are no terms, or a limit is
            out of range; E036 two terms have the same name.
    """

    terms: Sequence[Term] = field(metadata={"example": "[Term(reward)]"})
    gates: Sequence[Gate] = ()
    timeout: float = 600.0
    max_unavailable: float = 0.5
    max_failed: float = 0.5
    _runners: tuple[RewardRunner, ...] = field(init=False, repr=False, compare=False)
    _gate_runners: tuple[RewardRunner, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple(composing.members(self.terms, "Term", "terms")))
        object.__setattr__(self, "gates", tuple(composing.members(self.gates, "Gate", "gates")))
        composing.raise_if_any([*composing.repeated_names(self.names), *_limit_problems(self)])
        object.__setattr__(self, "_runners", tuple(RewardRunner(t.reward) for t in self.terms))
        object.__setattr__(self, "_gate_runners", tuple(RewardRunner(g.reward) for g in self.gates))

    @property
    def names(self) -> tuple[str, ...]:
        """The R reward names, in order."""
        return tuple(term.reward.name for term in self.terms)

    @property
    def needing_references(self) -> list[str]:
        """Names of the rewards and gates that read references."""
        rewards = [entry.reward for entry in (*self.terms, *self.gates)]
        return [reward.name for reward in rewards if reward.needs_reference]

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

        Warns:
            UserWarning: A reward reads references, and none of its candidates has one; or a reward
                with a token weight gave no error spans.

        Raises:
            RewardFailed: A reward raised or broke its contract; the message names it.
            UserError: E108 these are no candidates; or a reward's input or options cannot be used,
                and the message names the reward.
                E260, a candidate's language is unknown.
            TooManyFailures: A reward left too many of the latest rows unscored.
        """
        candidates = as_candidates(candidates, "RewardEnsemble")
        _refuse_unknown_languages(candidates)
        gated, unjudged, of_gates = self._close_gates(candidates)
        applies = [_rows_for(term, candidates) for term in self.terms]
        asked = [
            [row for row in rows if gated[row] is None and not unjudged[row]] for rows in applies
        ]
        _warn_without_references((*self.terms, *self.gates), candidates)
        outputs = self._run(self._runners, candidates, asked)
        of_terms = map(Asked, (t.reward for t in self.terms), asked, (o.status for o in outputs))
        _warn_without_spans(self.terms, outputs)
        columns = [
            _column(term, candidates, output, applies=rows, gated=gated, unjudged=unjudged)
            for term, output, rows in zip(self.terms, outputs, applies, strict=True)
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
            components={
                f"{name}/{part}": values
                for name, output in zip(self.names, outputs, strict=True)
                for part, values in output.components.items()
            },
            candidates=tuple(candidates),
            notes=tuple(
                dict.fromkeys(
                    [
                        *notes_on_languages([*of_gates, *of_terms], candidates),
                        *_notes_on_references((*self.terms, *self.gates), candidates),
                        *_notes_on_constants(self.terms, outputs, candidates),
                    ]
                )
            ),
        )

    def _close_gates(
        self, candidates: Sequence[Candidate]
    ) -> tuple[list[str | None], list[bool], list[Asked]]:
        """For each row the first gate that closed on it, whether one was unavailable; the answers.

        A gate that fails because of the text is closed, and a gate that does not apply is open. A
        gate that is unavailable leaves the row unjudged, which is not the text's fault.
        """
        rewards = [gate.reward for gate in self.gates]
        asked = [_rows_for(gate, candidates) for gate in self.gates]
        outputs = self._run(self._gate_runners, candidates, asked)
        gated: list[str | None] = [None] * len(candidates)
        unjudged = [False] * len(candidates)
        for gate, output in zip(self.gates, outputs, strict=True):
            for row, (score, status) in enumerate(zip(output.scores, output.status, strict=True)):
                unjudged[row] |= status is Status.UNAVAILABLE
                closed = status.failed or (status.scored and score < gate.below)
                if closed and gated[row] is None:
                    gated[row] = gate.reward.name
        return gated, unjudged, list(map(Asked, rewards, asked, (o.status for o in outputs)))

    def _run(
        self,
        runners: Sequence[RewardRunner],
        candidates: Sequence[Candidate],
        asked: Sequence[Sequence[int]],
    ) -> list[RewardOutput]:
        """Run all runners at once on their rows, within the deadline; each result has N rows."""
        calls = [
            runner.start([candidates[row] for row in rows])
            for runner, rows in zip(runners, asked, strict=True)
        ]
        deadline = time.monotonic() + self.timeout
        outputs = [
            unavailable(len(rows)) if call is None else runner.finish(call, deadline)
            for runner, call, rows in zip(runners, calls, asked, strict=True)
        ]
        for runner, output in zip(runners, outputs, strict=True):
            runner.tally(output.status, self.max_unavailable, self.max_failed)
        return [
            output.spread(rows, len(candidates))
            for output, rows in zip(outputs, asked, strict=True)
        ]


def _limit_problems(ensemble: RewardEnsemble) -> Iterator[Problem]:
    """E026: no terms, or a limit that is out of range."""
    if not ensemble.terms:
        fix = "RewardEnsemble([Term(reward), ...])"
        yield Problem("E026", "RewardEnsemble", "an ensemble needs at least one term", fix)
    yield from composing.limit_problems("timeout", ensemble.timeout, share=False)
    yield from composing.limit_problems("max_unavailable", ensemble.max_unavailable, share=True)
    yield from composing.limit_problems("max_failed", ensemble.max_failed, share=True)


def _warn_without_references(
    entries: Sequence[Term | Gate], candidates: Sequence[Candidate]
) -> None:
    """Warn of rewards that read references, if none of their candidates has one.

    Args:
        entries: Terms and gates.
        candidates: N candidates.
    """
    reading = [entry for entry in entries if entry.reward.needs_reference]
    asked = {entry.reward.name: _rows_for(entry, candidates) for entry in reading}
    lacking = [
        name
        for name, rows in asked.items()
        if rows and all(candidates[row].reference is None for row in rows)
    ]
    if lacking:
        warnings.warn(missing_references(lacking).warning, stacklevel=4)


def _notes_on_references(
    entries: Sequence[Term | Gate], candidates: Sequence[Candidate]
) -> Iterator[str]:
    """A note if references that rewards read are empty: every word then counts as wrong."""
    empty = [
        row
        for row, one in enumerate(candidates)
        if one.reference is not None and not one.reference.strip()
    ]
    if empty and any(entry.reward.needs_reference for entry in entries):
        where = candidates[empty[0]].id or f"row {empty[0] + 1}"
        references = quantity(len(empty), "reference")
        yield f"{references} of {len(candidates):,} empty, first {where}; they count in the means"


def _notes_on_constants(
    terms: Sequence[Term], outputs: Sequence[RewardOutput], candidates: Sequence[Candidate]
) -> Iterator[str]:
    """A note for each learned reward with a range that gives many texts nearly the same score."""
    for term, output in zip(terms, outputs, strict=True):
        low, high = getattr(term.reward, "bounds", (-math.inf, math.inf))
        known = ~np.isnan(output.scores)
        texts = {
            one.hypothesis for one, is_known in zip(candidates, known, strict=True) if is_known
        }
        if not getattr(term.reward, "learned", False) or len(texts) < MANY_TEXTS:
            continue
        if math.isfinite(high - low) and np.ptp(output.scores[known]) < NEARLY * (high - low):
            name = term.reward.name
            yield f"{name} gives nearly the same score to every text: it tells nothing apart"


def _warn_without_spans(terms: Sequence[Term], outputs: Sequence[RewardOutput]) -> None:
    """Warn of token weights on rewards that scored rows and gave no error spans.

    Args:
        terms: The terms.
        outputs: The output of each term's reward.
    """
    for term, output in zip(terms, outputs, strict=True):
        if output.spans is None and any(status.scored for status in output.status):
            name, token_weight = term.reward.name, term.token_weight
            for problem in composing.spans_problems(name, token_weight, marks=False):
                warnings.warn(problem.warning, stacklevel=4)


def missing_references(rewards: Sequence[str]) -> Problem:
    """E032: rewards read references, and there are none.

    Args:
        rewards: The names of the rewards, at least one.
    """
    read, score = ("reads", "it scores") if len(rewards) == 1 else ("read", "they score")
    what = f"{', '.join(rewards)} {read} references, and there are none, so {score} nothing"
    fix = f"give them: {FORM}; or limit the reward to other rows: Term(..., applies=...)"
    return Problem("E032", "RewardEnsemble", what, fix)


_Column = tuple[NDArray[np.float64], list[Status], list[list[ErrorSpan]]]


def _refuse_unknown_languages(candidates: Sequence[Candidate]) -> None:
    """Refuse languages that no reward could understand, before any reward is called."""
    problems = [
        *language_problems("source_lang", (one.source_lang for one in candidates)),
        *language_problems("target_lang", (one.target_lang for one in candidates)),
    ]
    if problems:
        refuse(*problems)


def _rows_for(asked: Term | Gate, candidates: Sequence[Candidate]) -> list[int]:
    """The rows that a term or gate applies to."""
    try:
        return [row for row, candidate in enumerate(candidates) if asked.applies(candidate)]
    except Exception as error:
        raise RewardFailed(f"applies of reward {asked.reward.name} raised {error!r}") from error


def _column(
    term: Term,
    candidates: Sequence[Candidate],
    output: RewardOutput,
    *,
    applies: Sequence[int],
    gated: Sequence[str | None],
    unjudged: Sequence[bool],
) -> _Column:
    """One term's output, with the rows that it did not score filled in."""
    values, status = output.scores.copy(), list(output.status)
    spans = list(output.spans or [[] for _ in candidates])
    for row in applies:
        if unjudged[row]:
            status[row] = Status.UNAVAILABLE
        elif (gate := gated[row]) is not None:
            values[row], status[row] = term.reward.worst, Status.OK
            spans[row] = [_whole_text(candidates[row], gate)]
    return values, status, spans


def _whole_text(candidate: Candidate, gate: str) -> ErrorSpan:
    """The error span of a gated row: the whole text is a non-translation.

    Without this span a gated row would have no errors, which is the best result at token level.
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
