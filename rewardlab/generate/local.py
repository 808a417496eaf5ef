"""Texts from a transformers model in this process.

What holds for sampled texts: every text is drawn with random numbers of its own, a function of
its seed alone, so another order, batch size or neighbour cannot change them. The probabilities
they are held against come out of batched matrix products, which round a little differently in a
batch of another shape; where a text must come out bit by bit, the batches must be the same ones
(`rewardlab.decoding.translate` sees to that). Greedy and beam search draw nothing; the same
rounding holds for them.
"""

from __future__ import annotations

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

from rewardlab.errors import Problem, UserError, shown
from rewardlab.generate import Generated, Prompt, Sampling, Unanswered
from rewardlab.models.device import own_device
from rewardlab.models.pretrained import UnusableError, positions, read_model, read_tokenizer
from rewardlab.seeds import seed_for
from rewardlab.store.checkpoints import checkpoint_digest
from rewardlab.text.prompts import chat_options


@dataclass(frozen=True)
class TransformersGenerator:
    """A saved checkpoint, on the accelerator if there is one, in the precision it was saved in.

    Threads may share it: one loads, one decodes at a time.

    Attributes:
        checkpoint: A directory that ``save_pretrained`` wrote, tokenizer included.
        batch_size: Texts decoded at once.
    """

    checkpoint: Path
    batch_size: int = 64
    _turn: RLock = field(default_factory=RLock, init=False, repr=False, compare=False)

    @property
    def signature(self) -> str:
        """Weights, device, versions, and the batch size for its rounding."""
        packages = [f"{package}:{version(package)}" for package in ("torch", "transformers")]
        return "|".join(
            ["transformers", self._digest, own_device().type, f"batch:{self.batch_size}", *packages]
        )

    @property
    def call_size(self) -> int:
        """One batch."""
        return self.batch_size

    @property
    def enforces_schema(self) -> bool:
        """No: nothing here stands between the model and its tokens."""
        return False

    def ready(self) -> None:
        """Load model and tokenizer.

        Raises:
            UserError: E081, the checkpoint cannot be used; exit code 2.
        """
        with self._turn:
            _ = self.model, self.tokenizer

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The checkpoint's own."""
        return load_tokenizer(self.checkpoint)

    @cached_property
    def model(self) -> PreTrainedModel:
        """The model, ready to decode."""
        return load_model(self.checkpoint, self.tokenizer)

    @cached_property
    def _digest(self) -> str:
        return checkpoint_digest(self.checkpoint)

    def __call__(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, seeds: Sequence[int]
    ) -> list[list[Generated]]:
        """Continue every prompt; see `rewardlab.generate.Generator`.

        Raises:
            UserError: E044 a chat without a chat template, E089 the accelerator is full; exit
                code 2.
        """
        size = self.batch_size
        try:
            with self._turn:
                return decode(
                    self.model, self.tokenizer, prompts, sampling, seeds=seeds, batch_size=size
                )
        except torch.OutOfMemoryError as error:
            what = f"{size} texts of up to {sampling.max_new_tokens} new tokens do not fit"
            fix = f"generation.batch_size={max(1, size // 2)}, in a run directory of its own"
            problem = Problem("E089", "generation.batch_size", f"{what} on the accelerator", fix)
            raise UserError([problem]) from error

    def ask(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        seeds: Sequence[int],
        schema: Mapping[str, Any] | None = None,
    ) -> list[Generated | Unanswered]:
        """One text for every prompt; see `rewardlab.generate.Generator`. The schema is not read.

        Raises:
            UserError: As a call does.
        """
        del schema
        with self._turn:
            room, words = positions(self.model.config), self.tokenizer
            lengths = [
                len(token_ids(words, as_text(words, prompt), chat=not isinstance(prompt, str)))
                for prompt in prompts
            ]
        fits = [row for row, read in enumerate(lengths) if read + sampling.max_new_tokens <= room]
        texts = self([prompts[row] for row in fits], sampling, seeds=[seeds[row] for row in fits])
        answers = dict(zip(fits, texts, strict=True))
        return [
            answers[row][0]
            if row in answers
            else Unanswered(f"{read} tokens and room for {room:g} with the answer", "text")
            for row, read in enumerate(lengths)
        ]


def decode(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    *,
    seeds: Sequence[int] | None = None,
    batch_size: int = 64,
) -> list[list[Generated]]:
    """Continue prompts with a model that is loaded, texts of about one length batched together.

    Args:
        model: Its training mode is kept.
        tokenizer: The model's.
        prompts: Any number; a chat goes through the tokenizer's template.
        sampling: How.
        seeds: One per prompt; needed to sample.
        batch_size: Texts decoded at once.

    Returns:
        For each prompt its ``sampling.samples`` texts.

    Raises:
        UserError: E044, a chat without a chat template; exit code 2.
    """
    texts = [as_text(tokenizer, prompt) for prompt in prompts]
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    wanted = [(row, sample) for row in order for sample in range(sampling.samples)]
    results: list[list[Generated]] = [[] for _ in prompts]
    ends = end_tokens(model, tokenizer)
    with torch.inference_mode(), _as_asked(model):
        for first in range(0, len(wanted), batch_size):
            batch = wanted[first : first + batch_size]
            ids = [
                token_ids(tokenizer, texts[row], chat=not isinstance(prompts[row], str))
                for row, _ in batch
            ]
            own = [seed_for(seeds[row], sample) for row, sample in batch] if seeds else []
            done = _decode_batch(model, tokenizer, ids, sampling, seeds=own, ends=ends)
            for (row, _), generated in zip(batch, done, strict=True):
                results[row].append(generated)
    return results


@contextmanager
def _as_asked(model: PreTrainedModel) -> Generator[None]:
    """Decode without dropout, and without the checkpoint's own generation settings.

    transformers takes from them whatever a call does not say.
    """
    was_training, own = model.training, model.generation_config
    model.eval()
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.train(was_training)
        model.generation_config = own


def _decode_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    sampling: Sampling,
    *,
    seeds: Sequence[int],
    ends: list[int],
) -> list[Generated]:
    """One rectangle of tokens, padded on the left."""
    pad = ends[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in prompts])
    real = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts])
    options = GenerationConfig(
        do_sample=False,
        num_beams=sampling.beams,
        max_new_tokens=sampling.max_new_tokens,
        pad_token_id=pad,
        eos_token_id=ends,
    )
    generate: Any = model.generate
    produced = generate(
        input_ids=ids.to(model.device),
        attention_mask=real.to(model.device),
        generation_config=options,
        logits_processor=_chooser(sampling, seeds, width=width, device=model.device),
    )
    written = [row[width:].tolist() for row in produced]
    return [
        _generated(tokenizer, row, ends, prompt_tokens=len(prompt))
        for row, prompt in zip(written, prompts, strict=True)
    ]


def _generated(
    tokenizer: PreTrainedTokenizerBase, ids: list[int], ends: Sequence[int], *, prompt_tokens: int
) -> Generated:
    end = next((place for place, token in enumerate(ids) if token in ends), None)
    ids = ids if end is None else ids[: end + 1]
    text = str(tokenizer.decode(ids, skip_special_tokens=True))
    return Generated(text, len(ids), end is not None, prompt_tokens)


def _chooser(
    sampling: Sampling, seeds: Sequence[int], *, width: int, device: torch.device
) -> LogitsProcessorList:
    """What stands between the logits and the greedy choice: nothing, or a draw per text."""
    if sampling.temperature == 0.0:
        return LogitsProcessorList()
    steps = LogitsProcessorList([TemperatureLogitsWarper(sampling.temperature)])
    if sampling.top_k:
        steps.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1.0:
        steps.append(TopPLogitsWarper(sampling.top_p))
    numbers = np.stack([np.random.default_rng(s).random(sampling.max_new_tokens) for s in seeds])
    steps.append(_Draw(torch.from_numpy(numbers).to(_exact(device)), width))
    return steps


class _Draw(LogitsProcessor):
    """Leaves each text the one token that its own random number falls on (inverse CDF).

    ``numbers`` is float64 (N, max_new_tokens) in [0, 1). transformers' own sampling draws from one
    stream for the whole batch, so that every text would depend on its neighbours.
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


def as_text(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> str:
    """A prompt as the model reads it, the turn that the model is to write opened.

    Raises:
        UserError: E044, a chat and no template for it; exit code 2.
    """
    if isinstance(prompt, str):
        return prompt
    if not tokenizer.chat_template:
        what = f"the tokenizer of {shown(tokenizer.name_or_path)} has no chat template"
        fix = "chat: false, or a checkpoint that was trained on chats"
        raise UserError([Problem("E044", "chat", what, fix)])
    render: Any = tokenizer.apply_chat_template
    options = chat_options(str(tokenizer.chat_template))
    return str(render(prompt, tokenize=False, add_generation_prompt=True, **options))


def token_ids(tokenizer: PreTrainedTokenizerBase, text: str, *, chat: bool) -> list[int]:
    """Token ids of a prompt; a chat template writes the special tokens itself."""
    ids: Any = tokenizer(text, add_special_tokens=not chat)["input_ids"]
    return ids


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What ends a text: the checkpoint's own list (turn ends included), else the tokenizer's."""
    configured: Any = model.generation_config and model.generation_config.eos_token_id
    ends: Any = tokenizer.eos_token_id if configured is None else configured
    return [token for token in (ends if isinstance(ends, list) else [ends]) if token is not None]


def load_tokenizer(checkpoint: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a saved checkpoint.

    Raises:
        UserError: E081, it cannot be loaded; exit code 2.
    """
    try:
        return read_tokenizer(checkpoint)
    except UnusableError as error:
        raise _unusable(checkpoint, str(error)) from error


def load_model(checkpoint: Path, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A saved checkpoint, on the accelerator if there is one; safetensors only.

    Raises:
        UserError: E081, it cannot be loaded, lacks weights, or does not fit its tokenizer; exit
            code 2.
    """
    try:
        model: Any = read_model(AutoModelForCausalLM, checkpoint, tokenizer)
    except UnusableError as error:
        raise _unusable(checkpoint, str(error)) from error
    if not end_tokens(model, tokenizer):
        raise _unusable(checkpoint, "it has no end-of-sequence token, so no text would ever end")
    return model.to(own_device()).eval()


def accelerator_peak_mb() -> float | None:
    """The most memory that tensors took on the accelerator so far; None without one."""
    if not torch.accelerator.is_available():
        return None
    return round(torch.accelerator.max_memory_allocated() / 2**20, 1)


def _exact(device: torch.device) -> torch.device:
    """Where float64 can be computed: Apple's GPUs cannot."""
    return torch.device("cpu") if device.type == "mps" else device


def _unusable(checkpoint: Path, what: str) -> UserError:
    reason = " ".join(what.split()).rstrip(".")
    reason = reason if len(reason) <= 300 else f"{reason[:299]}…"  # noqa: PLR2004 - a long line
    fix = "save a causal language model with its tokenizer by save_pretrained"
    return UserError([Problem("E081", f"model {shown(str(checkpoint))}", reason, fix)])
