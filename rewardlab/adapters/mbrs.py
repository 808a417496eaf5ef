"""Rewards as metrics of mbrs (https://github.com/naist-nlp/mbrs), for minimum Bayes risk decoding.

mbrs has the decoders (naive, pruning and probabilistic MBR, reranking); a reward is their utility
function. mbrs depends on old versions of COMET's libraries and cannot be installed beside ours;
this module runs with the versions that mbrs needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    """A reward as a metric of mbrs: with references for MBR, without for its ``rerank``.

    A hypothesis that the reward cannot score because of the text gets ``worst``, so that it is not
    chosen. Hypotheses that the reward does not apply to also get ``worst``; a reward applies either
    to all hypotheses of a source or to none.

    Args:
        reward: A reward; it becomes a `UtilityMetric` if it needs references, else a
            `QualityMetric`.
        source_lang: Language code of the sources, for rewards that read it.
        target_lang: Language code of the hypotheses.
    """
    made = UtilityMetric if reward.needs_reference else QualityMetric
    return made(reward, {"source_lang": source_lang, "target_lang": target_lang})


class UtilityMetric(Metric):  # pyright: ignore[reportUntypedBaseClass]
    """A reward that compares a hypothesis with a reference."""

    def __init__(self, reward: Reward, languages: Mapping[str, Any]) -> None:
        super().__init__(self.Config())
        self.reward, self.languages = reward, languages

    def score(self, hypothesis: str, reference: str, source: str | None = None) -> float:
        """The score of one hypothesis, higher is better.

        Args:
            hypothesis: A translation.
            reference: The text to compare it with.
            source: The text that was translated, for rewards that read it.
        """
        sources = None if source is None else [source]
        return float(self.scores([hypothesis], [reference], sources)[0])

    def scores(
        self, hypotheses: list[str], references: list[str], sources: list[str] | None = None
    ) -> Tensor:
        """(N,) scores of N hypotheses, each with its own reference.

        Args:
            hypotheses: N translations.
            references: N references.
            sources: N sources, for rewards that read them.
        """
        sources = sources or [""] * len(hypotheses)
        return _scores(self, zip(sources, hypotheses, references, strict=True))

    def pairwise_scores(
        self, hypotheses: list[str], references: list[str], source: str | None = None
    ) -> Tensor:
        """(H, R) scores of every hypothesis against every reference, in one call.

        Args:
            hypotheses: H translations of one source.
            references: R references.
            source: Source of the hypotheses, for rewards that read it.
        """
        pairs = [
            (source or "", hypothesis, other) for hypothesis in hypotheses for other in references
        ]
        return _scores(self, pairs).view(len(hypotheses), len(references))


class QualityMetric(MetricReferenceless):  # pyright: ignore[reportUntypedBaseClass]
    """A reward that needs no reference."""

    def __init__(self, reward: Reward, languages: Mapping[str, Any]) -> None:
        super().__init__(self.Config())
        self.reward, self.languages = reward, languages

    def score(self, hypothesis: str, source: str) -> float:
        """The score of one hypothesis, higher is better.

        Args:
            hypothesis: A translation.
            source: The text that was translated.
        """
        return float(self.scores([hypothesis], [source])[0])

    def scores(self, hypotheses: list[str], sources: list[str]) -> Tensor:
        """(N,) scores of N hypotheses.

        Args:
            hypotheses: N translations.
            sources: N sources.
        """
        return _scores(self, zip(sources, hypotheses, [None] * len(sources), strict=True))


def _scores(
    metric: UtilityMetric | QualityMetric, rows: Iterable[tuple[str, str, str | None]]
) -> Tensor:
    """Scores as float32 (N,), as for all metrics of mbrs; equal rows are scored once.

    Args:
        metric: The metric with the reward and the languages.
        rows: N triples of source, hypothesis and reference.

    Raises:
        RewardUnavailable: A row has no score for a reason other than its text.
    """
    reward = metric.reward
    candidates = [Candidate(*row, **metric.languages) for row in rows]
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
