"""Texts from a transformers model in this process, and the base class for saved checkpoints.

Every text is sampled with its own random numbers, which depend only on its seed, not on the order,
the batch size or the other texts of a batch. The probabilities come from batched matrix products,
whose rounding depends slightly on the shape of the batch. So texts are equal bit for bit only if
the batches are the same (`rewardlab.decoding.translate` ensures that). Greedy and beam search use
no random numbers, but their rounding depends on the batch as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from rewardlab.errors import Problem, UserError, one_line, shown
from rewardlab.generate import Generated, Prompt, Sampling, Unanswered
from rewardlab.models.batches import padded
from rewardlab.models.boundary import answer_text, as_text, prompt_ids
from rewardlab.models.device import own_device
from rewardlab.models.pretrained import UnusableError, positions, read_model, read_tokenizer
from rewardlab.seeds import seed_for
from rewardlab.store.checkpoints import checkpoint_digest
from rewardlab.text.reasoning import closing_tags


@dataclass(frozen=True)
class CheckpointGenerator(ABC):
    """The shared part of the generators that run a saved checkpoint in this process.

    The model runs in its saved precision. Threads may share a generator: one thread loads or
    generates at a time. A subclass defines how texts are generated and how long a prompt may be.

    Attributes:
        checkpoint: A directory written by ``save_pretrained``, tokenizer included.
        batch_size: Texts generated at once.
    """

    checkpoint: Path
    batch_size: int
    _turn: RLock = field(default_factory=RLock, init=False, repr=False, compare=False)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The checkpoint's tokenizer.

        Raises:
            UserError: E081, the tokenizer cannot be loaded; exit code 2.
        """
        try:
            return read_tokenizer(self.checkpoint)
        except UnusableError as error:
            raise _unusable(self.checkpoint, str(error)) from error

    @cached_property
    def _digest(self) -> str:
        return checkpoint_digest(self.checkpoint)

    @abstractmethod
    def _room(self, sampling: Sampling) -> float:
        """Maximum number of tokens in a prompt."""

    @abstractmethod
    def __call__(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        seeds: Sequence[int],
        schema: Mapping[str, Any] | None = None,
    ) -> list[list[Generated]]:
        """Continue every prompt; see `rewardlab.generate.Generator`.

        Args:
            prompts: P prompts.
            sampling: Sampling options.
            seeds: P seeds.
            schema: As in `ask`.
        """

    def ask(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        seeds: Sequence[int],
        schema: Mapping[str, Any] | None = None,
    ) -> list[Generated | Unanswered]:
        """One text for every prompt, or why there is none; see `rewardlab.generate.Generator`.

        Raises:
            UserError: As for `__call__`.
        """
        with self._turn:
            room = self._room(sampling)
            lengths = [len(prompt_ids(self.tokenizer, prompt)) for prompt in prompts]
        fits = [row for row, length in enumerate(lengths) if 0 < length <= room]
        asked, drawn = [prompts[row] for row in fits], [seeds[row] for row in fits]
        texts = self(asked, sampling, seeds=drawn, schema=schema)
        answers = {row: text for row, (text,) in zip(fits, texts, strict=True)}
        return [
            answers.get(row) or Unanswered(f"{length} tokens and room for {room:g}", "text")
            for row, length in enumerate(lengths)
        ]


@dataclass(frozen=True)
class TransformersGenerator(CheckpointGenerator):
    """A saved checkpoint run by transformers, on the accelerator if there is one."""

    batch_size: int = 64

    @property
    def signature(self) -> str:
        """Weights, device, versions, and the batch size, because rounding depends on it."""
        packages = [f"{package}:{version(package)}" for package in ("torch", "transformers")]
        device = own_device().type
        return "|".join(
            ["transformers", self._digest, device, f"batch:{self.batch_size}", *packages]
        )

    @property
    def call_size(self) -> int:
        """One batch."""
        return self.batch_size

    def ready(self) -> None:
        """Load model and tokenizer.

        Raises:
            UserError: E081, the checkpoint cannot be used; exit code 2.
        """
        with self._turn:
            _ = self.model, self.tokenizer

    @cached_property
    def model(self) -> PreTrainedModel:
        """The loaded model."""
        return load_model(self.checkpoint, self.tokenizer)

    def _room(self, sampling: Sampling) -> float:
        return positions(self.model.config) - sampling.max_new_tokens

    def __call__(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        seeds: Sequence[int],
        schema: Mapping[str, Any] | None = None,
    ) -> list[list[Generated]]:
        """Continue every prompt; the schema is ignored.

        Raises:
            UserError: E044 a chat without a chat template, E089 the accelerator is full; exit
                code 2.
        """
        del schema
        size = self.batch_size
        try:
            with self._turn:
                return continue_prompts(
                    self.model, self.tokenizer, prompts, sampling, seeds=seeds, batch_size=size
                )
        except torch.OutOfMemoryError as error:
            what = f"{size} texts of up to {sampling.max_new_tokens} new tokens do not fit"
            fix = f"generation.batch_size={max(1, size // 2)}, in a run directory of its own"
            problem = Problem("E089", "generation.batch_size", f"{what} on the accelerator", fix)
            raise UserError([problem]) from error


def continue_prompts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    *,
    seeds: Sequence[int] | None = None,
    batch_size: int = 64,
) -> list[list[Generated]]:
    """Continue prompts with a loaded model, in batches of texts of similar length.

    Args:
        model: The model; its training mode is restored afterwards.
        tokenizer: The model's tokenizer.
        prompts: P prompts; a chat goes through the tokenizer's template.
        sampling: Sampling options.
        seeds: P seeds; needed if ``sampling.temperature`` is not 0.
        batch_size: Texts generated at once.

    Returns:
        P lists of ``sampling.samples`` texts.

    Raises:
        UserError: E044, a chat without a chat template; exit code 2.
    """
    asked = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    order = sorted(range(len(asked)), key=lambda row: -len(as_text(tokenizer, prompts[row])))
    wanted = [(row, sample) for row in order for sample in range(sampling.samples)]
    results: list[list[Generated]] = [[] for _ in prompts]
    ends, closings = end_tokens(model, tokenizer), closing_tags(tokenizer.chat_template)
    with torch.inference_mode(), _own_settings(model):
        for first in range(0, len(wanted), batch_size):
            batch = wanted[first : first + batch_size]
            read = [asked[row] for row, _ in batch]
            drawn = [seed_for(seeds[row], sample) for row, sample in batch] if seeds else []
            done = _one_batch(model, tokenizer, read, sampling, seeds=drawn, ends=ends)
            for (row, _), ids in zip(batch, done, strict=True):
                text = answer_text(tokenizer, prompts[row], ids)
                results[row].append(
                    Generated(text, len(ids), ids[-1] in ends, len(asked[row]), closings=closings)
                )
    return results


@contextmanager
def _own_settings(model: PreTrainedModel) -> Generator[None]:
    """Generate without dropout, and without the checkpoint's own generation settings.

    transformers would take every option that a call leaves out from those settings.
    """
    was_training, own = model.training, model.generation_config
    model.eval()
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.train(was_training)
        model.generation_config = own


def _one_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    sampling: Sampling,
    *,
    seeds: Sequence[int],
    ends: list[int],
) -> list[list[int]]:
    """The ids that continue each prompt of a batch, padded on the left, up to their end token."""
    pad: Any = ends[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    ids, real = (part.to(model.device) for part in padded(prompts, filler=pad, left=True))
    width = ids.shape[1]
    options = GenerationConfig(
        do_sample=False,
        num_beams=sampling.beams,
        max_new_tokens=sampling.max_new_tokens,
        pad_token_id=pad,
        eos_token_id=ends,
    )
    generate: Any = model.generate
    produced = generate(
        input_ids=ids,
        attention_mask=real.long(),
        generation_config=options,
        logits_processor=_chooser(sampling, seeds, width=width, device=model.device),
    )
    return [_up_to_end(row[width:].tolist(), ends) for row in produced]


def _up_to_end(ids: list[int], ends: Sequence[int]) -> list[int]:
    end = next((place for place, token in enumerate(ids) if token in ends), len(ids))
    return ids[: end + 1]


def _chooser(
    sampling: Sampling, seeds: Sequence[int], *, width: int, device: torch.device
) -> LogitsProcessorList:
    """The logits processors before the greedy choice: none, or one random draw per text."""
    if sampling.temperature == 0.0:
        return LogitsProcessorList()
    steps = LogitsProcessorList([TemperatureLogitsWarper(sampling.temperature)])
    if sampling.top_k:
        steps.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1.0:
        steps.append(TopPLogitsWarper(sampling.top_p))
    numbers = np.stack([np.random.default_rng(s).random(sampling.max_new_tokens) for s in seeds])
    place = "cpu" if device.type == "mps" else device  # Apple's GPUs have no float64
    steps.append(_Draw(torch.from_numpy(numbers).to(place), width))
    return steps


class _Draw(LogitsProcessor):
    """Leaves each text only the token that its own random number selects (inverse CDF).

    transformers' own sampling draws from one stream for the whole batch, so every text would depend
    on the others.

    Args:
        numbers: float64 (N, max_new_tokens) in [0, 1).
        width: Number of tokens in each prompt, padding included.
    """

    def __init__(self, numbers: torch.Tensor, width: int) -> None:
        self._numbers, self._width = numbers, width

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (N, V) that are 0 at the drawn token and -inf elsewhere."""
        step = input_ids.shape[1] - self._width
        heights = scores.to(self._numbers.device, torch.float64).softmax(dim=-1).cumsum(dim=-1)
        total = heights[:, -1:].contiguous()
        drawn = torch.searchsorted(heights, self._numbers[:, step, None] * total, right=True)
        last = torch.searchsorted(heights, total)  # the last token with any probability
        token = torch.minimum(drawn, last).to(scores.device)
        return torch.full_like(scores, -torch.inf).scatter(1, token, 0.0)


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of the tokens that end a text.

    Args:
        model: The model, whose generation settings are used first; they also list ends of turns.
        tokenizer: The tokenizer, whose end-of-sequence token is used if the model names none.
    """
    configured: Any = model.generation_config and model.generation_config.eos_token_id
    ends: Any = tokenizer.eos_token_id if configured is None else configured
    return [token for token in (ends if isinstance(ends, list) else [ends]) if token is not None]


def load_model(checkpoint: Path, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A saved causal language model, on the accelerator if there is one; safetensors only.

    Args:
        checkpoint: The checkpoint's directory.
        tokenizer: The checkpoint's tokenizer.

    Raises:
        UserError: E081, the model cannot be loaded, lacks weights, or does not match its tokenizer;
            exit code 2.
    """
    try:
        model: Any = read_model(AutoModelForCausalLM, checkpoint, tokenizer)
    except UnusableError as error:
        raise _unusable(checkpoint, str(error)) from error
    if not end_tokens(model, tokenizer):
        raise _unusable(checkpoint, "it has no end-of-sequence token, so no text would end")
    return model.to(own_device()).eval()


def accelerator_peak_mb() -> float | None:
    """Peak memory of tensors on the accelerator in MiB; None without an accelerator."""
    if not torch.accelerator.is_available():
        return None
    return round(torch.accelerator.max_memory_allocated() / 2**20, 1)


def _unusable(checkpoint: Path, what: str) -> UserError:
    fix = "save a causal language model with its tokenizer by save_pretrained"
    return UserError([Problem("E081", f"model {shown(str(checkpoint))}", one_line(what), fix)])
