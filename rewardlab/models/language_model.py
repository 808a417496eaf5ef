"""How well a causal language model predicts a text: its information in bits."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from rewardlab.models.batches import in_batches, padded
from rewardlab.models.pretrained import positions, read_placed
from rewardlab.store.checkpoints import loaded_once


class Information(NamedTuple):
    """Information of N texts.

    Attributes:
        bits: float64 (N,), minus the log2 probability of the read tokens; 0 for an empty text.
        size: float64 (N,), UTF-8 bytes of the read tokens.
        truncated: bool (N,), only the beginning was read.
    """

    bits: NDArray[np.float64]
    size: NDArray[np.float64]
    truncated: NDArray[np.bool_]


@dataclass(frozen=True)
class LanguageModel:
    """A model with its tokenizer. Threads may share it; one call at a time is computed."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __call__(self, texts: Sequence[str], *, max_length: int, batch_tokens: int) -> Information:
        """The information of N texts, each at the beginning of a document.

        Args:
            texts: Texts.
            max_length: Maximum number of tokens that are read of a text, limited by the model's
                positions.
            batch_tokens: Maximum number of tokens in a batch, padding included.

        Raises:
            UserError: E309, a batch does not fit on the accelerator; exit code 2.
        """
        valid = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        longest = int(min(max_length, positions(self.model.config) - 1))
        with self._lock:
            whole = self._ids(valid)
            ids = [row[:longest] for row in whole]
            bits = in_batches(ids, self._bits, budget=batch_tokens)
        cut = [len(read) < len(row) for read, row in zip(ids, whole, strict=True)]
        read = [
            self.tokenizer.decode(row) if short else text
            for row, short, text in zip(ids, cut, valid, strict=True)
        ]
        sizes = [float(len(str(text).encode())) for text in read]
        return Information(np.array(bits, dtype=np.float64), np.array(sizes), np.array(cut, bool))

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        encode: Any = self.tokenizer
        found = encode(list(texts), add_special_tokens=False, verbose=False) if texts else {}
        return found["input_ids"] if texts else []

    @torch.inference_mode()
    def _bits(self, rows: Sequence[list[int]]) -> list[float]:
        """Bits (B,) of one batch; the token that begins a document comes before each row."""
        start = self._start()
        ids, real = padded([[start, *row] for row in rows], filler=start)
        ids, real = ids.to(self.model.device), real.to(self.model.device)
        run: Any = self.model
        logits = run(input_ids=ids, attention_mask=real.long()).logits[:, :-1].float()
        cost = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), ids[:, 1:], reduction="none"
        )
        total = (cost * real[:, 1:]).sum(1) / math.log(2)
        return total.cpu().tolist()

    def _start(self) -> int:
        """The token that begins a document; in many models the one that ends it."""
        words: Any = self.tokenizer
        return words.bos_token_id if words.bos_token_id is not None else words.eos_token_id


def read_language_model(model: Path, *, device: str, dtype: str) -> LanguageModel:
    """Read a causal language model.

    Args:
        model: Directory of a checkpoint that `AutoModelForCausalLM` loads.
        device: See `rewardlab.models.device.pick_device`.
        dtype: See `rewardlab.models.device.pick_dtype`.

    Raises:
        UserError: E303 the device, E304 the weights or the tokenizer; exit code 2.
    """
    return LanguageModel(*read_placed(AutoModelForCausalLM, model, device=device, dtype=dtype))


load_language_model = loaded_once()(read_language_model)
"""As `read_language_model`; a process reads a model once for equal arguments and shares it."""
