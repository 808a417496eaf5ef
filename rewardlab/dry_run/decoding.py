"""Checks of ``rewardlab translate``, ``rerank`` and ``evaluate`` before a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from rewardlab.config.sections import GenerationConfig
from rewardlab.config.translate import build_generator
from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.lengths import Pair, as_summary, completion_notes, count_tokens
from rewardlab.dry_run.memory import Generation, as_gib, decoding_memory, memory_notes
from rewardlab.dry_run.policy import check_policy
from rewardlab.generate import Generator

PATIENCE = 10.0
"""Maximum seconds for a server to answer each attempt of the check."""


def signed_generator(generation: GenerationConfig, model: Path | None) -> Generator:
    """The configured generator, after it has read everything that its signature depends on.

    Args:
        generation: The backend and its options.
        model: A checkpoint, or a run directory that contains one; ignored for a server.

    Raises:
        UserError: E080 the checkpoint is missing, E086 the backend is not installed; exit code 2.
    """
    generator = build_generator(generation, model)
    _ = generator.signature
    return generator


def check_decoding(
    generator: Generator | None,
    model: Path | None,
    pairs: Sequence[Pair],
    generation: GenerationConfig,
    found: Findings,
) -> dict[str, Any]:
    """Check that a model can decode its prompts: reach its server, or read its checkpoint.

    Args:
        generator: The model; None if it cannot be built.
        model: The model's checkpoint, or a run directory that contains one.
        pairs: Prompts and references; empty if the data could not be read.
        generation: The backend and its options.
        found: Gets E044, E050..E060, E086..E088, and notes.

    Returns:
        Tokens, parameters and memory, as far as they are known.
    """
    if generation.backend == "apertium":
        if generator is not None:
            found.attempt(generator.ready)
        return {}
    if generation.backend == "server":
        if generator is not None:
            found.attempt(replace(cast("Any", generator), deadline=PATIENCE).ready)
        return {}
    if model is None or not pairs:
        return {}
    place = model if (model / "config.json").is_file() else model / "model"
    policy = check_policy(place, prompt=pairs[0][0], found=found)
    if policy.tokenizer is None:
        return {}
    counts, limit = count_tokens(policy.tokenizer, pairs), generation.max_new_tokens
    cut, tokens = counts.cut_answers(limit), max(counts.prompts) + limit
    summary: dict[str, Any] = {"tokens": as_summary(counts, max_new_tokens=limit, cut=cut)}
    found.notes += completion_notes(
        counts, key="max_new_tokens", limit=limit, positions=policy.positions
    )
    if policy.model is None:
        return summary
    at_once = Generation(generation.batch_size * generation.beams, tokens)
    memory = decoding_memory(policy.model, at_once, bytes_each=policy.saved_bytes)
    found.notes += memory_notes(memory)
    total = sum(weight.numel() for weight in policy.model.parameters())
    return summary | {"parameters": {"total": total}, "memory_gib": as_gib(memory)}
