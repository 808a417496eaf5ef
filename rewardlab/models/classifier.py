"""Reward models in transformers' sequence-classification format: a conversation in, a logit out.

The conversation goes through the checkpoint's own chat template and ends with the answer's turn.
The logit is read at the same token as for a single conversation, whatever the padding of the batch.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from rewardlab.errors import Problem, UserError, one_line, shown
from rewardlab.models.batches import in_batches, padded
from rewardlab.models.device import pick_device, pick_dtype
from rewardlab.models.pretrained import UnusableError, positions, read_model, read_tokenizer
from rewardlab.store.checkpoints import loaded_once

ROUNDS = 8
"""Maximum number of attempts to shorten one request; each removes at least the excess."""


class Exchange(NamedTuple):
    """A request and its answer."""

    request: str
    answer: str


class Classified(NamedTuple):
    """A classifier's result for N exchanges.

    Attributes:
        logits: float64 (N,); NaN if the answer alone is too long.
        truncated: float64 (N,), 1 if the request lost its beginning.
        too_long: bool (N,), True if the answer does not fit even without its request.
    """

    logits: NDArray[np.float64]
    truncated: NDArray[np.float64]
    too_long: NDArray[np.bool_]


@dataclass(frozen=True)
class Classifier:
    """A model with its tokenizer. Threads may share it; one call at a time is computed.

    Attributes:
        model: Any architecture of `AutoModelForSequenceClassification`.
        tokenizer: With a chat template.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __call__(
        self, exchanges: Sequence[Exchange], *, label: int, max_length: int, batch_tokens: int
    ) -> Classified:
        """The logits of N exchanges.

        Args:
            exchanges: Texts; special tokens written out in them are read as plain characters.
            label: Index of the logit to read; -1 if the model has only one.
            max_length: Maximum number of tokens in a conversation, limited by the model's
                positions. A longer conversation loses the beginning of its request, and never any
                of its answer.
            batch_tokens: Maximum number of tokens in a batch, padding included.

        Raises:
            UserError: E350 the model has no such logit, E309 a batch does not fit on the
                accelerator; exit code 2.
        """
        column = self._column(label)
        with self._lock:
            longest = int(min(max_length, positions(self.model.config)))
            fitted = [self._fitted(exchange, longest) for exchange in exchanges]
            readable = [row for row, one in enumerate(fitted) if one.ids]
            logits = np.full(len(exchanges), np.nan)
            ids = [fitted[row].ids for row in readable]
            results = in_batches(ids, self._logits, budget=batch_tokens)
            logits[readable] = [result[column] for result in results]
        return Classified(
            logits=logits,
            truncated=np.array([float(one.cut) for one in fitted], dtype=np.float64),
            too_long=np.array([not one.ids for one in fitted], dtype=np.bool_),
        )

    def _column(self, label: int) -> int:
        labels: Any = self.model.config.num_labels
        if label < 0 and labels == 1:
            return 0
        if 0 <= label < labels:
            return label
        known: Any = self.model.config.id2label
        names = ", ".join(f"{number} ({shown(name)})" for number, name in known.items())
        what = f"the model has {labels} logits, and label={label} is not one of them"
        raise UserError([Problem("E350", "label", what, f"one of {shown(names, 200)}")])

    # ── text to ids ─────────────────────────────────────────────────────────────────────────────

    def _fitted(self, exchange: Exchange, max_length: int) -> _Fitted:
        """At most ``max_length`` ids; empty if the answer alone is longer."""
        plain = _plain(exchange, self.tokenizer)
        ids, request = _template_ids(plain, self.tokenizer), plain.request
        for _ in range(ROUNDS):
            surplus = len(ids) - max_length
            if surplus <= 0 or not request:
                break
            request = self._shortened(request, surplus)
            ids = _template_ids(Exchange(request, plain.answer), self.tokenizer)
        if len(ids) > max_length and request:
            request, ids = "", _template_ids(Exchange("", plain.answer), self.tokenizer)
        fits = len(ids) <= max_length
        return _Fitted(ids if fits else [], cut=fits and request != plain.request)

    def _shortened(self, request: str, surplus: int) -> str:
        """The request without its first ``surplus`` tokens."""
        found: Any = self.tokenizer(request, add_special_tokens=False, return_offsets_mapping=True)
        offsets: list[tuple[int, int]] = found["offset_mapping"]
        return request[offsets[surplus][0] :] if surplus < len(offsets) else ""

    # ── ids to logits ───────────────────────────────────────────────────────────────────────────

    def _logits(self, rows: Sequence[list[int]]) -> NDArray[np.float64]:
        """The logits (B, labels) of one batch, padded on the right.

        transformers reads a row's logit at the row's last id that is not ``pad_token_id``. If the
        model has no ``pad_token_id``, transformers reads the last id and accepts only one row. In
        that case the filler is an id with which no row ends, so that the logits of a batch are
        read at the same places.
        """
        config: Any = self.model.config.get_text_config()
        own = config.pad_token_id
        filler = own if own is not None else _unused(row[-1] for row in rows)
        ids, real = (part.to(self.model.device) for part in padded(rows, filler=filler))
        forward: Any = self.model
        config.pad_token_id = filler
        try:
            with torch.inference_mode():
                output = forward(input_ids=ids, attention_mask=real.long())
        finally:
            config.pad_token_id = own
        return output.logits.to(torch.float32).cpu().numpy().astype(np.float64)


class _Fitted(NamedTuple):
    ids: list[int]
    cut: bool


def _unused(taken: Iterable[int]) -> int:
    """The smallest id that is not in ``taken``."""
    ends = set(taken)
    return next(number for number in range(len(ends) + 1) if number not in ends)


def conversation_ids(exchange: Exchange, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids that a classifier reads for an exchange; nothing is shortened.

    Args:
        exchange: Texts; special tokens written out in them are read as plain characters.
        tokenizer: With a chat template.
    """
    return _template_ids(_plain(exchange, tokenizer), tokenizer)


def _template_ids(exchange: Exchange, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    render: Any = tokenizer.apply_chat_template
    messages = [
        {"role": "user", "content": exchange.request},
        {"role": "assistant", "content": exchange.answer},
    ]
    text = str(render(messages, tokenize=False))
    ids: Any = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _plain(exchange: Exchange, tokenizer: PreTrainedTokenizerBase) -> Exchange:
    return Exchange(*(_harmless(text, tokenizer) for text in exchange))


def _harmless(text: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """The text, with written-out special tokens broken up.

    Otherwise an answer could end its own turn and add a better one. A space is inserted after the
    first character of each such token. Half a surrogate pair, which no tokenizer accepts, becomes
    a question mark.
    """
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _special(tokenizer).sub(lambda found: f"{found[0][0]} {found[0][1:]}", whole)


def _special(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    known: Any = tokenizer.added_tokens_decoder
    return _any_of(tuple(sorted({token.content for token in known.values() if token.special})))


@lru_cache(maxsize=8)
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted((word for word in words if len(word) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


# ── loading ─────────────────────────────────────────────────────────────────────────────────────


@loaded_once(most=4)
def classifier(checkpoint: Path, *, device: str, dtype: str) -> Classifier:
    """The model of a checkpoint, loaded on first use and shared by all rewards of the process.

    Args:
        checkpoint: Its directory.
        device: See `rewardlab.models.device.pick_device`.
        dtype: See `rewardlab.models.device.pick_dtype`.

    Raises:
        UserError: E350 it cannot be loaded, lacks weights, or does not match its tokenizer; E351 no
            chat template; E303 no such device. Exit code 2.
    """
    place = pick_device(device)
    _refuse_code(checkpoint)
    try:
        tokenizer = read_tokenizer(checkpoint)
        _refuse_no_template(checkpoint, tokenizer)
        model: Any = read_model(AutoModelForSequenceClassification, checkpoint, tokenizer)
    except UnusableError as error:
        raise _unusable(checkpoint, str(error)) from error
    return Classifier(model.to(place, pick_dtype(dtype, model.dtype)).eval(), tokenizer)


def _refuse_no_template(checkpoint: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises E351."""
    if not tokenizer.chat_template:
        what = "the tokenizer has no chat template, so the format of its conversations is not known"
        fix = "save the template that its publisher gives as chat_template.jinja"
        raise UserError([Problem("E351", f"model {shown(str(checkpoint))}", what, fix)])


def _refuse_code(checkpoint: Path) -> None:
    """Refuse a model with its own code instead of reading it with transformers' class.

    Raises:
        UserError: E350; exit code 2.
    """
    try:
        held: Any = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
        code: Any = held.get("auto_map") or {}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise _unusable(checkpoint, f"its config.json cannot be read: {error}") from error
    if "AutoModelForSequenceClassification" in code:
        raise _unusable(checkpoint, "it has code of its own, and no checkpoint's code is run")


def _unusable(checkpoint: Path, what: str) -> UserError:
    fix = "give a sequence classifier with a trained head and its tokenizer (save_pretrained)"
    return UserError([Problem("E350", f"model {shown(str(checkpoint))}", one_line(what), fix)])
