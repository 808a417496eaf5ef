"""MQM errors as a language model sees them: a score and error spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from rewardlab.judges.answers import MQMAnswer, MQMError
from rewardlab.judges.marking import mark
from rewardlab.judges.prompts import Template, language_shown, load_template
from rewardlab.judges.severities import JUDGE_TABLES, WORST_ERROR
from rewardlab.rewards.judged import JudgeReward, Opinion
from rewardlab.types import Candidate, SeverityTable


@dataclass(frozen=True, kw_only=True)
class AutoMQM(JudgeReward[MQMAnswer]):
    """Minus the MQM total of the errors that a judge lists, -25 to 0.

    The judge quotes the wrong words; they are searched for in the text (`judges.locating`). An
    error whose words stand there several times or nowhere gets no span and **costs the same**, so
    that nothing is gained where a judge misquotes. What was left out is a span of the source.

    Kocmi & Federmann 2023 (GEMBA-MQM, arXiv 2310.13988), Fernandes et al. 2023 (AutoMQM, arXiv
    2308.07286). Departures: JSON in place of prose, the prompt and its examples are ours, and an
    answer that cannot be read has no score (in theirs it is a perfect one).

    Attributes:
        reference: Show the judge the reference as well.
        severities: What an error costs: ``wmt`` (minor 1, major 5, critical 25, minor punctuation
            0.1, major non-translation 25) or ``xcomet`` (1, 5, 10).
    """

    name: str = "automqm"
    reference: bool = False
    severities: Literal["wmt", "xcomet"] = "wmt"

    standard_prompt: ClassVar[str] = "automqm"
    counted: ClassVar[tuple[str, ...]] = ("located", "ambiguous", "dropped")
    worst = -WORST_ERROR

    @property
    def reads(self) -> tuple[str, ...]:
        """Source, hypothesis and languages, and the reference if it is asked for."""
        texts = ("source", "hypothesis", "source_lang", "target_lang")
        return (*texts, "reference") if self.reference else texts

    @property
    def form(self) -> type[MQMAnswer]:
        """A list of errors."""
        return MQMAnswer

    @property
    def template(self) -> Template:
        """Another one of ours where there is a reference."""
        name = "automqm_reference" if self.reference else self.standard_prompt
        return load_template(name, self.form, path=self.prompt)

    @property
    def span_severities(self) -> SeverityTable:
        """What its spans cost at token level: what they cost the score."""
        return JUDGE_TABLES[self.severities]

    @property
    def signature(self) -> str:
        """With the table, and what ``critical`` weighs in it."""
        table = self.span_severities
        return f"{super().signature}|{table.name}|critical:{table.weight_of('critical'):g}"

    def question(self, candidate: Candidate) -> dict[str, str]:
        """Languages and texts."""
        texts = translation_texts(candidate)
        if self.reference and candidate.reference is not None:
            texts["reference"] = candidate.reference
        texts["translation"] = candidate.hypothesis
        return texts

    def opinion(self, candidate: Candidate, answer: MQMAnswer) -> Opinion:
        """Weigh the errors, those without a place too."""
        texts = {"source": candidate.source, "translation": candidate.hypothesis}
        spans, ambiguous, dropped = mark(texts, answer.errors)
        error = error_total(answer.errors, self.span_severities)
        counts = {"located": len(spans), "ambiguous": ambiguous, "dropped": dropped}
        return Opinion(0.0 - error, spans, counts)


def translation_texts(candidate: Candidate) -> dict[str, str]:
    """Languages and source, as a judge is shown them."""
    return {
        "source_language": language_shown(candidate.source_lang),
        "target_language": language_shown(candidate.target_lang),
        "source": candidate.source,
    }


def error_total(errors: Sequence[MQMError], table: SeverityTable) -> float:
    """Sum of the weights, at most `WORST_ERROR`: lower is better."""
    return min(WORST_ERROR, sum(table.weight_of(one.severity, one.category) for one in errors))
