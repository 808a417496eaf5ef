"""What a scorer learns from: translations that people judged, and answers that people preferred."""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.types import Candidate, ErrorSpan


@dataclass(frozen=True, slots=True)
class Rated:
    """One translation and what people said of it.

    Attributes:
        candidate: The translation; its ``id`` names the segment, the same for every system.
        score: Higher is better; of MQM files minus the error, at most 0.
        spans: For each rater the errors it marked, on either side; empty where none were asked.
        system: Who wrote the translation; for a made-up one what was done to it.
        document: What the segment is a part of, unique among all files of a run.
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
        margin: By how much; 0 or more. 0 says only which is better.
        document: What the request is a part of, unique among all files of a run.
    """

    chosen: Candidate
    rejected: Candidate
    margin: float = 0.0
    document: str = ""
