"""The base class of rewards that ask a language model: options, asking, token counts.

A candidate's text cannot change how it is judged: the text is quoted as data between fences,
answers are parsed strictly, and an error costs the same whether or not its words are found.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel

from rewardlab.errors import RewardUnavailable
from rewardlab.generate import Generator
from rewardlab.judges.answers import MQMError, UnnaturalSpan
from rewardlab.judges.asking import JudgeReply, ask_judge
from rewardlab.judges.marking import error_total, mark
from rewardlab.judges.prompts import Template, language_shown, load_template
from rewardlab.rewards.base import BaseReward
from rewardlab.types import Candidate, ErrorSpan, RewardOutput, SeverityTable, Status

TOKENS = ("prompt_tokens", "completion_tokens", "asked")


class Opinion(NamedTuple):
    """The result of one answered row.

    Attributes:
        score: Higher is better.
        spans: The errors with a known place.
        counts: Name -> number, for the logs.
    """

    score: float
    spans: list[ErrorSpan]
    counts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class JudgeReward(BaseReward):
    """A reward that asks a language model about each row.

    Judges with the same model and backend share it. A row whose source or reference is too long is
    not applicable; a hypothesis that is too long has status ``TRUNCATED``.

    Attributes:
        model: A checkpoint or a finished run; for a server, its name for the model.
        backend: Where the model runs: in this process (``transformers``, ``vllm``) or behind a
            ``server`` that speaks OpenAI's protocol and is sent the form of the answer.
        url: Base address of the server's protocol, usually ending in ``/v1``.
        batch_size: Number of questions asked at once.
        max_new_tokens: Maximum number of tokens in an answer; a longer answer is truncated and
            counts as failed.
        max_characters: Maximum number of characters in a judged text.
        chat: Ask through the model's chat template. Otherwise the question is a text to continue;
            the model then stops only if it learned to, or is constrained to the form of the answer.
        prompt: A prompt file that replaces the library's.

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
    learned: ClassVar[bool] = True
    form: ClassVar[type[BaseModel]]
    """The form of an answer."""
    standard_prompt: ClassVar[str]
    """Name of the prompt file that is used if ``prompt`` is empty."""
    finds_spans: ClassVar[bool | None] = True
    counted: ClassVar[tuple[str, ...]] = ()
    """Names of an `Opinion`'s counts."""

    def __post_init__(self) -> None:
        if min(self.batch_size, self.max_new_tokens, self.max_characters) < 1:
            raise ValueError("batch_size, max_new_tokens and max_characters are at least 1")
        if self.backend == "server" and not self.url:
            raise ValueError("backend=server needs url, for example http://localhost:8000/v1")

    @abstractmethod
    def question(self, candidate: Candidate) -> dict[str, str]:
        """Name -> text that the judge sees, the hypothesis last."""

    @abstractmethod
    def opinion(self, candidate: Candidate, answer: Any) -> Opinion:
        """The result of an answer.

        Args:
            candidate: The judged row.
            answer: The judge's answer, parsed as `form`.
        """

    @property
    def template(self) -> Template:
        """The prompt file.

        Raises:
            UserError: E340 or E341, the prompt file cannot be used; exit code 2.
        """
        return load_template(self.standard_prompt, self.form, path=self.prompt)

    @property
    def signature(self) -> str:
        """Options and versions, the digest of the prompt, and the signature of the model.

        Raises:
            UserError: The model or prompt file is missing; exit code 2.
        """
        url = self.url if self.backend == "server" else ""  # asking with a url raises an error
        judge = self._judge(url).signature
        return f"{super().signature}|{self.template.digest}|{judge}"

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates.

        Raises:
            RewardUnavailable: The service gave no answer to any row.
            UserError: The judge, its options or its prompt file cannot be used; exit code 2 or 4.
        """
        status = [self._askable(candidate) for candidate in candidates]
        rows = [row for row, one in enumerate(status) if one is Status.OK]
        replies = self._ask([candidates[row] for row in rows]) if rows else []
        scores: list[float | None] = [None] * len(candidates)
        spans: list[list[ErrorSpan]] = [[] for _ in candidates]
        counts = {name: np.zeros(len(candidates)) for name in (*self.counted, *TOKENS)}
        for row, reply in zip(rows, replies, strict=True):
            status[row] = reply.status
            for name in TOKENS:
                counts[name][row] = getattr(reply, name)
            if reply.answer is not None:
                scores[row], spans[row], counted = self.opinion(candidates[row], reply.answer)
                for name in self.counted:
                    counts[name][row] = counted[name]
        known = spans if self.finds_spans else None
        return RewardOutput.of(scores, spans=known, status=status, components=counts)

    def _ask(self, candidates: Sequence[Candidate]) -> list[JudgeReply[BaseModel]]:
        replies = ask_judge(
            self._judge(self.url),
            self.template,
            [self.question(candidate) for candidate in candidates],
            self.form,
            chat=self.chat,
            max_new_tokens=self.max_new_tokens,
        )
        if all(reply.status is Status.UNAVAILABLE for reply in replies):
            raise RewardUnavailable(f"{self.name}: the judge gave no answer: {replies[0].reason}")
        return replies

    def _askable(self, candidate: Candidate) -> Status:
        """``OK``, or the status of a row that the judge is not asked about."""
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


def translation_texts(candidate: Candidate) -> dict[str, str]:
    """Languages and source, as a judge sees them."""
    return {
        "source_language": language_shown(candidate.source_lang),
        "target_language": language_shown(candidate.target_lang),
        "source": candidate.source,
    }


def listed_errors(
    candidate: Candidate, errors: Sequence[MQMError | UnnaturalSpan], table: SeverityTable
) -> Opinion:
    """Minus the `error_total` of the errors that a judge lists, and their error spans.

    Args:
        candidate: The judged row.
        errors: The errors in one answer.
        table: The weights.
    """
    texts = {"source": candidate.source, "translation": candidate.hypothesis}
    spans, ambiguous, dropped = mark(texts, errors)
    counts = {"located": len(spans), "ambiguous": ambiguous, "dropped": dropped}
    return Opinion(0.0 - error_total(errors, table), spans, counts)
