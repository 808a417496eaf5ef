"""Spans that do not sound native, found by a language model: a score and error spans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rewardlab.judges.answers import NaturalnessAnswer, UnnaturalSpan
from rewardlab.judges.severities import WMT_JUDGE, WORST_ERROR
from rewardlab.rewards.judged import JudgeReward, Opinion, listed_errors, translation_texts
from rewardlab.types import Candidate, SeverityTable


@dataclass(frozen=True, kw_only=True)
class Naturalness(JudgeReward):
    """Minus the weights of the spans that do not sound native, -25 to 0 (minor 1, major 5).

    The naturalness reward of TranslateGemma (arXiv 2601.09012). Its judge is the policy that
    training starts from: give that checkpoint as ``model``. TranslateGemma's prompt and scale are
    not published; ours are stated here and in the prompt file.

    A span costs nothing if the source is itself unnatural at that place. The judge has to quote
    the words of the source that excuse the span. If the quotation is missing or not in the source,
    the excuse is counted as ``unproven`` and the span has its normal cost.
    """

    name: str = "naturalness"

    form: ClassVar[type[NaturalnessAnswer]] = NaturalnessAnswer
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
    bounds = (-WORST_ERROR, 0.0)
    reads = ("source", "hypothesis", "source_lang", "target_lang")

    def question(self, candidate: Candidate) -> dict[str, str]:
        """Languages and texts."""
        return {**translation_texts(candidate), "translation": candidate.hypothesis}

    def opinion(self, candidate: Candidate, answer: NaturalnessAnswer) -> Opinion:
        """Sum the weights of the spans that are not excused, including those without a place."""
        counting = [one for one in answer.errors if not _excused(one, candidate.source)]
        counts = {
            "excused": len(answer.errors) - len(counting),
            "unproven": sum(one.excused for one in counting),
        }
        opinion = listed_errors(candidate, counting, WMT_JUDGE)
        return opinion._replace(counts={**opinion.counts, **counts})


def _excused(error: UnnaturalSpan, source: str) -> bool:
    return error.excused and bool(error.source_span.strip()) and error.source_span in source
