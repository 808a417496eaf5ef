"""Fluency: how well a language model of the target language predicts the translation.

The measure is bits per byte, which does not depend on the tokenizer. It does not read the source.
Its holes are known: repetition, boilerplate and text in the model's favourite language are easy to
predict. So it is meant as a term that only punishes (`Fluency.enough`), behind `NoRepetition` and
`TargetScript`, and its model should be of another family than the policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from rewardlab.rewards.base import BaseReward, Precision, with_weights
from rewardlab.store.checkpoints import LOADING, find_checkpoint
from rewardlab.types import Candidate, RewardOutput

RANDOM_BYTES = 8.0
"""Bits per byte of random bytes."""


@dataclass(frozen=True, kw_only=True)
class Fluency(BaseReward):
    """``min(0, enough - bits per byte)`` of the hypothesis under a causal language model.

    The model loads on first use and is shared by all rewards of the process with the same
    checkpoint, device and precision. ``components["bits_per_byte"]`` has the measure itself, and
    ``components["truncated"]`` is 1 if only the beginning was read. An empty hypothesis has the
    score -8, that of random bytes.

    Attributes:
        model: Directory of a causal language model.
        enough: Bits per byte at which a text counts as fluent; fewer are not rewarded. Take the
            95% quantile of what people wrote. 0 rewards every bit.
        max_length: Maximum number of tokens that are read of a text.
        batch_tokens: Maximum number of tokens in a batch, padding included.
        device: ``auto`` is the accelerator if there is one, else the CPU; or torch's name.
        dtype: Precision; ``auto`` is that of the checkpoint.

    Raises:
        ValueError: An option is out of range.
    """

    name: str = "fluency"
    model: Path
    enough: float = 0.0
    max_length: int = 512
    batch_tokens: int = 1024
    device: str = "auto"
    dtype: Precision = "auto"

    reads = ("hypothesis",)
    packages: ClassVar[tuple[str, ...]] = ("rewardlab", "tokenizers", "torch", "transformers")
    learned = True
    worst = -RANDOM_BYTES
    bounds = (-RANDOM_BYTES, 0.0)
    finds_spans = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", Path(self.model))
        if not 0 <= self.enough < RANDOM_BYTES:
            raise ValueError(f"enough={self.enough} must be from 0 to below {RANDOM_BYTES:g}")
        if min(self.max_length, self.batch_tokens) < 1:
            raise ValueError(
                f"max_length={self.max_length} and batch_tokens={self.batch_tokens} "
                "must be at least 1"
            )

    @property
    def signature(self) -> str:
        """Name, options and package versions, then the digest of the checkpoint and the device.

        Raises:
            UserError: E080, the checkpoint is missing; exit code 2.
        """
        return with_weights(super().signature, self.model, self.device)

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates.

        Raises:
            UserError: The checkpoint or device cannot be used: E080, E303, E304, E309; exit code 2.
        """
        rows, total = self.applicable(candidates), len(candidates)
        if not rows:
            empty = {"truncated": np.zeros(total), "bits_per_byte": np.zeros(total)}
            return RewardOutput.of([None] * total, components=empty)
        with LOADING:
            from rewardlab.models.language_model import load_language_model

            place = find_checkpoint(self.model).resolve()
            model = load_language_model(place, device=self.device, dtype=self.dtype)
        texts = [candidates[row].hypothesis for row in rows]
        found = model(texts, max_length=self.max_length, batch_tokens=self.batch_tokens)
        blank = np.array([not text.strip() for text in texts])
        per_byte = np.where(blank, RANDOM_BYTES, found.bits / np.maximum(found.size, 1.0))
        scores = np.minimum(0.0, self.enough - np.minimum(per_byte, RANDOM_BYTES))
        scores = np.where(blank, self.worst, scores)
        components = {
            "truncated": found.truncated.astype(np.float64),
            "bits_per_byte": per_byte,
        }
        return RewardOutput.of(scores.tolist(), components=components)
