"""Human scores of translations, read from any format by `rewardlab.human.formats`.

Higher scores are better here: MQM, which counts errors, is negated, and so are scores that the
caller declares lower-is-better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.types import ErrorSpan, SeverityTable

Cell: TypeAlias = tuple[str, str]
"""A system, and the id of a segment."""
FEWEST_SYSTEMS = 2


@dataclass(frozen=True, eq=False)
class Gold:
    """Human scores, and the translations that they belong to.

    Attributes:
        scores: Higher is better, NaN if a translation has no score. The rows are the S systems
            with at least one score, sorted by name; the columns are the M segments in the order
            of the test set.
        documents: (M,), empty if unknown.
        numbers: (M,), number of each segment in its test set or document, None if the file does not
            say; empty if unknown.
        funnel: What was read, left out and noticed, in one line.
        raters: Number of raters; 0 if the file does not say.
        sources: (M,), or None if the file has no sources.
        hypotheses: (system, segment id) -> text, where known; also of systems without scores.
        spans: (system, segment id) -> for each rater the errors marked in source or translation;
            empty if the format has no marks.
        source_lang: Language code, None if unknown.
        target_lang: Language code, None if unknown.
        severities: The table that weighed the errors; None if the file contains scores.
        unscored: Systems of the file without any score.
        negated: Whether lower is better in the file; ``scores`` then have the opposite sign.
        name: Name of the file without its extensions.
        reference_system: The system whose texts are the references, or None.
    """

    scores: ScoreMatrix
    documents: tuple[str, ...]
    numbers: tuple[int | None, ...] = ()
    funnel: str = ""
    raters: int = 0
    sources: tuple[str, ...] | None = None
    hypotheses: Mapping[Cell, str] = field(default_factory=lambda: MappingProxyType({}))
    spans: Mapping[Cell, tuple[tuple[ErrorSpan, ...], ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    source_lang: str | None = None
    target_lang: str | None = None
    severities: SeverityTable | None = None
    unscored: tuple[str, ...] = ()
    negated: bool = False
    name: str = ""
    reference_system: str | None = None

    @property
    def published(self) -> dict[str, float]:
        """System -> its mean with the sign of the file: MQM as an error, lower is better."""
        means = dict(zip(self.scores.systems, self.scores.system_scores().tolist(), strict=True))
        # 0.0 - 0.0 is not a negative zero
        return {name: 0.0 - mean for name, mean in means.items()} if self.negated else means
