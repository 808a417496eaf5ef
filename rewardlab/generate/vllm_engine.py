"""Texts from vLLM in this process.

Prompts are tokenized and texts decoded by the same code as in `rewardlab.generate.local`, so that
both backends see the same tokens. vLLM puts batches together as it goes: what it computes for a
text may round a little differently from run to run, and a draw that falls between two tokens may
come out otherwise. Seeds are per text here as well.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import AutoConfig

from rewardlab.errors import Problem, UserError
from rewardlab.generate import Generated, Prompt, Sampling, seed_for
from rewardlab.generate.checkpoints import checkpoint_digest
from rewardlab.generate.local import as_text, load_tokenizer, token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class VLLMGenerator:
    """A saved checkpoint in vLLM, in the precision it was saved in.

    Attributes:
        checkpoint: A directory that ``save_pretrained`` wrote, tokenizer included.
        batch_size: Texts decoded at once.
    """

    checkpoint: Path
    batch_size: int = 256

    @property
    def signature(self) -> str:
        """Weights and versions."""
        transformers = metadata.version("transformers")
        return f"vllm|{self._digest}|vllm:{_version()}|transformers:{transformers}"

    @property
    def call_size(self) -> int:
        """Several batches, which vLLM fills as texts end."""
        return 8 * self.batch_size

    def ready(self) -> None:
        """Load the model.

        Raises:
            UserError: E081 the tokenizer cannot be loaded, E086 vLLM is not installed; exit code 2.
        """
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
        if sampling.beams > 1:
            what = f"beams: {sampling.beams}: this backend has no beam search"
            fix = "beams: 1, or backend: transformers"
            raise UserError([Problem("E086", "generation.beams", what, fix)])
        self.ready()
        asked: list[dict[str, Any]] = []
        options: list[Any] = []
        for prompt, seed in zip(prompts, seeds, strict=True):
            chat = not isinstance(prompt, str)
            ids = token_ids(self.tokenizer, as_text(self.tokenizer, prompt), chat=chat)
            for sample in range(sampling.samples):
                asked.append({"prompt_token_ids": ids})
                options.append(_options(sampling, seed=seed_for(seed, sample)))
        outputs = self.engine.generate(asked, options, use_tqdm=False)
        texts = [self._generated(output.outputs[0]) for output in outputs]
        each = sampling.samples
        return [texts[row * each : (row + 1) * each] for row in range(len(prompts))]

    def _generated(self, output: Any) -> Generated:
        ids = list(output.token_ids)
        text = str(self.tokenizer.decode(ids, skip_special_tokens=True))
        return Generated(text, len(ids), output.finish_reason == "stop")


def _options(sampling: Sampling, *, seed: int) -> Any:
    return _vllm().SamplingParams(
        max_tokens=sampling.max_new_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        seed=seed if sampling.temperature > 0.0 else None,
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
