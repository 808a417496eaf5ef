"""What ``rewardlab translate``, ``rerank`` and ``evaluate`` can know before a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.lengths import as_summary, count_tokens
from rewardlab.dry_run.memory import Generation, as_gib, decoding_memory, memory_notes
from rewardlab.dry_run.packages import INSTALL, installed
from rewardlab.dry_run.policy import check_policy
from rewardlab.errors import Problem
from rewardlab.text.prompts import Prompt

if TYPE_CHECKING:
    from rewardlab.config.sections import GenerationConfig

PATIENCE = 10.0
"""Seconds that a server has to answer a dry run."""


def examine_decoding(
    model: Path | None,
    pairs: Sequence[tuple[Prompt, Prompt | None]],
    generation: GenerationConfig,
    found: Findings,
) -> dict[str, Any]:
    """A model that decodes, held against what it is to decode.

    Args:
        model: A checkpoint, or a run directory that holds one.
        pairs: Prompts and, where there are any, references; none where the data could not be read.
        generation: What writes the translations, and how.
        found: Gets E044, E050..E060, E064, E087, E088, and notes.

    Returns:
        Tokens, parameters and memory, as far as they can be known.
    """
    if generation.backend == "server":
        _reach(generation, found)
        return {}
    if generation.backend == "vllm" and not installed("vllm"):
        what = "backend: vllm needs the package vllm, which is not installed"
        found.add([Problem("E064", "generation.backend", what, INSTALL["vllm"])])
    if model is None or not pairs:
        return {}
    place = model if (model / "config.json").is_file() else model / "model"
    policy = check_policy(place, prompt=pairs[0][0], found=found)
    if policy.tokenizer is None:
        return {}
    counts = count_tokens(policy.tokenizer, pairs)
    limit = generation.max_new_tokens
    cut = counts.cut_answers(limit)
    summary: dict[str, Any] = {"tokens": as_summary(counts, max_new_tokens=limit, cut=cut)}
    tokens = max(counts.prompts) + limit
    if cut:
        found.notes.append(
            f"{cut:,} of {len(counts.answers):,} references have more than max_new_tokens={limit} "
            "tokens: translations of that length would be cut"
        )
    if policy.positions is not None and tokens > policy.positions:
        found.notes.append(
            f"prompt and translation may take {tokens:,} tokens, the model has "
            f"{policy.positions:,} positions"
        )
    if policy.model is None:
        return summary
    at_once = Generation(generation.batch_size * generation.beams, tokens)
    memory = decoding_memory(policy.model, at_once, bytes_each=policy.saved_bytes)
    found.notes += memory_notes(memory)
    total = sum(weight.numel() for weight in policy.model.parameters())
    return summary | {"parameters": {"total": total}, "memory_gib": as_gib(memory)}


def _reach(generation: GenerationConfig, found: Findings) -> None:
    """Ask the server for its models, once."""
    from rewardlab.generate.server import ServerGenerator, url_problem

    url = generation.url or ""
    if url_problem(url) is not None:  # told where the configuration is read
        return
    server = ServerGenerator(url=url, model=generation.server_model or "")
    found.attempt(replace(server, attempts=1, deadline=PATIENCE).ready)
