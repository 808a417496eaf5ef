"""Human scores of translations, read from any format by `rewardlab.human.formats`.

Higher scores are better here: MQM, which counts errors, is negated, and so are scores that the
caller declares lower-is-better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from rewardlab.errors import Problem, refuse
from rewardlab.human.score_matrix import ScoreMatrix
from rewardlab.text.languages import language_problems
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
        funnel: What was read and left out, in one line.
        notes: What was changed on reading, one line each.
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
    notes: tuple[str, ...] = ()

    def in_languages(
        self, source_lang: str | None, target_lang: str | None, *, where: str, fix: str
    ) -> Gold:
        """The same scores with these languages in place of those that the file names.

        Args:
            source_lang: Language of the sources; None for the one that the file names, if any.
            target_lang: Language of the translations, likewise.
            where: The option or file with the judgements.
            fix: How a user names the languages.

        Raises:
            UserError: E260, there is no such language; exit code 3.
        """
        named = {
            "source": source_lang or self.source_lang,
            "target": target_lang or self.target_lang,
        }
        unknown = [one for side, code in named.items() for one in language_problems(side, [code])]
        if unknown:
            what = "; ".join(f"the {one.where} language: {one.what}" for one in unknown)
            refuse(Problem("E260", where, what, f"{fix}, {unknown[0].fix}"))
        return replace(self, source_lang=named["source"], target_lang=named["target"])

    @property
    def published(self) -> dict[str, float]:
        """System -> its mean with the sign of the file: MQM as an error, lower is better."""
        means = dict(zip(self.scores.systems, self.scores.system_scores().tolist(), strict=True))
        # 0.0 - 0.0 is not a negative zero
        return {name: 0.0 - mean for name, mean in means.items()} if self.negated else means
