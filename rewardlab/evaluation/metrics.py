"""Metrics of a test set: any reward, and whether it is an independent check of a system.

BLEU, chrF and TER are sacrebleu's corpus metrics, and TER is an error (lower is better). Any other
reward becomes a metric by averaging its scores over the rows that it scored; a new reward needs no
change here. A metric that a system was trained on, or one of the same family
(`rewardlab.types.family_of`), is not an independent check of that system.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from rewardlab.data.rows import Row
from rewardlab.ensemble import RewardEnsemble
from rewardlab.rewards.lexical import BLEU, TER, ChrF
from rewardlab.store.lineage import TrainedOn
from rewardlab.types import Reward, Term, family_of

CHUNK = 512
"""Rows scored in one call: the deadline of a reward is per call."""


class Relation(StrEnum):
    """How a metric is related to what a system was trained on, the closest relation first."""

    OPTIMISED = "optimised"
    RELATED = "related"
    UNKNOWN = "unknown"
    INDEPENDENT = "independent"


@dataclass(frozen=True)
class Metric:
    """A reward as a metric of test sets.

    Attributes:
        reward: The reward, which gives the metric its name.
    """

    reward: Reward

    @property
    def name(self) -> str:
        """Name of the metric, unique within an evaluation."""
        return self.reward.name

    @property
    def family(self) -> str:
        """The family of the reward; metrics of one family are related."""
        return family_of(self.reward)

    @property
    def is_corpus(self) -> bool:
        """Whether the score is of the whole test set, not a mean over its rows."""
        return isinstance(self.reward, BLEU | ChrF | TER)

    @property
    def higher_is_better(self) -> bool:
        """False for TER, which is reported unchanged, as an error."""
        return not isinstance(self.reward, TER)

    def relation(self, trained: Sequence[TrainedOn], *, known: bool) -> Relation:
        """How the metric is related to the rewards that a system was trained on.

        Args:
            trained: The known rewards.
            known: Whether ``trained`` is complete.
        """
        if self.name in [reward.name for reward in trained]:
            return Relation.OPTIMISED
        if any(self.is_relative_of(reward) for reward in trained):
            return Relation.RELATED
        return Relation.INDEPENDENT if known else Relation.UNKNOWN

    def is_relative_of(self, reward: TrainedOn) -> bool:
        """Whether the metric is this reward, or belongs to the same family."""
        return reward.name == self.name or reward.family == self.family


def score_rows(
    metrics: Iterable[Metric], rows: Sequence[Row], hypotheses: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Score every row with every metric that is a mean over rows.

    Args:
        metrics: The metrics; corpus metrics are left out.
        rows: M rows of the test set.
        hypotheses: M translations.

    Returns:
        Scores (M,) by metric, NaN for rows that were not scored.

    Raises:
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left too many rows unscored.
    """
    rewards = [metric.reward for metric in metrics if not metric.is_corpus]
    if not rewards:
        return {}
    ensemble = RewardEnsemble([Term(reward) for reward in rewards])
    candidates = [
        row.candidate(hypothesis) for row, hypothesis in zip(rows, hypotheses, strict=True)
    ]
    values = np.concatenate(
        [
            ensemble(candidates[first : first + CHUNK]).values
            for first in range(0, len(candidates), CHUNK)
        ]
    )
    return {reward.name: values[:, column] for column, reward in enumerate(rewards)}
