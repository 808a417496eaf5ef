"""What does not sound native, as a language model hears it: a score and error spans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rewardlab.judges.answers import NaturalnessAnswer, UnnaturalSpan
from rewardlab.judges.marking import mark
from rewardlab.judges.severities import WMT_JUDGE, WORST_ERROR
from rewardlab.rewards.automqm import translation_texts
from rewardlab.rewards.judged import JudgeReward, Opinion
from rewardlab.types import Candidate, SeverityTable


@dataclass(frozen=True, kw_only=True)
class Naturalness(JudgeReward[NaturalnessAnswer]):
    """Minus the weights of the spans that do not sound native, -25 to 0 (minor 1, major 5).

    The naturalness reward of TranslateGemma (arXiv 2601.09012), whose judge is the policy that
    training starts from: give that checkpoint as ``model``. Its prompt and scale are not
    published; ours are stated here and in the prompt file.

    A span costs nothing where the source is itself unnatural at that place. The judge has to quote
    the words of the source that excuse it: an excuse without them, or with words that do not stand
    in the source, is counted as ``unproven`` and does not hold.
    """

    name: str = "naturalness"

    standard_prompt: ClassVar[str] = "naturalness"
    counted: ClassVar[tuple[str, ...]] = (
        "located",
        "ambiguous",
        "dropped",
        "excused",
        "unproven",
    )
    span_severities: ClassVar[SeverityTable] = WMT_JUDGE
    worst = -WORST_ERROR

    @property
    def reads(self) -> tuple[str, ...]:
        """Source, hypothesis and languages."""
        return ("source", "hypothesis", "source_lang", "target_lang")

    @property
    def form(self) -> type[NaturalnessAnswer]:
        """A list of spans."""
        return NaturalnessAnswer

    def question(self, candidate: Candidate) -> dict[str, str]:
        """Languages and texts."""
        return {**translation_texts(candidate), "translation": candidate.hypothesis}

    def opinion(self, candidate: Candidate, answer: NaturalnessAnswer) -> Opinion:
        """Weigh what is not excused, with a place or without."""
        counting = [one for one in answer.errors if not _excused(one, candidate.source)]
        excused = len(answer.errors) - len(counting)
        spans, ambiguous, dropped = mark({"translation": candidate.hypothesis}, counting)
        error = min(WORST_ERROR, sum(WMT_JUDGE.weight_of(one.severity) for one in counting))
        counts = {
            "located": len(spans),
            "ambiguous": ambiguous,
            "dropped": dropped,
            "excused": excused,
            "unproven": sum(one.excused for one in counting),
        }
        return Opinion(0.0 - error, spans, counts)


def _excused(error: UnnaturalSpan, source: str) -> bool:
    return error.excused and bool(error.source_span.strip()) and error.source_span in source
