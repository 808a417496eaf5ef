"""The best of N sampled translations (TranslateGemma, arXiv 2601.09012: N = 128, MetricX-24-QE)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from rewardlab.curation.items import Item
from rewardlab.curation.sampled import SampledBatch, sample_and_score
from rewardlab.curation.sampler import Sampled, Sampler
from rewardlab.curation.stage import Job, Stage
from rewardlab.decoding.rerank import SampleScores, choose, score_samples
from rewardlab.ensemble import RewardEnsemble
from rewardlab.statistics import moments
from rewardlab.types import Gate, Term

References = Literal["none", "samples"]


@dataclass(frozen=True, kw_only=True)
class BestOf(Stage):
    """Sample translations of each source, and keep the best one by an ensemble.

    A translation cannot be chosen if it was truncated, a gate closed on it, or a reward could not
    score it. If none is left, the source is dropped. Rewards count by their weights, z-scored over
    the samples (`rewardlab.decoding.rerank.choose`); of equal ones the first sample is taken.

    Attributes:
        number: Samples of each source.
        temperature: Temperature of the samples.
        rewards: The rewards that choose.
        gates: Gates that close on samples.
        references: ``none``; or ``samples`` to score each sample against each other one, which is
            minimum Bayes risk decoding (Eikema and Aziz 2020, arXiv 2005.10283).
    """

    number: Annotated[int, Field(ge=2, le=1024)] = 128
    temperature: Annotated[float, Field(gt=0, le=10)] = 1.0
    rewards: Sequence[Term]
    gates: Sequence[Gate] = ()
    references: References = "none"

    name: ClassVar[str] = "best_of"
    sampling: ClassVar[bool] = True

    @cached_property
    def _ensemble(self) -> RewardEnsemble:
        return RewardEnsemble(self.rewards, gates=self.gates)

    @property
    def signature(self) -> str:
        """The options, and the signatures of rewards and gates."""
        options = f"number:{self.number}|temperature:{self.temperature:g}"
        ensemble = self._ensemble.signature
        return f"{self.name}:{self.version}|{options}|references:{self.references}|{ensemble}"

    def run(self, job: Job, place: int) -> None:
        """Give each source its best translation, or drop it."""
        weights = [term.weight for term in self.rewards]
        for batch in sample_and_score(job, place, self._sample, self._score, samples=self.number):
            chosen: list[Item] = []
            dropped: dict[str, str] = {}
            for item, texts, scored in batch:
                choice = choose(scored, weights)
                if np.isnan(choice.totals).all():
                    dropped[item.key] = _why(scored)
                else:
                    facts = self._facts(scored, choice.index)
                    chosen.append(
                        replace(
                            item,
                            text=texts[choice.index],
                            origin={**item.origin, "best_of": facts},
                        )
                    )
            job.work.replace(chosen)
            job.work.drop(place, dropped.items())

    def _sample(self, sampler: Sampler, items: Sequence[Item]) -> dict[str, Sampled]:
        return sampler(items, self.name, samples=self.number, temperature=self.temperature)

    def _score(self, batch: SampledBatch) -> Sequence[SampleScores]:
        texts = {item.id: sampled["texts"] for item, sampled in batch}
        items, pairs = [item for item, _ in batch], self.references == "samples"
        return score_samples(items, texts, self._ensemble, pairs=pairs)

    def _facts(self, scored: SampleScores, index: int) -> dict[str, Any]:
        """What the data set says of the choice: the scores of it and of all samples."""
        names = [term.reward.name for term in self.rewards]
        means, std = moments(scored.scores)
        parts = {"chosen": scored.scores[index], "mean": means, "std": std}
        summaries = {
            name: {part: float(values[at]) for part, values in parts.items()}
            for at, name in enumerate(names)
            if not np.isnan(scored.scores[index, at])
        }
        failed = sum(map(bool, scored.failed)) + sum(map(bool, scored.unavailable))
        return {"sample": index, "samples": len(scored.failed), "failed": failed, **summaries}


def _why(scored: SampleScores) -> str:
    """Why no sample could be chosen, from the most to the least fixable reason."""
    if any(scored.unavailable):
        return "with no sample that could be scored: a reward was unavailable"
    if all(scored.failed):
        return "with no finished sample that could be scored"
    return "with a closed gate on every sample that could be scored"
