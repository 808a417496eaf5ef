"""Any reward as a filter of pairs: copies, other languages, lengths, repetition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rewardlab.curation.items import Item
from rewardlab.curation.stage import Job, Stage
from rewardlab.ensemble import RewardEnsemble
from rewardlab.errors import RewardUnavailable
from rewardlab.types import Reward, Status, Term


@dataclass(frozen=True, kw_only=True)
class GateStage(Stage):
    """Drop pairs that a reward scores too low, or cannot score because of the text.

    A reward that does not apply to a pair keeps it. Rows without a translation are not asked about.

    Attributes:
        reward: The reward, without references.
        below: Pairs with a lower score are dropped.
    """

    reward: Reward
    below: float

    name: ClassVar[str] = "gate"

    @property
    def signature(self) -> str:
        """The reward's signature and the threshold."""
        return f"{self.name}:{self.version}|{self.reward.signature}|below:{self.below:g}"

    def run(self, job: Job, place: int) -> None:
        """Score the pairs in chunks.

        Raises:
            RewardFailed: The reward raised or broke its contract.
            RewardUnavailable: The reward could not be reached.
        """
        ensemble = RewardEnsemble([Term(self.reward)])
        for items in job.chunks():
            job.work.drop(place, self._reasons(ensemble, items).items())

    def _reasons(self, ensemble: RewardEnsemble, items: Sequence[Item]) -> dict[str, str]:
        pairs = [item for item in items if item.text is not None]
        scores = ensemble([item.candidate(item.text or "") for item in pairs])
        reasons: dict[str, str] = {}
        for item, (score,), (status,) in zip(pairs, scores.values, scores.status, strict=True):
            if status is Status.UNAVAILABLE:
                raise RewardUnavailable(f"{self.reward.name} could not score {item.id}")
            if status.failed:
                reasons[item.key] = f"that {self.reward.name} cannot score"
            elif status.scored and score < self.below:
                reasons[item.key] = f"with {self.reward.name} below {self.below:g}"
        return reasons
