"""Equality with the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rewardlab.rewards.base import RowReward, Verdict
from rewardlab.types import Candidate


@dataclass(frozen=True, kw_only=True)
class ExactMatch(RowReward):
    """1 if the hypothesis equals the reference code point by code point, else 0.

    Nothing is normalised: texts that differ in a trailing space, or in composed and decomposed
    accents, are different.
    """

    name: str = "exact_match"

    reads = ("hypothesis", "reference")
    finds_spans: ClassVar[bool | None] = False
    worst = 0.0
    bounds = (0.0, 1.0)

    def judge(self, candidate: Candidate) -> Verdict:
        """Compare the texts."""
        return Verdict(float(candidate.hypothesis == candidate.reference), [])
