"""Closeness of meaning: the cosine of two sentence embeddings.

With a reference it measures about as well as chrF. Without one it is a guard against unrelated and
halved text, not a judge: good translations are not told apart, and a copy of the source has the
best score. So use it behind `NotCopied`. `rewardlab.models.text_encoder` has the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from rewardlab.rewards.base import BaseReward, Precision, with_weights
from rewardlab.store.checkpoints import LOADING, find_checkpoint
from rewardlab.types import Candidate, RewardOutput

Mode = Literal["reference", "source"]


@dataclass(frozen=True, kw_only=True)
class Embedding(BaseReward):
    """Cosine of the embeddings of the hypothesis and of the reference, or of the source.

    The model loads on first use and is shared by all rewards of the process with the same
    checkpoint, device and precision. ``components["truncated"]`` is 1 if one of the texts was
    truncated. An empty hypothesis has the score -1.

    Attributes:
        model: Directory of a multilingual sentence encoder, such as multilingual-e5-small
            (``rewardlab models get multilingual-e5-small``).
        mode: Compare with the ``reference`` or with the ``source``.
        prefix: Written before both texts. The default is that of the e5 models
            (arXiv 2402.05672); others have none.
        batch_tokens: Maximum number of tokens in a batch, padding included.
        device: ``auto`` is the accelerator if there is one, else the CPU; or torch's name.
        dtype: Precision; ``auto`` is that of the checkpoint.

    Raises:
        ValueError: An option is out of range.
    """

    name: str = "embedding"
    model: Path
    mode: Mode = "reference"
    prefix: str = "query: "
    batch_tokens: int = 2048
    device: str = "auto"
    dtype: Precision = "auto"

    packages: ClassVar[tuple[str, ...]] = ("rewardlab", "tokenizers", "torch", "transformers")
    learned = True
    worst = -1.0
    bounds = (-1.0, 1.0)
    finds_spans = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", Path(self.model))
        if self.batch_tokens < 1:
            raise ValueError(f"batch_tokens={self.batch_tokens} must be at least 1")

    @property
    def reads(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The hypothesis, and the text that it is compared with."""
        return ("source", "hypothesis") if self.mode == "source" else ("hypothesis", "reference")

    @property
    def signature(self) -> str:
        """Name, options and package versions, then the digest of the checkpoint and the device.

        Raises:
            UserError: E080, the checkpoint is missing; exit code 2.
        """
        return with_weights(super().signature, self.model, self.device)

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates; without a needed reference a candidate is not applicable.

        Raises:
            UserError: The checkpoint or device cannot be used: E080, E303, E304, E309; exit code 2.
        """
        rows, total = self.applicable(candidates), len(candidates)
        ours = [candidates[row].hypothesis for row in rows]
        others = [self._other(candidates[row]) for row in rows]
        if not rows:
            return RewardOutput.of([None] * total, components={"truncated": np.zeros(total)})
        with LOADING:
            from rewardlab.models.text_encoder import load_text_encoder

            model = find_checkpoint(self.model).resolve()
            encoder = load_text_encoder(model, device=self.device, dtype=self.dtype)
        texts = [f"{self.prefix}{text}" for text in (*ours, *others)]
        vectors, cut = encoder(texts, batch_tokens=self.batch_tokens)
        half = len(rows)
        cosines = np.clip((vectors[:half] * vectors[half:]).sum(1), -1.0, 1.0)
        cosines[[not text.strip() for text in ours]] = self.worst
        truncated = (cut[:half] | cut[half:]).astype(np.float64)
        output = RewardOutput.of(cosines.tolist(), components={"truncated": truncated})
        return output.spread(rows, total, counts=("truncated",))

    def _other(self, candidate: Candidate) -> str:
        return candidate.source if self.mode == "source" else candidate.reference or ""
