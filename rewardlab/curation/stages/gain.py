"""The prefilter of TranslateGemma: sources whose samples gain most over greedy decoding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import Field

from rewardlab.curation.items import Item
from rewardlab.curation.sampled import SampledBatch, sample_and_score
from rewardlab.curation.sampler import Sampled, Sampler
from rewardlab.curation.stage import Job, Stage
from rewardlab.decoding.rerank import SampleScores, score_samples
from rewardlab.ensemble import RewardEnsemble
from rewardlab.types import Reward, Term


@dataclass(frozen=True, kw_only=True)
class Gain(Stage):
    """Rank sources by ``R(sample) - R(greedy)`` and keep the top (arXiv 2601.09012).

    One greedy translation and one sample of each source are scored by one reward. There is no
    threshold: the share of each language pair with the largest gains is kept. A source with a
    translation that could not be scored is dropped, since its gain is unknown.

    Attributes:
        reward: The reward R, without references.
        keep: Share of the sources of each pair that are kept, rounded up, in (0, 1].
        temperature: Temperature of the sample.
    """

    reward: Reward
    keep: Annotated[float, Field(gt=0, le=1)] = 0.25
    temperature: Annotated[float, Field(gt=0, le=10)] = 1.0

    name: ClassVar[str] = "gain"
    sampling: ClassVar[bool] = True

    @cached_property
    def _ensemble(self) -> RewardEnsemble:
        return RewardEnsemble([Term(self.reward)])

    @property
    def signature(self) -> str:
        """The options, and the signature of the reward."""
        options = f"keep:{self.keep:g}|temperature:{self.temperature:g}"
        return f"{self.name}:{self.version}|{options}|{self.reward.signature}"

    def run(self, job: Job, place: int) -> None:
        """Score two translations of each source, then drop all but the top of the ranking."""
        for batch in sample_and_score(job, place, self._sample, self._score, samples=2):
            known: list[Item] = []
            dropped: dict[str, str] = {}
            for item, _, scored in batch:
                gain = _gain(scored)
                if math.isfinite(gain):
                    known.append(replace(item, origin={**item.origin, "gain": gain}))
                else:
                    dropped[item.key] = _why(scored)
            job.work.replace(known)
            job.work.drop(place, dropped.items())
        self._keep_top(job, place)

    def _keep_top(self, job: Job, place: int) -> None:
        def gains() -> Iterator[tuple[str, float, str]]:
            for items in job.work.chunks():
                for item in items:
                    yield item.pair, item.origin["gain"], item.key

        # The tiny offset makes 0.1 of 30 equal 3: in binary the product is slightly above 3.
        kept = {pair: math.ceil(self.keep * n - 1e-9) for pair, n in job.work.left().items()}
        ranked = job.work.ranked(gains())
        reason = f"below the top {self.keep:.4g} by gain"
        left_out = ((key, reason) for pair, key, rank in ranked if rank >= kept[pair])
        job.work.drop(place, left_out)

    def _sample(self, sampler: Sampler, items: Sequence[Item]) -> dict[str, Sampled]:
        """Key -> the greedy translation and the sample."""
        greedy = sampler(items, self.name, samples=1, temperature=0.0)
        sampled = sampler(items, self.name, samples=1, temperature=self.temperature)
        return {
            key: {part: [*value[part], *sampled[key][part]] for part in ("texts", "finished")}
            for key, value in greedy.items()
        }

    def _score(self, batch: SampledBatch) -> Sequence[SampleScores]:
        texts = {item.id: sampled["texts"] for item, sampled in batch}
        return score_samples([item for item, _ in batch], texts, self._ensemble)


def _gain(scored: SampleScores) -> float:
    """R(sample) - R(greedy); NaN if one of them is unknown."""
    (greedy,), (sample,) = scored.scores
    return math.nan if any(scored.failed) else float(sample - greedy)


def _why(scored: SampleScores) -> str:
    gone = any(scored.unavailable)
    why = "a reward was unavailable" if gone else "a translation could not be scored"
    return f"with an unknown gain: {why}"
