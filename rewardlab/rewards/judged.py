"""What the rewards share that ask a language model: its options, the asking, what is counted.

Candidate text never decides how it is judged: it is data between fences, an answer is read by the
letter or not at all, and an error costs what it costs whether or not its words are found.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, NamedTuple

import numpy as np

from rewardlab.errors import RewardUnavailable
from rewardlab.generate import Generator
from rewardlab.judges.answers import Form
from rewardlab.judges.asking import Judged, ask_judge
from rewardlab.judges.prompts import Template, load_template
from rewardlab.rewards.base import BaseReward
from rewardlab.types import Candidate, ErrorSpan, RewardOutput, Status

TOKENS = ("prompt_tokens", "completion_tokens", "asked")


class Opinion(NamedTuple):
    """What a judge says about one row.

    Attributes:
        score: Higher is better.
        spans: The errors that have a place.
        counts: Numbers for the logs, by name.
    """

    score: float
    spans: list[ErrorSpan]
    counts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class JudgeReward(BaseReward, Generic[Form]):
    """A reward that asks a language model about each row.

    Judges with the same model and backend share it. A row whose source or reference is too long
    to be asked about does not apply; a hypothesis that is too long is its own fault.

    Attributes:
        model: A checkpoint or a finished run; for a server the name it knows the model by.
        backend: Where the model runs: in this process (``transformers``, ``vllm``) or behind a
            ``server`` that speaks OpenAI's protocol, which then is given the form of the answer.
        url: Where the server's protocol begins, usually ending in ``/v1``.
        batch_size: Questions under way at once.
        max_new_tokens: An answer is cut here, and then is none.
        max_characters: Longest text that is judged.
        chat: Ask through the model's chat template; without it, as a text to continue, which a
            model ends only if it learned to or is held to the form of the answer.
        prompt: A prompt file in place of ours.

    Raises:
        ValueError: A number is below 1, or a server has no address.
    """

    model: str
    backend: Literal["transformers", "vllm", "server"] = "transformers"
    url: str = ""
    batch_size: int = 16
    max_new_tokens: int = 512
    max_characters: int = 20_000
    chat: bool = True
    prompt: str = ""

    family: ClassVar[str] = "llm_judge"
    standard_prompt: ClassVar[str]
    """Name of the prompt file that is taken where the user gives none."""
    finds_spans: ClassVar[bool] = True
    counted: ClassVar[tuple[str, ...]] = ()
    """Names of an `Opinion`'s counts."""

    def __post_init__(self) -> None:
        if min(self.batch_size, self.max_new_tokens, self.max_characters) < 1:
            raise ValueError("batch_size, max_new_tokens and max_characters are at least 1")
        if self.backend == "server" and not self.url:
            raise ValueError("backend=server needs url, for example http://localhost:8000/v1")

    @property
    @abstractmethod
    def form(self) -> type[Form]:
        """What the judge is to answer."""

    @abstractmethod
    def question(self, candidate: Candidate) -> dict[str, str]:
        """The texts that the judge is shown, by name, the hypothesis last."""

    @abstractmethod
    def opinion(self, candidate: Candidate, answer: Form) -> Opinion:
        """What an answer means for a row."""

    @property
    def template(self) -> Template:
        """What the judge is asked.

        Raises:
            UserError: E340 or E341, the prompt file cannot be used; exit code 2.
        """
        return load_template(self.standard_prompt, self.form, path=self.prompt)

    @property
    def signature(self) -> str:
        """Options and versions, what the prompt says, and what the model is.

        Raises:
            UserError: There is no such model or prompt file; exit code 2.
        """
        url = self.url if self.backend == "server" else ""  # refused where the judge is asked
        judge = self._judge(url).signature
        return f"{super().signature}|{self.template.digest}|{judge}"

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates.

        Raises:
            RewardUnavailable: The service answered about none of them.
            UserError: The judge, its options or its prompt file cannot be used; exit code 2 or 4.
        """
        status = [self._askable(candidate) for candidate in candidates]
        rows = [row for row, one in enumerate(status) if one is Status.OK]
        judged = self._ask([candidates[row] for row in rows]) if rows else []
        scores: list[float | None] = [None] * len(candidates)
        spans: list[list[ErrorSpan]] = [[] for _ in candidates]
        counts = {name: np.zeros(len(candidates)) for name in (*self.counted, *TOKENS)}
        for row, one in zip(rows, judged, strict=True):
            status[row] = one.status
            for name in TOKENS:
                counts[name][row] = getattr(one, name)
            if one.answer is not None:
                scores[row], spans[row], counted = self.opinion(candidates[row], one.answer)
                for name in self.counted:
                    counts[name][row] = counted[name]
        found = spans if self.finds_spans else None
        return RewardOutput.of(scores, spans=found, status=status, components=counts)

    def _ask(self, candidates: Sequence[Candidate]) -> list[Judged[Form]]:
        judged = ask_judge(
            self._judge(self.url),
            self.template,
            [self.question(candidate) for candidate in candidates],
            self.form,
            chat=self.chat,
            max_new_tokens=self.max_new_tokens,
        )
        if all(one.status is Status.UNAVAILABLE for one in judged):
            raise RewardUnavailable(f"{self.name}: the judge gave no answer: {judged[0].reason}")
        return judged

    def _askable(self, candidate: Candidate) -> Status:
        """``OK``, or why the judge is not asked."""
        if self.needs_reference and candidate.reference is None:
            return Status.NOT_APPLICABLE
        *given, hypothesis = self.question(candidate).values()
        if any(len(text) > self.max_characters for text in given):
            return Status.NOT_APPLICABLE
        return Status.TRUNCATED if len(hypothesis) > self.max_characters else Status.OK

    def _judge(self, url: str) -> Generator:
        from rewardlab.generate.backends import judge_backend

        return judge_backend(
            backend=self.backend, model=self.model, url=url, batch_size=self.batch_size
        )
