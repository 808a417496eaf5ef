"""A reward model that judges any answer to any request, translation or not."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

from rewardlab.rewards.base import BaseReward
from rewardlab.text.languages import language_name
from rewardlab.types import Candidate, RewardOutput, Status

SHORTEST = 16
"""A conversation of fewer tokens than this is hardly more than the template."""


@dataclass(frozen=True, kw_only=True)
class Generalist(BaseReward):
    """Logit of a sequence classifier that reads the request and the answer as one conversation.

    Any checkpoint that transformers loads as ``AutoModelForSequenceClassification`` and whose
    tokenizer has a chat template. The user turn is the candidate's prompt; without one it is a
    plain request for a translation, made of source and languages, and of a row that has no target
    language the source as it stands. The assistant turn is the hypothesis.

    A conversation of more than ``max_length`` tokens loses the beginning of its request, and
    ``components["truncated"]`` is 1; no answer is ever cut: one that alone is too long has status
    ``TRUNCATED``. Special tokens spelt out in a text are read as plain characters, so no answer
    ends its own turn. A prompt of several turns is known by its last.

    Attributes:
        name: Unique within an ensemble; stands in metric names and tables.
        model: The directory that ``save_pretrained`` wrote, or a run directory.
        label: Which of several logits is the score; -1 is the only one.
        max_length: Tokens of one conversation, at most those that the model has positions for.
        batch_tokens: Tokens of one batch, padding included.
        device: ``auto`` is the accelerator if there is one; else torch's name.
        dtype: ``auto`` is the precision of the checkpoint.
        worst: What a gated row gets. Logits have no lower end: set it below what the model gives.

    Raises:
        ValueError: ``worst`` is not finite, or a size is too small.
    """

    name: str = "generalist"
    model: Path
    label: int = -1
    max_length: int = 4096
    batch_tokens: int = 16_384
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    worst: float = -30.0

    packages: ClassVar[tuple[str, ...]] = ("rewardlab", "torch", "transformers")

    def __post_init__(self) -> None:
        if not math.isfinite(self.worst):
            raise ValueError(f"worst={self.worst} must be finite")
        if self.max_length < SHORTEST or self.batch_tokens < 1 or self.label < -1:
            raise ValueError(
                f"max_length={self.max_length} must be at least {SHORTEST}, "
                f"batch_tokens={self.batch_tokens} at least 1 and label={self.label} at least -1"
            )

    @property
    def reads(self) -> tuple[str, ...]:
        """The request's makings, and the answer."""
        return ("prompt", "source", "source_lang", "target_lang", "hypothesis")

    def key(self, candidate: Candidate) -> Hashable | None:
        """Request and answer."""
        return (request_of(candidate), candidate.hypothesis)

    @property
    def signature(self) -> str:
        """As every reward's; the model is its digest (template included), wherever it lies.

        Raises:
            UserError: E080, there is no such checkpoint; exit code 2.
        """
        known = dataclasses.replace(self, model=Path(_digest(self.model)))
        return super(Generalist, known).signature

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates.

        Raises:
            UserError: E080, E350, E351 the checkpoint cannot be used; E303 no such device, E309 it
                has no room for a batch. Exit code 2.
        """
        from rewardlab.store.checkpoints import LOADING, find_checkpoint

        if not candidates:
            return RewardOutput.of([])
        with LOADING:
            from rewardlab.models.classifier import Exchange, classifier

            ask = classifier(find_checkpoint(self.model), device=self.device, dtype=self.dtype)
        judged = ask(
            [Exchange(request_of(candidate), candidate.hypothesis) for candidate in candidates],
            label=self.label,
            max_length=self.max_length,
            batch_tokens=self.batch_tokens,
        )
        return RewardOutput.of(
            judged.logits.tolist(),
            status=[Status.TRUNCATED if long else Status.OK for long in judged.too_long],
            components={"truncated": judged.cut},
        )


def request_of(candidate: Candidate) -> str:
    r"""What the answer is an answer to.

    >>> request_of(Candidate("Hej.", "Hello.", source_lang="da", target_lang="en"))
    'Translate the following text from Danish into English:\n\nHej.'
    >>> request_of(Candidate("Name three fish.", "Cod, eel, pike."))
    'Name three fish.'
    """
    if candidate.prompt is not None:
        return candidate.prompt
    if candidate.target_lang is None:
        return candidate.source
    speaks = f" from {_language(candidate.source_lang)}" if candidate.source_lang else ""
    wants = _language(candidate.target_lang)
    return f"Translate the following text{speaks} into {wants}:\n\n{candidate.source}"


def _language(code: str) -> str:
    """Its English name; a code that nobody knows stays as it is."""
    try:
        return language_name(code)
    except ValueError:
        return code


@cache
def _digest(model: Path) -> str:
    from rewardlab.store.checkpoints import checkpoint_digest, find_checkpoint

    return checkpoint_digest(find_checkpoint(model))
