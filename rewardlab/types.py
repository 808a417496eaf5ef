"""The types that rewards, the ensemble, alignment and the trainers exchange.

Axes, everywhere and only so: ``P`` prompts, ``G`` completions per prompt, ``N = P*G`` rows
(prompt-major), ``T`` completion tokens, ``R`` rewards.

An *error* is lower-is-better, a *score* is higher-is-better; a `Reward` returns scores.
A row is scored, not applicable, or failed, and its `Status` says which: a score is NaN exactly
if its status is neither ``OK`` nor ``REPAIRED``. No number means "not scored".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rewardlab import composing
from rewardlab.arguments import Checked
from rewardlab.candidates import Candidate, Status
from rewardlab.errors import Problem, finite, kind_of
from rewardlab.scores import ScoredRow, Scores
from rewardlab.spans import (
    SEVERITIES,
    SEVERITY_TABLES,
    WMT_MQM,
    WMT_MQM_NO_SOURCE,
    XCOMET,
    ErrorSpan,
    SeverityTable,
    Side,
)

__all__ = [
    "SEVERITIES",
    "SEVERITY_TABLES",
    "WMT_MQM",
    "WMT_MQM_NO_SOURCE",
    "XCOMET",
    "Candidate",
    "ErrorSpan",
    "Gate",
    "Reward",
    "RewardOutput",
    "ScoredRow",
    "Scores",
    "SeverityTable",
    "Side",
    "Status",
    "Term",
    "always",
    "bounds_of",
    "family_of",
    "is_generic",
    "is_translation",
    "marks_spans",
    "severities_of",
    "severities_problems",
]


@dataclass(frozen=True)
class RewardOutput:
    """A reward's output for N candidates.

    Attributes:
        scores: float64 (N,), higher is better; finite in float32 if the status is a scored one,
            else NaN.
        status: N statuses.
        spans: N lists of errors, or None from a reward that finds no spans by design.
        components: Named float64 (N,) parts of the score, for logs.

    Raises:
        ValueError: Lengths differ, or a score contradicts its status.
    """

    scores: NDArray[np.float64]
    status: list[Status]
    spans: list[list[ErrorSpan]] | None = None
    components: Mapping[str, NDArray[np.float64]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def __post_init__(self) -> None:
        if not isinstance(self.scores, np.ndarray):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(  # noqa: TRY004 - a value of this class's own
                f"scores is {kind_of(self.scores)}, not an array; use RewardOutput.of(scores)"
            )
        rows = len(self.scores)
        if self.scores.shape != (rows,) or len(self.status) != rows:
            raise ValueError(
                f"scores of shape {self.scores.shape} and {len(self.status)} statuses: "
                "both must have one entry per candidate"
            )
        if self.spans is not None and len(self.spans) != rows:
            raise ValueError(f"{len(self.spans)} span lists for {rows} candidates")
        _check_spans(self.spans or [])
        for part, values in self.components.items():
            if values.shape != (rows,):
                raise ValueError(f"component {part} of shape {values.shape} for {rows} candidates")
        for row, (score, status) in enumerate(zip(self.scores, self.status, strict=True)):
            if finite(score) != status.scored:
                raise ValueError(f"row {row} has score {score} and status {status.value}")

    @classmethod
    def of(
        cls,
        scores: Sequence[float | None],
        *,
        spans: list[list[ErrorSpan]] | None = None,
        status: Sequence[Status] | None = None,
        components: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> RewardOutput:
        """Build an output from plain numbers.

        None becomes ``NOT_APPLICABLE``, and a number that is not finite in float32 (the precision
        in which scores are gathered) ``NON_FINITE``. A given status that is not a scored one wins
        over the score.

        Args:
            scores: N numbers.
            spans: N lists of errors, or None.
            status: N statuses; None for ``OK``.
            components: float64 (N,) by name.

        Raises:
            ValueError: Lengths differ, or a status is unknown.

        >>> [str(status) for status in RewardOutput.of([0.5, None, float("inf"), 1e43]).status]
        ['ok', 'not_applicable', 'non_finite', 'non_finite']
        """
        if isinstance(scores, (str, bytes)) or not isinstance(scores, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(  # noqa: TRY004 - as for every other unfit value
                f"scores is {kind_of(scores)}, not a list of numbers"
            )
        values = np.array([math.nan if score is None else _number(score) for score in scores])
        statuses = list(map(Status, status)) if status is not None else [Status.OK] * len(values)
        if len(statuses) != len(values):
            raise ValueError(f"{len(statuses)} statuses for {len(values)} scores")
        for row, score in enumerate(scores):
            if statuses[row].scored and score is None:
                statuses[row] = Status.NOT_APPLICABLE
            elif statuses[row].scored and not finite(values[row]):
                statuses[row] = Status.NON_FINITE
            if not statuses[row].scored:
                values[row] = math.nan
        return cls(values.astype(np.float64), statuses, spans, dict(components or {}))

    def spread(
        self, rows: Sequence[int], total: int, *, counts: Sequence[str] = ()
    ) -> RewardOutput:
        """This output as that of some rows among more; the other rows are not applicable.

        Args:
            rows: A row number for each row of this output, in [0, total).
            total: Rows of the result.
            counts: Components that are 0 in the other rows; all others are NaN there.

        >>> RewardOutput.of([0.5]).spread([1], 2).scores
        array([nan, 0.5])
        """
        status = [Status.NOT_APPLICABLE] * total
        spans: list[list[ErrorSpan]] = [[] for _ in range(total)]
        for place, row in enumerate(rows):
            status[row] = self.status[place]
            if self.spans is not None:
                spans[row] = self.spans[place]

        def placed(values: NDArray[np.float64], elsewhere: float) -> NDArray[np.float64]:
            whole = np.full(total, elsewhere)
            whole[list(rows)] = values
            return whole

        return RewardOutput(
            scores=placed(self.scores, math.nan),
            status=status,
            spans=None if self.spans is None else spans,
            components={
                name: placed(values, 0.0 if name in counts else math.nan)
                for name, values in self.components.items()
            },
        )


def _check_spans(spans: Sequence[Sequence[object]]) -> None:
    for row, found in enumerate(spans):
        if not isinstance(found, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"row {row}: {kind_of(found)} is not a list of spans")  # noqa: TRY004
        for span in found:
            if not isinstance(span, ErrorSpan):
                raise ValueError(f"row {row}: {kind_of(span)} is not an ErrorSpan")  # noqa: TRY004


def _number(score: float) -> float:
    """A score as a float; infinite if it is an integer beyond floats."""
    try:
        return float(score)
    except OverflowError:
        return math.inf if score > 0 else -math.inf


@runtime_checkable
class Reward(Protocol):
    """Scores translations; higher is always better.

    An implementation is a frozen dataclass: its constructor is its YAML schema and its
    command-line form. It loads models on first use and keeps the order of rows. Rows that it could
    not score get a status. It raises `RewardUnavailable` if it can score no row because a service
    or device is not available, and any other exception only for a bug.
    """

    @property
    def name(self) -> str:
        """Unique within an ensemble; used in metric names and tables."""
        ...

    @property
    def signature(self) -> str:
        """Everything the scores depend on: options, model revision, versions."""
        ...

    @property
    def needs_reference(self) -> bool:
        """The reward reads ``Candidate.reference``."""
        ...

    @property
    def worst(self) -> float:
        """The score of a gated row."""
        ...

    def key(self, candidate: Candidate) -> Hashable | None:
        """Exactly the fields the score depends on; None forbids deduplication and caching."""
        ...

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates."""
        ...


def family_of(reward: Reward) -> str:
    """The family of a reward.

    A system that was trained on a reward is not judged independently by another one of its family.
    A reward without a family is the only one of the family that has its registered name, whatever
    name it has in an ensemble.

    >>> from rewardlab.rewards import BLEU, NotCopied
    >>> family_of(BLEU()), family_of(NotCopied(name="copies"))
    ('ngram_overlap', 'not_copied')
    """
    registered = getattr(type(reward), "name", "")
    known = [getattr(reward, "family", ""), registered if isinstance(registered, str) else ""]
    return next((name for name in known if name), reward.name)


def severities_of(reward: Reward) -> SeverityTable:
    """The severity table of a reward's spans: its ``span_severities``, or WMT's table."""
    return getattr(reward, "span_severities", WMT_MQM)


def bounds_of(reward: Reward) -> tuple[float, float]:
    """The lowest and the highest score that a reward can give; infinite where it states none.

    >>> from rewardlab.rewards import ChrF, TER
    >>> bounds_of(ChrF()), bounds_of(TER())
    ((0.0, 100.0), (-inf, 0.0))
    """
    low, high = getattr(reward, "bounds", (-math.inf, math.inf))
    return float(low), float(high)


def marks_spans(reward: Reward) -> bool | None:
    """Whether a reward marks error spans; None if only its output shows it."""
    return getattr(reward, "finds_spans", None)


def always(_candidate: Candidate) -> bool:
    """Apply a term to every row."""
    return True


def is_translation(candidate: Candidate) -> bool:
    """Apply a term to rows with a target language: the translations of a mixed batch."""
    return candidate.target_lang is not None


def is_generic(candidate: Candidate) -> bool:
    """Apply a term to rows without a target language: the other prompts of a mixed batch."""
    return candidate.target_lang is None


def severities_problems(reward: str, table: object) -> Iterator[Problem]:
    """E025: ``severities`` is not a table.

    Args:
        reward: What has the severities.
        table: What was given.
    """
    if table is not None and not isinstance(table, SeverityTable):
        fix = f"one of SEVERITY_TABLES, by name: {', '.join(SEVERITY_TABLES)}"
        what = f"{kind_of(table)} is not a SeverityTable"
        yield Problem("E025", f"{reward}.severities", what, fix)


@dataclass(frozen=True)
class Term(metaclass=Checked):
    """One reward's place in an ensemble.

    Attributes:
        reward: The reward.
        weight: Weight of its score in the sequence-level advantage. 0: measure and log only.
        token_weight: Weight of its spans in the token-level advantage. 0: sequence level only.
        applies: Must depend only on the prompt side of a candidate, so that a group shares it.
        severities: Cost of this reward's error spans; None for `severities_of` the reward.

    Raises:
        UserError: E025, E026 a weight is no number, negative or not finite in float32; E105 a token
            weight on a reward without error spans; E107 ``reward`` is no reward.
    """

    reward: Reward = field(metadata={"example": "ChrF()"})
    weight: float = 1.0
    token_weight: float = 0.0
    applies: Callable[[Candidate], bool] = always
    severities: SeverityTable | None = None

    @property
    def span_severities(self) -> SeverityTable:
        """The table that is used: the term's, else the reward's, else WMT's."""
        return severities_of(self.reward) if self.severities is None else self.severities

    def __post_init__(self) -> None:
        composing.raise_if_any(composing.reward_problems(self.reward, "Term"))
        name, weight, token_weight = self.reward.name, self.weight, self.token_weight
        marks = marks_spans(self.reward)
        composing.raise_if_any(
            [
                *composing.weight_problems(name, weight=weight, token_weight=token_weight),
                *composing.spans_problems(name, token_weight, marks=marks),
                *composing.applies_problems(name, self.applies),
                *severities_problems(name, self.severities),
            ]
        )


@dataclass(frozen=True)
class Gate(metaclass=Checked):
    """A guard that gives a row the worst score on every term if its score is below a threshold.

    Attributes:
        reward: The guard; a row that it cannot score because of the text is gated as well.
        below: Rows with a guard score below this are gated.
        applies: As in a `Term`; a row to which the gate does not apply passes it.

    Raises:
        UserError: E025, E026 the threshold is no number or not finite in float32; E106 no score of
            the reward, or every score, is below it; E107 ``reward`` is no reward.
    """

    reward: Reward = field(metadata={"example": "NotEmpty()"})
    below: float = field(metadata={"example": 0.5})
    applies: Callable[[Candidate], bool] = always

    def __post_init__(self) -> None:
        composing.raise_if_any(composing.reward_problems(self.reward, "Gate"))
        name = self.reward.name
        composing.raise_if_any(
            [
                *composing.threshold_problems(name, self.below, bounds_of(self.reward)),
                *composing.applies_problems(name, self.applies),
            ]
        )
