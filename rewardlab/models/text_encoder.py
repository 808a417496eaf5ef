"""Sentence embeddings: mean of an encoder's last hidden states, with length 1 (Wang et al. 2024).

The form of multilingual-e5 (arXiv 2402.05672): a text begins with ``query: ``, and the mean is
taken over all tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from rewardlab.models.batches import in_batches, padded
from rewardlab.models.pretrained import positions, read_placed
from rewardlab.store.checkpoints import loaded_once

LONGEST = 512
"""Maximum number of tokens in a text, special tokens included."""


class Embedded(NamedTuple):
    """Embeddings of N texts.

    Attributes:
        vectors: float64 (N, D), each of length 1; NaN if the model returned no finite number.
        truncated: bool (N,), the text was truncated at its end.
    """

    vectors: NDArray[np.float64]
    truncated: NDArray[np.bool_]


@dataclass(frozen=True)
class TextEncoder:
    """A model with its tokenizer. Threads may share it; one call at a time is computed."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __call__(self, texts: Sequence[str], *, batch_tokens: int) -> Embedded:
        """Embed N texts, equal ones once.

        Args:
            texts: Texts, with the prefix that the model expects.
            batch_tokens: Maximum number of tokens in a batch, padding included.

        Raises:
            UserError: E309, a batch does not fit on the accelerator; exit code 2.
        """
        different = list(dict.fromkeys(texts))
        valid = [text.encode("utf-8", "replace").decode("utf-8") for text in different]
        longest = int(min(LONGEST, self._places()))
        with self._lock:
            encode: Any = self.tokenizer
            whole: list[list[int]] = encode(valid, verbose=False)["input_ids"] if valid else []
            ids = [_shortened(row, longest) for row in whole]
            vectors = in_batches(ids, self._vectors, budget=batch_tokens)
        cut = [len(read) < len(row) for read, row in zip(ids, whole, strict=True)]
        place = {text: row for row, text in enumerate(different)}
        rows = [place[text] for text in texts]
        width = int(self.model.config.hidden_size)
        return Embedded(
            np.array(vectors, dtype=np.float64).reshape(-1, width)[rows],
            np.array(cut, dtype=np.bool_)[rows],
        )

    def _places(self) -> float:
        """Positions that a text can have; RoBERTa's family counts them from the padding's id on."""
        modules = self.model.named_modules()
        table = next((one for name, one in modules if name.endswith("position_embeddings")), None)
        before: Any = getattr(table, "padding_idx", None)
        return positions(self.model.config) - (0 if before is None else before + 1)

    @torch.inference_mode()
    def _vectors(self, rows: Sequence[list[int]]) -> NDArray[np.float64]:
        """Embeddings (B, D) of one batch."""
        filler = self.tokenizer.pad_token_id
        ids, real = padded(rows, filler=filler if isinstance(filler, int) else 0)
        ids, real = ids.to(self.model.device), real.to(self.model.device)
        run: Any = self.model
        hidden = run(input_ids=ids, attention_mask=real.long()).last_hidden_state.float()
        mean = (hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        return torch.nn.functional.normalize(mean, dim=-1).cpu().numpy().astype(np.float64)


def _shortened(ids: list[int], longest: int) -> list[int]:
    """At most ``longest`` ids; the last one, which ends the text, is kept."""
    return ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]]


def read_text_encoder(model: Path, *, device: str, dtype: str) -> TextEncoder:
    """Read an encoder.

    Args:
        model: Directory of a checkpoint that `AutoModel` loads.
        device: See `rewardlab.models.device.pick_device`.
        dtype: See `rewardlab.models.device.pick_dtype`.

    Raises:
        UserError: E303 the device, E304 the weights or the tokenizer; exit code 2.
    """
    return TextEncoder(*read_placed(AutoModel, model, device=device, dtype=dtype, unused="pooler."))


load_text_encoder = loaded_once()(read_text_encoder)
"""As `read_text_encoder`; a process reads an encoder once for equal arguments and shares it."""
