"""What scorers learn from: rated translations, and preferences between two answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from rewardlab.types import Candidate, ErrorSpan


@dataclass(frozen=True, slots=True)
class Rated:
    """One translation and its human score.

    Attributes:
        candidate: The translation; its ``id`` names the segment, the same for every system.
        score: Higher is better; for MQM the negated error, at most 0.
        spans: For each rater the errors marked in source or translation; empty if there are no
            raters.
        system: System that wrote the translation; for a synthetic one, the change made to it.
        document: The document of the segment, unique among all files of a run.
    """

    candidate: Candidate
    score: float
    spans: tuple[tuple[ErrorSpan, ...], ...] = ()
    system: str = ""
    document: str = ""


@dataclass(frozen=True, slots=True)
class Preference:
    """Two answers to one request, the better one first.

    Attributes:
        chosen: The better answer, as rewards read it.
        rejected: The worse answer to the same request.
        margin: How much better, at least 0; 0 says only which is better.
        document: The document of the request, unique among all files of a run.
    """

    chosen: Candidate
    rejected: Candidate
    margin: float = 0.0
    document: str = ""


TrainingExample: TypeAlias = Rated | Preference
