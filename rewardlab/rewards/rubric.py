"""A grade by a rubric, for translations and for other instructions."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from rewardlab.judges.answers import RubricAnswer
from rewardlab.judges.prompts import Template, load_text
from rewardlab.rewards.judged import JudgeReward, Opinion, translation_texts
from rewardlab.types import Candidate

WORST_GRADE, BEST_GRADE = 1, 10


@dataclass(frozen=True, kw_only=True)
class Rubric(JudgeReward):
    """A grade from 1 to 10 that a judge gives by a rubric; no spans.

    A generalist reward model in the form of a judge (Zheng et al. 2023, arXiv 2306.05685). It keeps
    a policy from forgetting how to follow instructions while the policy learns to translate. A row
    with a target language is judged as a translation of its source. Any other row is judged as an
    answer to its prompt, or to its source if it has no prompt.

    Attributes:
        rubric: A text file with a rubric that replaces the library's.
    """

    name: str = "rubric"
    max_new_tokens: int = 256
    rubric: str = ""

    form: ClassVar[type[RubricAnswer]] = RubricAnswer
    standard_prompt: ClassVar[str] = "rubric"
    finds_spans: ClassVar[bool | None] = False
    worst = float(WORST_GRADE)
    bounds = (float(WORST_GRADE), float(BEST_GRADE))
    reads = ("source", "hypothesis", "source_lang", "target_lang", "prompt")

    def key(self, candidate: Candidate) -> Hashable:
        """The texts that the judge sees."""
        return tuple(self.question(candidate).items())

    @property
    def template(self) -> Template:
        """The prompt file, with the rubric added to its instructions."""
        rubric = load_text("rubric.txt", path=self.rubric)
        return super().template.followed_by(rubric)

    def question(self, candidate: Candidate) -> dict[str, str]:
        """Languages, source and translation, or a request and its answer."""
        if candidate.target_lang is not None:
            return {**translation_texts(candidate), "answer": candidate.hypothesis}
        request = candidate.source if candidate.prompt is None else candidate.prompt
        return {"request": request, "answer": candidate.hypothesis}

    def opinion(self, candidate: Candidate, answer: RubricAnswer) -> Opinion:
        """The grade."""
        del candidate
        return Opinion(float(answer.score), [], {})
