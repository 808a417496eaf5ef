"""Texts from vLLM in this process.

Prompts are tokenized and texts decoded as in `rewardlab.generate.local`, so both backends see the
same tokens. Each text has its own seed here as well. But vLLM changes its batches whenever a text
ends, so the rounding of probabilities may differ slightly from run to run, and a draw close to the
boundary between two tokens may give the other token.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import Any

from transformers import AutoConfig

from rewardlab.errors import Problem, UserError
from rewardlab.generate import Generated, Prompt, Sampling, refuse_beams
from rewardlab.generate.local import CheckpointGenerator
from rewardlab.models.boundary import answer_text, prompt_ids
from rewardlab.seeds import seed_for
from rewardlab.text.reasoning import closing_tags

JSON_ONLY = {"backend": "guidance", "disable_any_whitespace": True}
"""Options for enforcing a schema.

Where JSON allows white space, a small model may write white space without end. And xgrammar, vLLM's
first choice, allows raw control characters in a string of limited length, which makes the text
invalid JSON (0.2.8).
"""


@dataclass(frozen=True)
class VLLMGenerator(CheckpointGenerator):
    """A saved checkpoint run by vLLM; it has no beam search, and it enforces schemas."""

    batch_size: int = 256

    @property
    def signature(self) -> str:
        """Weights and versions."""
        transformers = metadata.version("transformers")
        return f"vllm|{self._digest}|vllm:{_version()}|transformers:{transformers}"

    @property
    def call_size(self) -> int:
        """Several batches, so that vLLM can replace texts that have ended."""
        return 8 * self.batch_size

    def ready(self) -> None:
        """Load the model.

        Raises:
            UserError: E081 the tokenizer cannot be loaded, E086 vLLM is not installed; exit code 2.
        """
        with self._turn:
            _ = self.engine, self.tokenizer

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

    def _room(self, sampling: Sampling) -> float:
        refuse_beams(sampling)
        self.ready()
        return self.engine.model_config.max_model_len - 1

    def __call__(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        seeds: Sequence[int],
        schema: Mapping[str, Any] | None = None,
    ) -> list[list[Generated]]:
        """Continue every prompt; a schema is enforced.

        Raises:
            UserError: E086 beam search, which only the transformers backend supports; E044 a chat
                without a chat template. Exit code 2.
        """
        refuse_beams(sampling)
        each = range(sampling.samples)
        with self._turn:
            self.ready()
            repeated = [prompt for prompt in prompts for _ in each]
            asked = [prompt_ids(self.tokenizer, prompt) for prompt in repeated]
            options = [
                _options(sampling, seed=seed_for(seed, sample), schema=schema)
                for seed in seeds
                for sample in each
            ]
            inputs = [{"prompt_token_ids": ids} for ids in asked]
            outputs = self.engine.generate(inputs, options, use_tqdm=False) if inputs else []
            texts = [
                self._generated(output.outputs[0], prompt, prompt_tokens=len(ids))
                for output, prompt, ids in zip(outputs, repeated, asked, strict=True)
            ]
        starts = range(0, len(texts), sampling.samples)
        return [texts[start : start + sampling.samples] for start in starts]

    def _generated(self, output: Any, prompt: Prompt, *, prompt_tokens: int) -> Generated:
        ids = list(output.token_ids)
        text = answer_text(self.tokenizer, prompt, ids)
        finished = output.finish_reason == "stop"
        closings = closing_tags(self.tokenizer.chat_template)
        return Generated(text, len(ids), finished, prompt_tokens, closings=closings)


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
    """The library, imported on first use because that takes many seconds.

    Raises:
        UserError: E086, vLLM is not installed; exit code 2.
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
