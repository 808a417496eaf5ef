"""MQM errors found by a language model: a score and error spans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rewardlab.judges.answers import MQMAnswer
from rewardlab.judges.prompts import Template, load_template
from rewardlab.judges.severities import JUDGE_TABLES, WORST_ERROR
from rewardlab.rewards.judged import JudgeReward, Opinion, listed_errors, translation_texts
from rewardlab.rewards.trained import as_trained
from rewardlab.types import Candidate, SeverityTable


@as_trained
@dataclass(frozen=True, kw_only=True)
class AutoMQM(JudgeReward):
    """Minus the MQM total of the errors that a judge lists, -25 to 0.

    The judge quotes the wrong words, and the reward searches for them in the text
    (`judges.locating`). An error whose words occur several times or not at all gets no span but
    **costs the same**, so a text gains nothing if its judge misquotes. An omission is a span of the
    source.

    Kocmi & Federmann 2023 (GEMBA-MQM, arXiv 2310.13988), Fernandes et al. 2023 (AutoMQM, arXiv
    2308.07286). Departures: answers are JSON instead of prose, the prompt and its examples are
    ours, and an answer that cannot be parsed has no score (in theirs, a perfect score).

    A judge that ``train-reward`` has made knows its ``prompt``, ``chat`` and ``reference``; others
    are refused (E310).

    Attributes:
        reference: Show the judge the reference as well.
        severities: Cost of an error: ``wmt`` (minor 1, major 5, critical 25, minor punctuation
            0.1, major non-translation 25) or ``xcomet`` (1, 5, 10).
    """

    name: str = "automqm"
    reference: bool = False
    severities: Literal["wmt", "xcomet"] = "wmt"

    form: ClassVar[type[MQMAnswer]] = MQMAnswer
    standard_prompt: ClassVar[str] = "automqm"
    counted: ClassVar[tuple[str, ...]] = ("located", "ambiguous", "dropped")
    worst = -WORST_ERROR
    bounds = (-WORST_ERROR, 0.0)

    @property
    def reads(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Source, hypothesis and languages; also the reference if ``reference`` is set."""
        texts = ("source", "hypothesis", "source_lang", "target_lang")
        return (*texts, "reference") if self.reference else texts

    @property
    def template(self) -> Template:
        """The prompt file; it depends on whether the judge sees a reference."""
        name = "automqm_reference" if self.reference else self.standard_prompt
        return load_template(name, self.form, path=self.prompt)

    @property
    def span_severities(self) -> SeverityTable:
        """The severity weights at token level: the same as in the score."""
        return JUDGE_TABLES[self.severities]

    @property
    def signature(self) -> str:
        """The judge's signature, the severity table and the table's weight of ``critical``."""
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
        """Sum the weights of the errors, including those without a place."""
        return listed_errors(candidate, answer.errors, self.span_severities)
