"""Rewards as metrics of mbrs (https://github.com/naist-nlp/mbrs), for minimum Bayes risk decoding.

mbrs brings the decoders: naive, pruning and probabilistic MBR, reranking. A reward brings the
utility, with everything a row is asked in one call. mbrs needs COMET's old libraries and so does
not install beside ours; this module runs with what mbrs has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mbrs.metrics import (  # pyright: ignore[reportMissingImports] - not beside our core
    Metric,
    MetricReferenceless,
)
from torch import Tensor

from rewardlab.errors import RewardUnavailable
from rewardlab.types import Candidate, Reward, Status


def mbrs_metric(
    reward: Reward, *, source_lang: str | None = None, target_lang: str | None = None
) -> UtilityMetric | QualityMetric:
    """A reward as mbrs takes it: with references for MBR, without for its ``rerank``.

    A hypothesis that breaks the reward gets ``worst``, so it is not chosen for it; so does a pair
    that the reward does not apply to, which is all of a source's or of a reference's.

    Args:
        reward: Whether it needs references decides what it becomes.
        source_lang: Language code of the sources, for rewards that read it.
        target_lang: Language code of the hypotheses.
    """
    made = UtilityMetric if reward.needs_reference else QualityMetric
    return made(reward, {"source_lang": source_lang, "target_lang": target_lang})


class UtilityMetric(Metric):  # pyright: ignore[reportUntypedBaseClass]
    """A reward that compares a hypothesis with a reference."""

    def __init__(self, reward: Reward, languages: dict[str, str | None]) -> None:
        super().__init__(self.Config())
        self.reward, self.languages = reward, languages

    def score(self, hypothesis: str, reference: str, source: str | None = None) -> float:
        """The score of one hypothesis, higher is better."""
        sources = None if source is None else [source]
        return float(self.scores([hypothesis], [reference], sources)[0])

    def scores(
        self, hypotheses: list[str], references: list[str], sources: list[str] | None = None
    ) -> Tensor:
        """(N,) scores of N hypotheses, each with its own reference."""
        origins = sources or [""] * len(hypotheses)
        return _scores(
            self.reward,
            [
                Candidate(source=source, hypothesis=hypothesis, reference=reference, **_of(self))
                for hypothesis, reference, source in zip(
                    hypotheses, references, origins, strict=True
                )
            ],
        )

    def pairwise_scores(
        self, hypotheses: list[str], references: list[str], source: str | None = None
    ) -> Tensor:
        """(H, R) scores of every hypothesis against every reference, in one call."""
        pairs = [
            Candidate(source=source or "", hypothesis=hypothesis, reference=reference, **_of(self))
            for hypothesis in hypotheses
            for reference in references
        ]
        return _scores(self.reward, pairs).view(len(hypotheses), len(references))


class QualityMetric(MetricReferenceless):  # pyright: ignore[reportUntypedBaseClass]
    """A reward that needs no reference."""

    def __init__(self, reward: Reward, languages: dict[str, str | None]) -> None:
        super().__init__(self.Config())
        self.reward, self.languages = reward, languages

    def score(self, hypothesis: str, source: str) -> float:
        """The score of one hypothesis, higher is better."""
        return float(self.scores([hypothesis], [source])[0])

    def scores(self, hypotheses: list[str], sources: list[str]) -> Tensor:
        """(N,) scores of N hypotheses."""
        return _scores(
            self.reward,
            [
                Candidate(source=source, hypothesis=hypothesis, **_of(self))
                for hypothesis, source in zip(hypotheses, sources, strict=True)
            ],
        )


def _of(metric: UtilityMetric | QualityMetric) -> dict[str, Any]:
    return metric.languages


def _scores(reward: Reward, candidates: Sequence[Candidate]) -> Tensor:
    """float32 (N,), as all of mbrs's metrics give; each different row is asked once.

    Raises:
        RewardUnavailable: Some row has no score, and that is not the text's fault.
    """
    keys = [
        row if (key := reward.key(candidate)) is None else key
        for row, candidate in enumerate(candidates)
    ]
    unique = dict(zip(keys, candidates, strict=True))
    output = reward(list(unique.values()))
    if lost := output.status.count(Status.UNAVAILABLE):
        raise RewardUnavailable(f"{reward.name} left {lost} of {len(unique)} rows unscored")
    known = {
        key: float(score) if status.scored else reward.worst
        for key, score, status in zip(unique, output.scores, output.status, strict=True)
    }
    return torch.tensor([known[key] for key in keys], dtype=torch.float32)
