"""A grade by a rubric, for translations and for anything else a policy is asked."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from rewardlab.judges.answers import RubricAnswer
from rewardlab.judges.prompts import Template, load_text
from rewardlab.rewards.automqm import translation_texts
from rewardlab.rewards.judged import JudgeReward, Opinion
from rewardlab.types import Candidate

WORST_GRADE, BEST_GRADE = 1, 10


@dataclass(frozen=True, kw_only=True)
class Rubric(JudgeReward[RubricAnswer]):
    """A grade from 1 to 10 that a judge gives by a rubric; no spans.

    A generalist reward model in the form of a judge (Zheng et al. 2023, arXiv 2306.05685): it keeps
    a policy from forgetting how to follow instructions while it learns to translate. A row with a
    target language is a translation of its source. Any other is an answer to its prompt, or to its
    source where there is no prompt.

    Attributes:
        rubric: A text file with the rubric, in place of ours.
    """

    name: str = "rubric"
    max_new_tokens: int = 256
    rubric: str = ""

    standard_prompt: ClassVar[str] = "rubric"
    finds_spans: ClassVar[bool] = False
    worst = float(WORST_GRADE)

    @property
    def reads(self) -> tuple[str, ...]:
        """Source, hypothesis and languages; the prompt of a row that is no translation."""
        return ("source", "hypothesis", "source_lang", "target_lang", "prompt")

    def key(self, candidate: Candidate) -> Hashable:
        """What the judge is shown."""
        return tuple(self.question(candidate).items())

    @property
    def form(self) -> type[RubricAnswer]:
        """A grade and its reason."""
        return RubricAnswer

    @property
    def template(self) -> Template:
        """The prompt file, and after its instructions the rubric."""
        rubric = load_text("rubric.txt", path=self.rubric)
        return super().template.followed_by(rubric)

    def question(self, candidate: Candidate) -> dict[str, str]:
        """A translation with its languages and source, or an answer with its request."""
        if candidate.target_lang is not None:
            return {**translation_texts(candidate), "answer": candidate.hypothesis}
        request = candidate.source if candidate.prompt is None else candidate.prompt
        return {"request": request, "answer": candidate.hypothesis}

    def opinion(self, candidate: Candidate, answer: RubricAnswer) -> Opinion:
        """The grade."""
        del candidate
        return Opinion(float(answer.score), [], {})
