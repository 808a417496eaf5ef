"""The types that rewards, the ensemble, alignment and the trainers exchange.

Axes, everywhere and only so: ``P`` prompts, ``G`` completions per prompt, ``N = P*G`` rows
(prompt-major), ``T`` completion tokens, ``R`` rewards.

An *error* is lower-is-better, a *score* is higher-is-better; a `Reward` returns scores.
A row is scored, not applicable, or failed, and its `Status` says which: a score is NaN exactly
if its status is neither ``OK`` nor ``REPAIRED``. No number means "not scored".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Side = Literal["hypothesis", "source"]
SEVERITIES = ("minor", "major", "critical")
"""Of the error spans of rewards and judges, the mildest first."""


class Status(StrEnum):
    """The outcome of one row on one reward."""

    OK = "ok"
    REPAIRED = "repaired"
    NOT_APPLICABLE = "not_applicable"
    UNPARSEABLE = "unparseable"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    NON_FINITE = "non_finite"
    UNAVAILABLE = "unavailable"

    @property
    def scored(self) -> bool:
        """The row has a finite score."""
        return self in (Status.OK, Status.REPAIRED)

    @property
    def failed(self) -> bool:
        """The text caused the failure: the row gets the worst valid score of its group."""
        return not self.scored and self not in (Status.NOT_APPLICABLE, Status.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One translation to be scored.

    Attributes:
        source: The text that was translated.
        hypothesis: The translation to be scored, exactly as it was sampled.
        reference: A translation to compare with, or None.
        source_lang: Language of the source, or None: a code (``en``, ``eng_Latn``, ``pt-BR``) or an
            English name. All spellings of a language mean the same to rewards.
        target_lang: Language of the hypothesis, likewise.
        prompt: The text the policy was given, or None.
        images: Images that belong to the source.
        id: Name of the source segment in logs and reports.
        extra: Other columns of the data set; this library's rewards never read them.
    """

    source: str
    hypothesis: str
    reference: str | None = None
    source_lang: str | None = None
    target_lang: str | None = None
    prompt: str | None = None
    images: tuple[Any, ...] = ()
    id: str = ""
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), compare=False)


@dataclass(frozen=True, slots=True)
class ErrorSpan:
    """One error: a part of the hypothesis, or of the source for an omission.

    Attributes:
        start: First character, in Unicode code points of the text that the span is in.
        end: One past the last character; ``0 <= start < end``.
        severity: ``minor``, ``major`` or ``critical`` from rewards and judges. Files annotated by
            people have other words, which a `SeverityTable` may weigh.
        category: MQM category such as ``Accuracy/Omission``, or None.
        side: The text that ``start`` and ``end`` refer to.
        confidence: A number in [0, 1]; 1 if the reward states none. It does not scale the weight.
        explanation: A sentence for a reader, or None.

    Raises:
        ValueError: The span is empty, reversed or negative, or the confidence is not in [0, 1].
    """

    start: int
    end: int
    severity: str
    category: str | None = None
    side: Side = "hypothesis"
    confidence: float = 1.0
    explanation: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(
                f"error span [{self.start}, {self.end}) is empty, reversed or negative"
            )
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence {self.confidence} of an error span is not in [0, 1]")


@dataclass(frozen=True)
class SeverityTable:
    """Error weights by ``severity[/category[/subcategory]]``, the most specific match first.

    Matching ignores case; an error that matches nothing has weight 0, as in Google's published WMT
    scripts.

    Attributes:
        name: Used in signatures.
        weights: Non-negative error weights, higher is worse.
        cap: Largest sum of one text's errors, or None.
    """

    name: str
    weights: Mapping[str, float]
    cap: float | None = None

    def weight(self, span: ErrorSpan) -> float:
        """Weight of one error, ``>= 0``.

        >>> WMT_MQM.weight(ErrorSpan(0, 1, "minor", "Fluency/Punctuation"))
        0.1
        """
        return self.weight_of(span.severity, span.category)

    def weight_of(self, severity: str, category: str | None = None) -> float:
        """Weight of an error, ``>= 0``.

        Args:
            severity: Severity of the error.
            category: ``category`` or ``category/subcategory``, or None.
        """
        parts = [severity, *(category or "").split("/")]
        for length in range(len(parts), 0, -1):
            found = self.weights.get("/".join(parts[:length]).strip("/").lower())
            if found is not None:
                return found
        return 0.0

    def knows(self, severity: str) -> bool:
        """Whether the table has a weight for this severity; unknown severities have weight 0.

        >>> WMT_MQM.knows("Major"), WMT_MQM.knows("Schwer")
        (True, False)
        """
        return any(key.partition("/")[0] == severity.lower() for key in self.weights)

    def total(self, spans: Sequence[ErrorSpan]) -> float:
        """Sum of the weights, at most ``cap``: the error of one text, lower is better.

        >>> WMT_MQM.total([ErrorSpan(0, 3, "major"), ErrorSpan(4, 9, "minor")])
        6.0
        """
        total = math.fsum(self.weight(span) for span in spans)
        return total if self.cap is None else min(total, self.cap)


WMT_MQM = SeverityTable(
    name="wmt",
    weights=MappingProxyType(
        {
            "minor": 1.0,
            "major": 5.0,
            "critical": 5.0,
            "neutral": 0.0,
            "minor/fluency/punctuation": 0.1,
            "major/non-translation": 25.0,
            "major/non-translation!": 25.0,
            "critical/non-translation": 25.0,
        }
    ),
)
"""Freitag et al. 2021 (arXiv 2104.14478), as used since WMT20. ``critical`` counts as major."""

WMT_MQM_NO_SOURCE = SeverityTable(
    name="wmt-no-source",
    weights=MappingProxyType(
        {
            **WMT_MQM.weights,
            **{f"{severity}/source error": 0.0 for severity in SEVERITIES},
            **{f"{severity}/source issue": 0.0 for severity in SEVERITIES},
            **{f"{severity}/accuracy/creative reinterpretation": 0.0 for severity in SEVERITIES},
        }
    ),
)
"""`WMT_MQM` without errors of the source: the WMT23 side-by-side evaluation."""

XCOMET = SeverityTable(
    name="xcomet",
    weights=MappingProxyType({"minor": 1.0, "major": 5.0, "critical": 10.0}),
    cap=25.0,
)
"""Guerreiro et al. 2024 (arXiv 2310.10482), as in the released xCOMET code."""

SEVERITY_TABLES: Mapping[str, SeverityTable] = MappingProxyType(
    {table.name: table for table in (WMT_MQM, WMT_MQM_NO_SOURCE, XCOMET)}
)
"""The published tables by name."""


@dataclass(frozen=True)
class RewardOutput:
    """A reward's output for N candidates.

    Attributes:
        scores: float64 (N,), higher is better, NaN exactly if the status is not a scored one.
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
        rows = len(self.scores)
        if self.scores.shape != (rows,) or len(self.status) != rows:
            raise ValueError(
                f"scores of shape {self.scores.shape} and {len(self.status)} statuses: "
                "both must have one entry per candidate"
            )
        if self.spans is not None and len(self.spans) != rows:
            raise ValueError(f"{len(self.spans)} span lists for {rows} candidates")
        for part, values in self.components.items():
            if values.shape != (rows,):
                raise ValueError(f"component {part} of shape {values.shape} for {rows} candidates")
        for row, (score, status) in enumerate(zip(self.scores, self.status, strict=True)):
            if bool(np.isfinite(score)) != status.scored:
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

        None becomes ``NOT_APPLICABLE``, and a number that is not finite ``NON_FINITE``. A given
        status that is not a scored one wins over the score.

        Args:
            scores: N numbers.
            spans: N lists of errors, or None.
            status: N statuses; None for ``OK``.
            components: float64 (N,) by name.

        >>> [str(status) for status in RewardOutput.of([0.5, None, float("inf")]).status]
        ['ok', 'not_applicable', 'non_finite']
        """
        values = np.array([math.nan if score is None else float(score) for score in scores])
        statuses = list(status) if status is not None else [Status.OK] * len(values)
        for row, score in enumerate(scores):
            if statuses[row].scored and score is None:
                statuses[row] = Status.NOT_APPLICABLE
            elif statuses[row].scored and not np.isfinite(values[row]):
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


def always(_candidate: Candidate) -> bool:
    """Apply a term to every row."""
    return True


def is_translation(candidate: Candidate) -> bool:
    """Apply a term to rows with a target language: the translations of a mixed batch."""
    return candidate.target_lang is not None


def is_generic(candidate: Candidate) -> bool:
    """Apply a term to rows without a target language: the other prompts of a mixed batch."""
    return candidate.target_lang is None


@dataclass(frozen=True)
class Term:
    """One reward's place in an ensemble.

    Attributes:
        reward: The reward.
        weight: Weight of its score in the sequence-level advantage. 0: measure and log only.
        token_weight: Weight of its spans in the token-level advantage. 0: sequence level only.
        applies: Must depend only on the prompt side of a candidate, so that a group shares it.
        severities: Cost of this reward's error spans; None for `severities_of` the reward.

    Raises:
        ValueError: A weight is not finite.
    """

    reward: Reward
    weight: float = 1.0
    token_weight: float = 0.0
    applies: Callable[[Candidate], bool] = always
    severities: SeverityTable | None = None

    @property
    def span_severities(self) -> SeverityTable:
        """The table that is used: the term's, else the reward's, else WMT's."""
        return severities_of(self.reward) if self.severities is None else self.severities

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and math.isfinite(self.token_weight)):
            raise ValueError(
                f"weights of {self.reward.name} must be finite: "
                f"weight={self.weight}, token_weight={self.token_weight}"
            )


@dataclass(frozen=True)
class Gate:
    """A guard that gives a row the worst score on every term if its score is below a threshold.

    Attributes:
        reward: The guard; a row that it cannot score because of the text is gated as well.
        below: Rows with a guard score below this are gated.
        applies: As in a `Term`; a row to which the gate does not apply passes it.

    Raises:
        ValueError: The threshold is not finite.
    """

    reward: Reward
    below: float
    applies: Callable[[Candidate], bool] = always

    def __post_init__(self) -> None:
        if not math.isfinite(self.below):
            raise ValueError(f"gate {self.reward.name}: below={self.below} must be finite")


@dataclass(frozen=True)
class Scores:
    """An ensemble's output for N candidates, without groups and tokens.

    Attributes:
        names: R reward names.
        values: float64 (N, R), NaN if a row was not scored.
        status: N lists of R statuses.
        spans: N lists of R lists of errors.
        gated: For each row the name of the gate that it failed, or None.
        weights: float64 (R,) sequence-level weights.
        token_weights: float64 (R,) token-level weights.
        severities: R severity tables.
        signature: One line per term and gate.
        components: float64 (N,) by ``reward/part``: numbers for the logs, such as
            ``metricx/truncated``; NaN for rows that the reward was not asked about.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    status: list[list[Status]]
    spans: list[list[list[ErrorSpan]]]
    gated: list[str | None]
    weights: NDArray[np.float64]
    token_weights: NDArray[np.float64]
    severities: tuple[SeverityTable, ...]
    signature: str
    components: Mapping[str, NDArray[np.float64]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def __len__(self) -> int:
        return len(self.status)

    def table(self) -> str:
        """Mean, standard deviation, statuses and share of the total's variance per reward."""
        from rewardlab.statistics import variance_share, zscore

        shares = variance_share(self.weights * np.nan_to_num(zscore(self.values)))
        lines = [f"{'reward':<20}{'weight':>8}{'mean':>10}{'std':>10}{'share':>8}  status"]
        for column, name in enumerate(self.names):
            scored = self.values[~np.isnan(self.values[:, column]), column]
            mean, std = (scored.mean(), scored.std()) if len(scored) else (math.nan, math.nan)
            seen = Counter(row[column] for row in self.status)
            lines.append(
                f"{name:<20}{self.weights[column]:>8g}{mean:>10.3f}{std:>10.3f}"
                f"{shares[column]:>8.0%}  "
                + ", ".join(f"{status} {seen[status]}" for status in Status if status in seen)
            )
        if closed := Counter(gate for gate in self.gated if gate is not None):
            lines.append("gated: " + ", ".join(f"{gate} {n}" for gate, n in closed.items()))
        for part, values in self.components.items():
            if part.endswith("/truncated") and (cut := int(np.nansum(values))):
                lines.append(f"truncated: {part.rpartition('/')[0]} read {cut} texts in part")
        return "\n".join(lines)
