"""Scores of several systems' translations of the same texts, row by row.

`score_in_parts` scores a few segments of all systems at a time, so that progress can be shown and
finished rows survive an interruption. `of_systems` sorts the parts by system.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from rewardlab.data.rows import Row
from rewardlab.ensemble import RewardEnsemble
from rewardlab.json_values import json_value
from rewardlab.rewards.lexical import BLEU, TER, ChrF
from rewardlab.rewards.segmentation import corpus_language
from rewardlab.statistics import variance_share, zscore
from rewardlab.types import ErrorSpan, Reward, Scores, Status

if TYPE_CHECKING:
    from sacrebleu.metrics.ter import TER as SacreTER  # noqa: N811 - our class has its name

ROWS_PER_CALL = 512
"""The deadline of a reward is per call."""


@dataclass(frozen=True, eq=False)
class SystemScores:
    """The scores of one system, M segments by R rewards.

    Attributes:
        system: The name of the system.
        rows: The M segments.
        hypotheses: M translations.
        names: R reward names.
        weights: float64 (R,) sequence-level weights.
        values: float64 (M, R), higher is better, NaN if a row was not scored.
        status: M lists of R statuses.
        spans: M lists of R lists of errors.
        gated: For each row the name of the gate that it failed, or None.
        components: float64 (M,) by ``reward/part``.
        signature: One line per term and gate of the ensemble.
    """

    system: str
    rows: Sequence[Row]
    hypotheses: Sequence[str]
    names: tuple[str, ...]
    weights: NDArray[np.float64]
    values: NDArray[np.float64]
    status: list[list[Status]]
    spans: list[list[list[ErrorSpan]]]
    gated: list[str | None]
    components: Mapping[str, NDArray[np.float64]]
    signature: str

    def __len__(self) -> int:
        return len(self.status)

    def means(self) -> NDArray[np.float64]:
        """Mean of the scored rows by reward, float64 (R,); NaN if none was scored."""
        return np.array([np.mean(one) if len(one) else np.nan for one in self._scored()])

    def deviations(self) -> NDArray[np.float64]:
        """Standard deviation of the scored rows by reward, float64 (R,)."""
        return np.array([np.std(one) if len(one) else np.nan for one in self._scored()])

    def shares(self) -> NDArray[np.float64]:
        """Each reward's part of the variance of the weighted total of z-scores, float64 (R,)."""
        return variance_share(self.weights * np.nan_to_num(zscore(self.values)))

    def statuses(self, reward: int) -> Counter[Status]:
        """Number of rows by status.

        Args:
            reward: Position of the reward in `names`.
        """
        return Counter(row[reward] for row in self.status)

    def _scored(self) -> list[NDArray[np.float64]]:
        return [column[~np.isnan(column)] for column in self.values.T]

    def as_json(self) -> dict[str, Any]:
        """The scores as plain values; each list has one entry for each segment, null if unscored.

        Spans have the text that they mark.
        """

        def by_name(rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
            return {name: [row[at] for row in rows] for at, name in enumerate(self.names)}

        spans = [
            [[row.candidate(text).span_record(span) for span in one] for one in marked]
            for row, text, marked in zip(self.rows, self.hypotheses, self.spans, strict=True)
        ]
        return {
            "system": self.system,
            "signature": self.signature,
            "means": dict(zip(self.names, json_value(self.means().tolist()), strict=True)),
            "scores": by_name(json_value(self.values.tolist())),
            "spans": by_name(spans),
            "components": {
                part: json_value(column.tolist()) for part, column in self.components.items()
            },
            "status": by_name(self.status),
            "gated": self.gated,
        }


def score_in_parts(
    ensemble: RewardEnsemble, rows: Sequence[Row], systems: Mapping[str, Sequence[str]]
) -> Iterator[Scores]:
    """Score all systems, some segments at a time; equal translations in a part are scored once.

    Args:
        ensemble: The rewards.
        rows: M segments.
        systems: System -> M translations; at least one.

    Yields:
        The scores of the next segments: those of all systems on the first, and so on.

    Raises:
        RewardFailed: A reward raised or broke its contract.
        TooManyFailures: A reward left more rows unscored than the ensemble allows.
    """
    candidates = [
        row.candidate(text)
        for row, *texts in zip(rows, *systems.values(), strict=True)
        for text in texts
    ]
    size = len(systems) * max(1, ROWS_PER_CALL // len(systems))
    for first in range(0, len(candidates), size):
        yield ensemble(candidates[first : first + size])


def of_systems(
    parts: Sequence[Scores], rows: Sequence[Row], systems: Mapping[str, Sequence[str]]
) -> list[SystemScores]:
    """The scores of each system.

    Args:
        parts: Parts that `score_in_parts` yielded, in order; the segments of missing parts are
            left out. Without parts there are no systems.
        rows: As in `score_in_parts`.
        systems: As in `score_in_parts`.
    """
    if not parts:
        return []
    values = np.concatenate([part.values for part in parts])
    status = [row for part in parts for row in part.status]
    spans = [row for part in parts for row in part.spans]
    gated = [gate for part in parts for gate in part.gated]
    components = {
        name: np.concatenate(
            [part.components.get(name, np.full(len(part), np.nan)) for part in parts]
        )
        for name in dict.fromkeys(name for part in parts for name in part.components)
    }
    scored = [
        (name, texts, slice(at, None, len(systems)))
        for at, (name, texts) in enumerate(systems.items())
    ]
    return [
        SystemScores(
            system=name,
            rows=rows[: len(gated[own])],
            hypotheses=texts[: len(gated[own])],
            names=parts[0].names,
            weights=parts[0].weights,
            values=values[own],
            status=status[own],
            spans=spans[own],
            gated=gated[own],
            components={part: column[own] for part, column in components.items()},
            signature=parts[0].signature,
        )
        for name, texts, own in scored
    ]


def corpus_score(
    reward: Reward,
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    target_lang: str | None = None,
) -> float | None:
    """The score that sacrebleu gives a whole file, in the sign of the reward; None if it has none.

    TER has none if a text is longer than its ``max_words``: its time grows with the cube.

    Args:
        reward: A reward; BLEU, chrF and TER have such a score.
        hypotheses: M translations.
        references: M references.
        target_lang: Language of the translations, which decides how BLEU and TER find words; if it
            is None, the script of the references does.
    """
    if not isinstance(reward, BLEU | ChrF | TER):
        return None
    peer = reward.corpus_metric(corpus_language(target_lang, references))
    if isinstance(reward, TER):
        split = cast("SacreTER", peer).tokenizer
        longest = max(len(split(text.rstrip()).split()) for text in (*hypotheses, *references))
        if longest > reward.max_words:
            return None
    score = float(peer.corpus_score(hypotheses, [references]).score)
    return 0.0 - score if isinstance(reward, TER) else score  # TER is an error: the sign flips
