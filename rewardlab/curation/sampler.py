"""Translations of sources by a generator, as values of the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from rewardlab.curation.items import Item
from rewardlab.generate import Generator, Prompt, Sampling
from rewardlab.seeds import seed_for
from rewardlab.text.prompts import without_separator

Sampled: TypeAlias = Mapping[str, Any]
"""``texts``: the translations; ``finished``: whether the model ended each of them."""


@dataclass(frozen=True)
class Sampler:
    """A generator with its prompt.

    Attributes:
        generator: The generator.
        prompt: Writes the prompt of a row.
        sampling: Options; the stages choose temperature and number of samples.
        seed: The seed of a row is derived from it and from the row's content.
    """

    generator: Generator
    prompt: Callable[[Item], Prompt]
    sampling: Sampling
    seed: int = 0

    @property
    def signature(self) -> str:
        """Everything that the texts depend on, besides the prompts."""
        return f"{self.generator.signature}|{self.sampling}|seed:{self.seed}"

    def call_size(self, samples: int) -> int:
        """Sources of a call that keeps the generator busy.

        Args:
            samples: Translations of each source.
        """
        return max(1, self.generator.call_size // samples)

    def __call__(
        self, items: Sequence[Item], stage: str, *, samples: int, temperature: float
    ) -> dict[str, Sampled]:
        """Translate rows.

        Args:
            items: The rows.
            stage: Name of the draws: the same rows are drawn anew for another stage.
            samples: Translations of each source.
            temperature: 0 for greedy decoding.

        Returns:
            Key -> translations.

        Raises:
            UserError: From the generator.
        """
        sampling = replace(self.sampling, samples=samples, temperature=temperature)
        prompts = [self.prompt(item) for item in items]
        seeds = [seed_for(self.seed, stage, item.key) for item in items]
        answers = self.generator(prompts, sampling, seeds=seeds)
        return {
            item.key: {
                "texts": [without_separator(prompt, one.answer).strip() for one in texts],
                "finished": [one.finished for one in texts],
            }
            for item, prompt, texts in zip(items, prompts, answers, strict=True)
        }
