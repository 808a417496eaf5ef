"""Prompts in, texts out: what every backend promises, whoever runs the model.

A backend is one file with one class that is a `Generator`: ``local`` (transformers in this
process), ``vllm_engine`` (vLLM in this process), ``server`` (anything that speaks OpenAI's
protocol). Translation, reranking and evaluation know nothing else about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rewardlab.text.prompts import Prompt

__all__ = ["Generated", "Generator", "Prompt", "Sampling", "Unanswered"]


@dataclass(frozen=True)
class Sampling:
    """How texts are chosen; nothing else of a checkpoint's own generation settings is used.

    Attributes:
        max_new_tokens: A text is cut here. At least 1.
        beams: Width of the beam search, 1 for none; only with ``temperature=0``.
        temperature: 0 takes the likeliest token at each step.
        top_p: Sample from the smallest set of tokens that holds this much probability, in (0, 1].
        top_k: Sample from so many of the likeliest tokens; 0 for all.
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
    """One text.

    Attributes:
        text: What the model wrote, without special tokens; otherwise as it came.
        tokens: How many tokens the model produced, the one that ends the text included.
        finished: The model ended the text itself; False where it was cut.
        prompt_tokens: How many tokens it read; 0 where a server does not say.
        refused: The model would not answer, or a filter took its answer away.
    """

    text: str
    tokens: int
    finished: bool
    prompt_tokens: int = 0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No text, for this prompt.

    Attributes:
        reason: Why, on one line; never holds a key.
        fault: ``service``: too late, down, or nonsense, and another time there may be an answer.
            ``text``: this prompt cannot be answered, for example because it is too long.
    """

    reason: str
    fault: Literal["service", "text"] = "service"


class Generator(Protocol):
    """A model that continues prompts. Its constructor is cheap; `ready` does the loading."""

    @property
    def signature(self) -> str:
        """Everything the texts depend on beside prompts, sampling and seeds."""
        ...

    @property
    def call_size(self) -> int:
        """How many texts one call should ask for: enough to keep the backend busy."""
        ...

    @property
    def enforces_schema(self) -> bool:
        """Whether `ask` holds the model to a schema, or leaves that to the prompt."""
        ...

    def ready(self) -> None:
        """Load the model or reach the server; does nothing the second time.

        Raises:
            UserError: What is missing, and how to get it.
        """
        ...

    def __call__(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, seeds: Sequence[int]
    ) -> list[list[Generated]]:
        """Continue every prompt.

        Args:
            prompts: Any number.
            sampling: How.
            seeds: One per prompt; text ``s`` of prompt ``p`` is drawn with
                ``seed_for(seeds[p], s)`` alone, whatever stands beside it.

        Returns:
            For each prompt its ``sampling.samples`` texts.

        Raises:
            UserError: The backend cannot do this, or is not there any more.
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
        """One text for every prompt, or why there is none; no prompt's failure touches another.

        May be called from several threads.

        Args:
            prompts: Any number.
            sampling: How, with ``samples=1``.
            seeds: One per prompt; the text is drawn with ``seed_for(seeds[p], 0)`` alone.
            schema: A JSON schema. Where the backend `enforces_schema`, a text that ended by
                itself is JSON that fits it; elsewhere nothing is made of it.

        Raises:
            UserError: The backend is not set up so that any prompt could be answered.
        """
        ...
