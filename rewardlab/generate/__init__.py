"""Text generation: the `Generator` protocol of all backends, and sampling options.

A new backend is one file with one class that implements `Generator`. The backends are ``local``
(transformers in this process), ``vllm_engine`` (vLLM in this process) and ``server`` (any server
that speaks OpenAI's protocol). Translation, reranking and evaluation use only the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rewardlab.errors import Problem, UserError
from rewardlab.text.prompts import Prompt
from rewardlab.text.reasoning import CLOSING, answer_start

__all__ = ["Generated", "Generator", "Prompt", "Sampling", "Unanswered"]


@dataclass(frozen=True)
class Sampling:
    """Sampling options; a checkpoint's own generation settings are not used.

    Attributes:
        max_new_tokens: Maximum number of tokens in a text, at least 1; longer texts are truncated.
        beams: Width of the beam search, 1 for none; only with ``temperature=0``.
        temperature: 0 takes the most likely token at each step.
        top_p: Sample from the smallest set of tokens with this total probability, in (0, 1].
        top_k: Sample from this many of the most likely tokens; 0 for all.
        samples: Texts per prompt; more than one only with ``temperature > 0``.

    Raises:
        ValueError: A value is out of range, or two contradict each other.
    """

    max_new_tokens: int = 256
    beams: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    samples: int = 1

    def __post_init__(self) -> None:
        if min(self.max_new_tokens, self.beams, self.samples) < 1:
            raise ValueError("max_new_tokens, beams and samples are at least 1")
        if self.temperature < 0.0 or not 0.0 < self.top_p <= 1.0 or self.top_k < 0:
            raise ValueError("temperature and top_k are at least 0, and top_p is in (0, 1]")
        if self.beams > 1 and self.temperature > 0.0:
            raise ValueError(
                f"beams={self.beams} with temperature={self.temperature:g}: "
                "beam search does not sample; use temperature=0"
            )
        if self.samples > 1 and self.temperature == 0.0:
            raise ValueError(
                f"samples={self.samples} with temperature=0 would be the same text "
                f"{self.samples} times; use temperature=1"
            )


@dataclass(frozen=True, slots=True)
class Generated:
    """One generated text.

    Attributes:
        text: What the model wrote after its prompt, without special tokens. After a text, it begins
            with the white space between the two (`rewardlab.text.prompts.separator`), if the model
            wrote it; nothing else is stripped.
        tokens: Number of tokens that the model produced, the end-of-sequence token included.
        finished: True if the model ended the text; False if it was truncated.
        prompt_tokens: Tokens of the prompt; 0 if a server does not count them.
        refused: True if the model refused to answer, or a filter removed its answer.
        closings: Tags that end reasoning in the model's texts, as far as its template is known.
    """

    text: str
    tokens: int
    finished: bool
    prompt_tokens: int = 0
    refused: bool = False
    closings: tuple[str, ...] = (CLOSING,)

    @property
    def reasoning(self) -> str:
        """The text before the answer, with its tags and white space; empty for most models."""
        return self.text[: answer_start(self.text, self.closings)]

    @property
    def answer(self) -> str:
        """The text without the reasoning before it."""
        return self.text[answer_start(self.text, self.closings) :]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Why a prompt got no text.

    Attributes:
        reason: The reason, on one line; never contains a key.
        fault: ``service`` if the service timed out, is down or sends invalid answers, so that
            another attempt may succeed; ``text`` if this prompt cannot be answered, for example
            because it is too long.
    """

    reason: str
    fault: Literal["service", "text"] = "service"


class Generator(Protocol):
    """A model that continues prompts. The constructor loads nothing; `ready` does."""

    @property
    def signature(self) -> str:
        """Everything that the texts depend on besides prompts, sampling options and seeds."""
        ...

    @property
    def call_size(self) -> int:
        """Number of texts that one call should request to keep the backend busy."""
        ...

    def ready(self) -> None:
        """Load the model or connect to the server; does nothing the second time.

        Raises:
            UserError: Something is missing; the message says how to install or correct it.
        """
        ...

    def __call__(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, seeds: Sequence[int]
    ) -> list[list[Generated]]:
        """Continue every prompt.

        Args:
            prompts: P prompts.
            sampling: Sampling options.
            seeds: P seeds. Text ``s`` of prompt ``p`` is drawn with ``seed_for(seeds[p], s)``,
                whatever the other prompts are.

        Returns:
            P lists of ``sampling.samples`` texts.

        Raises:
            UserError: The backend does not support the options, or is no longer available.
        """
        ...

    def ask(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        seeds: Sequence[int],
        schema: Mapping[str, Any] | None = None,
    ) -> list[Generated | Unanswered]:
        """One text for every prompt, or why there is none; prompts fail independently.

        May be called from several threads.

        Args:
            prompts: P prompts.
            sampling: Sampling options, with ``samples=1``.
            seeds: P seeds; the text is drawn with ``seed_for(seeds[p], 0)``.
            schema: A JSON schema. If a backend can enforce it, every finished text is JSON that
                matches the schema; other backends ignore it.

        Raises:
            UserError: The backend is configured so that no prompt could be answered.
        """
        ...


def refuse_beams(sampling: Sampling) -> None:
    """Refuse beam search, for backends that do not support it.

    Raises:
        UserError: E086; exit code 2.
    """
    if sampling.beams > 1:
        what = f"beams: {sampling.beams}: this backend has no beam search"
        fix = "beams: 1, or backend: transformers"
        raise UserError([Problem("E086", "generation.beams", what, fix)])
