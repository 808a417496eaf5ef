"""MetricX: a regressor's MQM error score, turned into a reward.

Juraska et al. 2023 (2023.wmt-1.63) and 2024 (arXiv 2410.03983). What the published script
computes one row at a time is computed in batches here; `rewardlab.models.metricx` has the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np

from rewardlab.rewards.base import BaseReward
from rewardlab.store.checkpoints import LOADING, checkpoint_digest, find_checkpoint
from rewardlab.types import Candidate, RewardOutput

Version = Literal["23", "24"]
Mode = Literal["qe", "reference"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

LONGEST = {"23": 1024, "24": 1536}
"""Tokens of an input in training; beyond them its authors promise nothing."""


@dataclass(frozen=True, kw_only=True)
class MetricX(BaseReward):
    """Minus the MQM error that MetricX predicts: 0 is best, -25 worst.

    The model loads on first use and is shared by all rewards of the process that name the same
    checkpoint, tokenizer, device and precision. A prediction that is not a number is the text's
    fault (``NON_FINITE``). ``components["truncated"]`` is 1 where the input was cut.

    Attributes:
        model: Directory of a checkpoint: of MetricX-23 or -24 as published, or trained further.
        version: How inputs are written. 24: source, candidate, reference; 23: candidate, then
            source (QE) or reference.
        mode: ``qe`` reads the source, ``reference`` the reference and, in 24, the source too. A
            hybrid 24 does both; of 23 there is a checkpoint for each.
        tokenizer: Directory of the tokenizer; empty for the checkpoint's own. The published
            checkpoints have none: every size uses that of google/mt5-xl.
        max_length: Longest input in tokens, the end-of-sequence token counted; 0 for that of
            training, 1536 in 24 and 1024 in 23. What is longer loses its end.
        batch_tokens: Tokens that go through the model at once, padding included; 0 for 512 on the
            CPU, where larger batches are slower, and 16384 on an accelerator.
        device: ``auto`` is the accelerator if there is one, else the CPU; or torch's name.
        dtype: Precision; ``auto`` is the checkpoint's own.
        pickle_sha256: The sha256 of a checkpoint that comes as a pickle (`pytorch_model.bin`), as
            its publisher gives it; see `rewardlab.models.weights.load_state_dict`.

    Raises:
        ValueError: An option is out of range.
    """

    name: str = "metricx"
    model: Path
    version: Version = "24"
    mode: Mode = "qe"
    tokenizer: str = ""
    max_length: int = 0
    batch_tokens: int = 0
    device: str = "auto"
    dtype: Precision = "auto"
    pickle_sha256: str = ""

    packages: ClassVar[tuple[str, ...]] = ("rewardlab", "tokenizers", "torch", "transformers")
    worst = -25.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", Path(self.model))
        for option, choices in (("version", Version), ("mode", Mode), ("dtype", Precision)):
            if (value := getattr(self, option)) not in get_args(choices):
                raise ValueError(f"{option}={value!r} is not one of {', '.join(get_args(choices))}")
        if (self.max_length < 2 and self.max_length != 0) or self.batch_tokens < 0:  # noqa: PLR2004
            raise ValueError(
                f"max_length={self.max_length} must be 0 or at least 2, "
                f"batch_tokens={self.batch_tokens} 0 or at least 1"
            )

    @property
    def reads(self) -> tuple[str, ...]:
        """The hypothesis, and what the mode compares it with."""
        if self.mode == "qe":
            return ("source", "hypothesis")
        if self.version == "23":
            return ("hypothesis", "reference")
        return ("source", "hypothesis", "reference")

    @property
    def signature(self) -> str:
        """Name, options and package versions, then the digests of weights and tokenizer.

        Raises:
            UserError: E080, there is no checkpoint; exit code 2.
        """
        from rewardlab.models.device import pick_device

        model, tokenizer = self._places()
        digests = [f"weights:{_digest(model)}", f"tokens:{_digest(tokenizer)}"]
        return "|".join([super().signature, *digests, f"on:{pick_device(self.device).type}"])

    def text(self, candidate: Candidate) -> str:
        """What the encoder reads; character by character as in training.

        >>> MetricX(model=".").text(Candidate("Ja.", "Yes."))
        'source: Ja. candidate: Yes.'
        """
        source, candidate_text = f"source: {candidate.source}", f"candidate: {candidate.hypothesis}"
        reference = f"reference: {candidate.reference}"
        if self.version == "23":
            return f"{candidate_text} {source if self.mode == 'qe' else reference}"
        parts = [source, candidate_text, *([reference] if self.mode == "reference" else [])]
        return " ".join(parts)

    def hypothesis_at(self, candidate: Candidate) -> int:
        """Where in `text` the hypothesis begins.

        >>> MetricX(model=".").hypothesis_at(Candidate("Ja.", "Yes."))
        23
        """
        before = "candidate: "
        return len(before if self.version == "23" else f"source: {candidate.source} {before}")

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates; without the reference that it needs, one is not applicable.

        Raises:
            UserError: The checkpoint, tokenizer or device cannot be used: E080, E301 to E309;
                exit code 2.
        """
        scores: list[float | None] = [None] * len(candidates)
        truncated = np.zeros(len(candidates))
        rows = [
            row
            for row, candidate in enumerate(candidates)
            if not self.needs_reference or candidate.reference is not None
        ]
        if rows:
            errors, cut = self._predict([self.text(candidates[row]) for row in rows])
            truncated[rows] = cut
            for row, error in zip(rows, errors, strict=True):
                scores[row] = 0.0 - float(error)  # MetricX is an error: the sign flips here
        return RewardOutput.of(scores, components={"truncated": truncated})

    def _predict(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        model, tokenizer = self._places()
        with LOADING:
            from rewardlab.models.metricx import load_regressor

            regressor = load_regressor(
                model,
                tokenizer=tokenizer,
                device=self.device,
                dtype=self.dtype,
                pickle_sha256=self.pickle_sha256,
            )
        longest = self.max_length or LONGEST[self.version]
        return regressor.predict(texts, max_length=longest, batch_tokens=self.batch_tokens)

    def _places(self) -> tuple[Path, Path]:
        """The directories of the checkpoint and of its tokenizer."""
        model = find_checkpoint(self.model).resolve()
        return model, Path(self.tokenizer).resolve() if self.tokenizer else model


@cache
def _digest(directory: Path) -> str:
    """Once for each directory: what a process has loaded it keeps."""
    return checkpoint_digest(directory) if directory.is_dir() else "missing"
