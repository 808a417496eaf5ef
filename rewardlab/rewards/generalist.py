"""A reward model that judges any answer to any request, translation or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rewardlab.errors import finite
from rewardlab.rewards.base import BaseReward, Precision
from rewardlab.store.checkpoints import LOADING, find_checkpoint, loaded_digest
from rewardlab.text.languages import find_language
from rewardlab.types import Candidate, RewardOutput, Status

SHORTEST = 16
"""The smallest ``max_length``; fewer tokens leave hardly any room beside the template."""


@dataclass(frozen=True, kw_only=True)
class Generalist(BaseReward):
    """The logit of a sequence classifier that reads request and answer as one conversation.

    The model is any checkpoint that transformers loads as ``AutoModelForSequenceClassification``
    with a chat template. The user turn is the candidate's prompt. If there is no prompt, it is a
    plain request to translate the source; if there is no target language either, it is the source
    itself. The assistant turn is the hypothesis.

    A conversation of more than ``max_length`` tokens loses the beginning of its request, and
    ``components["truncated"]`` is 1. An answer is never truncated: an answer that is too long even
    without the request has status ``TRUNCATED``. Special tokens written out in a text are read as
    plain characters, so an answer cannot end its own turn. Only the last turn of a prompt is read.

    Attributes:
        name: Unique within an ensemble; used in metric names and tables.
        model: A directory written by ``save_pretrained``, or a run directory.
        label: Index of the logit that is the score; -1 if the model has only one.
        max_length: Maximum number of tokens in a conversation, limited by the model's positions.
        batch_tokens: Maximum number of tokens in a batch, padding included.
        device: ``auto`` is the accelerator if there is one, else the CPU; or torch's name.
        dtype: Precision; ``auto`` is that of the checkpoint.
        worst: The score of a gated row. Logits are unbounded: set it below what the model gives.

    Raises:
        ValueError: ``worst`` is not finite, or a number is too small.
    """

    name: str = "generalist"
    model: Path
    label: int = -1
    max_length: int = 4096
    batch_tokens: int = 16_384
    device: str = "auto"
    dtype: Precision = "auto"
    worst: float = -30.0

    packages: ClassVar[tuple[str, ...]] = ("rewardlab", "torch", "transformers")
    learned = True
    finds_spans = False
    reads = ("prompt", "source", "source_lang", "target_lang", "hypothesis")

    def __post_init__(self) -> None:
        if not finite(self.worst):
            raise ValueError(f"worst={self.worst} must be finite")
        if self.max_length < SHORTEST or self.batch_tokens < 1 or self.label < -1:
            raise ValueError(
                f"max_length={self.max_length} must be at least {SHORTEST}, "
                f"batch_tokens={self.batch_tokens} at least 1 and label={self.label} at least -1"
            )

    def key(self, candidate: Candidate) -> Hashable | None:
        """The request and the answer."""
        return (request_of(candidate), candidate.hypothesis)

    @property
    def signature(self) -> str:
        """Name, options and versions; the model is given by its digest, template included.

        Raises:
            UserError: E080, the checkpoint is missing; exit code 2.
        """
        digest = loaded_digest(find_checkpoint(self.model))
        known = dataclasses.replace(self, model=Path(digest))
        return super(Generalist, known).signature

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates.

        Raises:
            UserError: E080, E350, E351 the checkpoint cannot be used; E303 the device is missing,
                E309 a batch does not fit on it. Exit code 2.
        """
        if not candidates:
            return RewardOutput.of([])
        with LOADING:
            from rewardlab.models.classifier import Exchange, classifier

            ask = classifier(find_checkpoint(self.model), device=self.device, dtype=self.dtype)
        classified = ask(
            [Exchange(request_of(candidate), candidate.hypothesis) for candidate in candidates],
            label=self.label,
            max_length=self.max_length,
            batch_tokens=self.batch_tokens,
        )
        return RewardOutput.of(
            classified.logits.tolist(),
            status=[Status.TRUNCATED if long else Status.OK for long in classified.too_long],
            components={"truncated": classified.truncated},
        )


def request_of(candidate: Candidate) -> str:
    r"""The request that the answer responds to.

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
    """The language's English name; a code for private use has none and is returned unchanged."""
    return find_language(code).name or code
