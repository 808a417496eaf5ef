"""From files of human judgements to what a scorer learns from, and back to what it is measured on.

Scores are on one scale, whatever the file has: minus MQM points, -25 to 0. MetricX learns from
direct assessments first and from MQM after (arXiv 2410.03983). Scores of whole translations are
standardised over the file, clipped to one standard deviation either way, and laid over that range;
so much is ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from rewardlab.human.gold import Gold, only_segments
from rewardlab.human.rated import Rated
from rewardlab.human.score_matrix import Floats
from rewardlab.judges.severities import WORST_ERROR
from rewardlab.metaeval.scoring import candidates


@dataclass(frozen=True, eq=False)
class Judgements:
    """One file of human judgements.

    Attributes:
        name: Of the file; unique in a run.
        gold: What people said.
        source_lang: Language code, None where unknown.
        target_lang: Likewise.
        reference_system: Whose texts are the references, or None.
    """

    name: str
    gold: Gold
    source_lang: str | None = None
    target_lang: str | None = None
    reference_system: str | None = None

    @property
    def documents(self) -> tuple[str, ...]:
        """Of each segment (M,), unique among files; a segment without one stands for itself."""
        segments = zip(self.gold.documents, self.gold.scores.segments, strict=True)
        return tuple(f"{self.name}:{document or segment}" for document, segment in segments)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Every text of the file in all languages, behind its document."""
        document = dict(zip(self.gold.scores.segments, self.documents, strict=True))
        for (_, segment), text in self.gold.hypotheses.items():
            yield document[segment], text
        for segment, source in zip(
            self.gold.scores.segments, self.gold.sources or (), strict=self.gold.sources is not None
        ):
            yield document[segment], source

    def rated(self) -> list[Rated]:
        """Every translation that has a score; its ``id`` is the segment's."""
        gold = self.gold
        scores = dict(zip(gold.scores.systems, mqm_scale(gold), strict=True))
        column = {segment: at for at, segment in enumerate(gold.scores.segments)}
        found = candidates(
            gold,
            reference_system=self.reference_system,
            source_lang=self.source_lang,
            target_lang=self.target_lang,
        )
        return [
            Rated(
                candidate=candidate,
                score=score,
                spans=gold.spans.get((system, segment), ()),
                system=system,
                document=self.documents[column[segment]],
            )
            for (system, segment), candidate in found.items()
            if not np.isnan(score := float(scores[system][column[segment]]))
        ]

    def only(self, documents: Collection[str]) -> Judgements | None:
        """The segments of some documents; None where there are none."""
        chosen = {
            segment
            for segment, document in zip(self.gold.scores.segments, self.documents, strict=True)
            if document in documents
        }
        if not chosen:
            return None
        return Judgements(
            self.name,
            only_segments(self.gold, chosen),
            self.source_lang,
            self.target_lang,
            self.reference_system,
        )


def mqm_scale(gold: Gold) -> Floats:
    """Scores (S, M) as minus MQM points; see the module.

    Marked errors are that already, and are cut at `WORST_ERROR`.
    """
    values = gold.scores.values
    if gold.severities is not None:
        return np.maximum(values, -WORST_ERROR)
    spread = float(np.nanstd(values)) or 1.0
    standard = np.clip((values - np.nanmean(values)) / spread, -1.0, 1.0)
    return np.asarray((standard - 1.0) * WORST_ERROR / 2.0)
