"""Texts from vLLM in this process.

Prompts are tokenized and texts decoded by the same code as in `rewardlab.generate.local`, so that
both backends see the same tokens. vLLM puts batches together as it goes: what it computes for a
text may round a little differently from run to run, and a draw that falls between two tokens may
come out otherwise. Seeds are per text here as well.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from transformers import AutoConfig

from rewardlab.errors import Problem, UserError
from rewardlab.generate import Generated, Prompt, Sampling, Unanswered
from rewardlab.generate.local import as_text, load_tokenizer, token_ids
from rewardlab.seeds import seed_for
from rewardlab.store.checkpoints import checkpoint_digest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

JSON_ONLY = {"backend": "guidance", "disable_any_whitespace": True}
"""How a schema is enforced.

Where JSON allows white space, a small model may write nothing else. And xgrammar, vLLM's first
choice, lets raw control characters into a string of limited length, which is then no JSON (0.2.8).
"""


@dataclass(frozen=True)
class VLLMGenerator:
    """A saved checkpoint in vLLM, in the precision it was saved in.

    Threads may share it: one loads, one decodes at a time.

    Attributes:
        checkpoint: A directory that ``save_pretrained`` wrote, tokenizer included.
        batch_size: Texts decoded at once.
    """

    checkpoint: Path
    batch_size: int = 256
    _turn: RLock = field(default_factory=RLock, init=False, repr=False, compare=False)

    @property
    def signature(self) -> str:
        """Weights and versions."""
        transformers = metadata.version("transformers")
        return f"vllm|{self._digest}|vllm:{_version()}|transformers:{transformers}"

    @property
    def call_size(self) -> int:
        """Several batches, which vLLM fills as texts end."""
        return 8 * self.batch_size

    @property
    def enforces_schema(self) -> bool:
        """Yes: a token that no fitting answer continues with is not chosen."""
        return True

    def ready(self) -> None:
        """Load the model.

        Raises:
            UserError: E081 the tokenizer cannot be loaded, E086 vLLM is not installed; exit code 2.
        """
        with self._turn:
            _ = self.engine, self.tokenizer

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The checkpoint's own."""
        return load_tokenizer(self.checkpoint)

    @cached_property
    def engine(self) -> Any:
        """The loaded ``vllm.LLM``."""
        saved: Any = AutoConfig.from_pretrained(
            str(self.checkpoint), local_files_only=True, trust_remote_code=False
        )
        return _vllm().LLM(
            model=str(self.checkpoint),
            dtype=saved.dtype or "auto",  # by itself it would halve float32
            max_num_seqs=self.batch_size,
            trust_remote_code=False,
            structured_outputs_config=JSON_ONLY,
        )

    @cached_property
    def _digest(self) -> str:
        return checkpoint_digest(self.checkpoint)

    def __call__(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, seeds: Sequence[int]
    ) -> list[list[Generated]]:
        """Continue every prompt; see `rewardlab.generate.Generator`.

        Raises:
            UserError: E086 beam search, which is left to the transformers backend; E044 a chat
                without a chat template. Exit code 2.
        """
        _check(sampling)
        asked: list[list[int]] = []
        options: list[Any] = []
        with self._turn:
            self.ready()
            for prompt, seed in zip(prompts, seeds, strict=True):
                ids = self._ids(prompt)
                for sample in range(sampling.samples):
                    asked.append(ids)
                    options.append(_options(sampling, seed=seed_for(seed, sample)))
            texts = self._texts(asked, options)
        each = sampling.samples
        return [texts[row * each : (row + 1) * each] for row in range(len(prompts))]

    def ask(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        seeds: Sequence[int],
        schema: Mapping[str, Any] | None = None,
    ) -> list[Generated | Unanswered]:
        """One text for every prompt; see `rewardlab.generate.Generator`.

        Raises:
            UserError: As a call does.
        """
        _check(sampling)
        with self._turn:
            self.ready()
            asked = [self._ids(prompt) for prompt in prompts]
            most = self.engine.model_config.max_model_len
            fits = [row for row, ids in enumerate(asked) if 0 < len(ids) < most]
            options = [
                _options(sampling, seed=seed_for(seeds[row], 0), schema=schema) for row in fits
            ]
            texts = dict(zip(fits, self._texts([asked[row] for row in fits], options), strict=True))
        return [
            texts.get(row) or Unanswered(f"{len(ids)} tokens and room for {most}", "text")
            for row, ids in enumerate(asked)
        ]

    def _ids(self, prompt: Prompt) -> list[int]:
        text = as_text(self.tokenizer, prompt)
        return token_ids(self.tokenizer, text, chat=not isinstance(prompt, str))

    def _texts(self, asked: Sequence[list[int]], options: Sequence[Any]) -> list[Generated]:
        prompts = [{"prompt_token_ids": ids} for ids in asked]
        outputs = self.engine.generate(prompts, options, use_tqdm=False) if prompts else []
        return [
            self._generated(output.outputs[0], prompt_tokens=len(ids))
            for output, ids in zip(outputs, asked, strict=True)
        ]

    def _generated(self, output: Any, *, prompt_tokens: int) -> Generated:
        ids = list(output.token_ids)
        text = str(self.tokenizer.decode(ids, skip_special_tokens=True))
        return Generated(text, len(ids), output.finish_reason == "stop", prompt_tokens)


def _check(sampling: Sampling) -> None:
    if sampling.beams > 1:
        what = f"beams: {sampling.beams}: this backend has no beam search"
        fix = "beams: 1, or backend: transformers"
        raise UserError([Problem("E086", "generation.beams", what, fix)])


def _options(sampling: Sampling, *, seed: int, schema: Mapping[str, Any] | None = None) -> Any:
    library = _vllm()
    enforced = None
    if schema is not None:
        parameters = importlib.import_module("vllm.sampling_params")
        enforced = parameters.StructuredOutputsParams(json=dict(schema))
    return library.SamplingParams(
        max_tokens=sampling.max_new_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        seed=seed if sampling.temperature > 0.0 else None,
        structured_outputs=enforced,
        detokenize=False,  # done here, as the other backend does it
    )


def _vllm() -> Any:
    """The library, which takes many seconds to import.

    Raises:
        UserError: E086, it is not installed; exit code 2.
    """
    _version()
    return importlib.import_module("vllm")


def _version() -> str:
    distributions = metadata.packages_distributions().get("vllm")
    if not distributions:
        what = "backend: vllm needs vllm, which is not installed"
        fix = "pip install 'rewardlab[vllm]', or backend: transformers"
        raise UserError([Problem("E086", "generation.backend", what, fix)])
    return metadata.version(distributions[0])
