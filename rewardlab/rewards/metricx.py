"""MetricX: a regressor's MQM error score, turned into a reward.

Juraska et al. 2023 (2023.wmt-1.63) and 2024 (arXiv 2410.03983). The published script scores one
row at a time; here rows are batched. `rewardlab.models.metricx` has the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from rewardlab.rewards.base import BaseReward, Precision
from rewardlab.rewards.trained import as_trained
from rewardlab.store.checkpoints import LOADING, find_checkpoint, loaded_digest
from rewardlab.types import Candidate, RewardOutput

Version = Literal["23", "24"]
Mode = Literal["qe", "reference"]

LONGEST = {"23": 1024, "24": 1536}
"""Version -> length of the longest input in training, in tokens."""


@as_trained
@dataclass(frozen=True, kw_only=True)
class MetricX(BaseReward):
    """Minus the MQM error that MetricX predicts: 0 is best, -25 worst.

    The model loads on first use and is shared by all rewards of the process with the same
    checkpoint, tokenizer, device and precision. A prediction that is not finite has status
    ``NON_FINITE``. ``components["truncated"]`` is 1 if the input was truncated.

    A model that ``train-reward`` has made knows its version, mode and ``max_length``.

    Attributes:
        model: Directory of a checkpoint: MetricX-23 or -24 as published, or trained further.
        version: Input format. 24: source, candidate, reference; 23: candidate, then source (QE) or
            reference.
        mode: ``qe`` reads the source; ``reference`` reads the reference and, in version 24, also
            the source. One hybrid checkpoint of version 24 supports both modes; version 23 has a
            separate checkpoint for each.
        tokenizer: Directory of the tokenizer; empty for the checkpoint's own. The published
            checkpoints include no tokenizer: every size uses that of google/mt5-xl.
        max_length: Maximum number of tokens in an input, the end-of-sequence token included; 0 for
            the limit in training, 1536 in version 24 and 1024 in 23. Longer inputs are truncated
            at the end.
        batch_tokens: Maximum number of tokens in a batch, padding included; 0 for 512 on the CPU,
            where larger batches are slower, and 16384 on an accelerator.
        device: ``auto`` is the accelerator if there is one, else the CPU; or torch's name.
        dtype: Precision; ``auto`` is that of the checkpoint.
        pickle_sha256: The published SHA-256 of a checkpoint that is a pickle
            (`pytorch_model.bin`); without this option no pickle is read. For shards, the SHA-256
            of their hexadecimal digests, concatenated in the order of the file names.

    Raises:
        ValueError: An option is out of range.
        UserError: E310, an option contradicts how ``train-reward`` has trained the model.
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
    learned = True
    worst = -25.0
    bounds = (-25.0, 0.0)
    finds_spans = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", Path(self.model))
        if (self.max_length < 2 and self.max_length != 0) or self.batch_tokens < 0:  # noqa: PLR2004
            raise ValueError(
                f"max_length={self.max_length} must be 0 or at least 2, "
                f"batch_tokens={self.batch_tokens} 0 or at least 1"
            )

    @property
    def reads(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The hypothesis, and the texts that the model compares it with."""
        if self.mode == "qe":
            return ("source", "hypothesis")
        if self.version == "23":
            return ("hypothesis", "reference")
        return ("source", "hypothesis", "reference")

    @property
    def signature(self) -> str:
        """Name, options and package versions, then the digests of weights and tokenizer.

        Raises:
            UserError: E080, the checkpoint is missing; exit code 2.
        """
        from rewardlab.models.device import pick_device

        model, tokenizer = self._places()
        tokens = loaded_digest(tokenizer) if tokenizer.is_dir() else "missing"
        digests = [f"weights:{loaded_digest(model)}", f"tokens:{tokens}"]
        return "|".join([super().signature, *digests, f"on:{pick_device(self.device).type}"])

    def text(self, candidate: Candidate) -> str:
        """The encoder's input, exactly as in training.

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
        """Position in `text` at which the hypothesis begins.

        >>> MetricX(model=".").hypothesis_at(Candidate("Ja.", "Yes."))
        23
        """
        before = "candidate: "
        return len(before if self.version == "23" else f"source: {candidate.source} {before}")

    def __call__(self, candidates: Sequence[Candidate]) -> RewardOutput:
        """Score N candidates; a candidate without a needed reference is not applicable.

        Raises:
            UserError: The checkpoint, tokenizer or device cannot be used: E080, E301 to E309;
                exit code 2.
        """
        rows, total = self.applicable(candidates), len(candidates)
        if not rows:
            return RewardOutput.of([None] * total, components={"truncated": np.zeros(total)})
        errors, truncated = self._predict([self.text(candidates[row]) for row in rows])
        output = RewardOutput.of(
            [0.0 - float(error) for error in errors],  # MetricX is an error: the sign flips here
            components={"truncated": truncated.astype(np.float64)},
        )
        return output.spread(rows, total, counts=("truncated",))

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
        """The directories of the checkpoint and of the tokenizer."""
        model = find_checkpoint(self.model).resolve()
        return model, Path(self.tokenizer).resolve() if self.tokenizer else model
