"""Equality with the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardlab.rewards.base import BaseReward
from rewardlab.types import Candidate, RewardOutput


@dataclass(frozen=True, kw_only=True)
class ExactMatch(BaseReward):
    """1 if the hypothesis is the reference, code point for code point, else 0.

    Nothing is normalised: a composed and a decomposed accent, or a trailing space, are different.
    """

    name: str = "exact_match"

    worst = 0.0

    @property
    def reads(self) -> tuple[str, ...]:
        """Hypothesis and reference."""
        return ("hypothesis", "reference")

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates; one without a reference is not applicable."""
        return RewardOutput.of(
            [
                None if c.reference is None else float(c.hypothesis == c.reference)
                for c in candidates
            ]
        )
