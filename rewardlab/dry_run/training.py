"""What ``rewardlab sft`` and ``rewardlab rl`` can know about a run before it takes a GPU."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from rewardlab.config import RLConfig, SFTRunConfig
from rewardlab.dry_run.batches import rl_batches, sft_batches, too_few_prompts
from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.lengths import (
    TokenCounts,
    as_summary,
    count_tokens,
    length_notes,
    nothing_fits,
)
from rewardlab.dry_run.memory import Generation, as_gib, is_known, memory_notes, training_memory
from rewardlab.dry_run.packages import optimizer_name, package_problems
from rewardlab.dry_run.policy import Policy, check_policy, new_policy, prepare
from rewardlab.errors import Problem
from rewardlab.text.prompts import Prompt

if TYPE_CHECKING:
    from trl import GRPOConfig, SFTConfig

    from rewardlab.trainers.sft import Example

LOADED_BYTES: Mapping[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Of a weight, by the words of ``model_init_kwargs.dtype``."""


# ── sft ─────────────────────────────────────────────────────────────────────────────────────────


def examine_sft(
    config: SFTRunConfig,
    examples: Sequence[Example],
    validation: Sequence[Example],
    *,
    options: SFTConfig | None,
    found: Findings,
) -> dict[str, Any]:
    """Everything about a fine-tuning run but its configuration and its files of text.

    Args:
        config: The run.
        examples: What is trained on; none where the data could not be read.
        validation: What decides when to stop.
        options: TRL's; None where the file's are wrong.
        found: Gets E044, E045, E050..E065, and notes.

    Returns:
        Tokens, batches, parameters and memory, as far as they can be known.
    """
    policy = _sft_policy(config, examples, found)
    summary: dict[str, Any] = {}
    if options is not None:
        found.add(package_problems(options))
    if options is None or not examples:
        return summary
    batches = sft_batches(
        len(examples),
        rows_per_process=options.per_device_train_batch_size,
        accumulation=options.gradient_accumulation_steps,
        processes=processes(),
        max_steps=options.max_steps,
        epochs=options.num_train_epochs,
    )
    summary["batches"] = batches._asdict()
    if policy.tokenizer is None:
        return summary
    counts = count_tokens(policy.tokenizer, examples)
    limit = options.max_length
    cut = counts.cut_as_a_whole(limit)
    found.add(nothing_left(counts, limit))
    found.add(nothing_left(count_tokens(policy.tokenizer, validation), limit))
    found.notes += length_notes(
        counts, cut=cut, limit=f"max_length={limit}", positions=policy.positions
    )
    summary = {"tokens": as_summary(counts, max_length=limit, cut=cut), **summary}
    tokens = min(counts.longest(), limit or counts.longest())
    return summary | _memory(policy, options, config.trainer, tokens=tokens, found=found)


def nothing_left(counts: TokenCounts, limit: int | None) -> list[Problem]:
    """E045: ``max_length`` cuts every row before its translation begins."""
    if limit is None or any(prompt < limit for prompt in counts.prompts):
        return []
    what = f"max_length={limit}: every prompt alone reaches it, so there is nothing to learn"
    return [Problem("E045", "trainer.max_length", what, f"max_length: {counts.longest()}")]


def _sft_policy(config: SFTRunConfig, examples: Sequence[Example], found: Findings) -> Policy:
    wanted = config.policy
    if wanted.from_scratch is not None:
        if not examples:
            return Policy(None, None)
        texts = [text for example in examples for text in example.texts]
        policy = new_policy(texts, wanted.from_scratch.model_dump())
    else:
        assert wanted.path is not None  # noqa: S101 - the schema wants it or from_scratch
        prompt = examples[0].prompt if examples else _any_prompt(config)
        policy = check_policy(wanted.path, prompt=prompt, found=found)
    if policy.model is None:
        return policy
    model = found.attempt(
        prepare,
        policy.model,
        lora=wanted.lora.model_dump() if wanted.lora is not None else None,
        freeze_embeddings=wanted.freeze_embeddings,
        untie_embeddings=wanted.untie_embeddings,
    )
    return policy._replace(model=model)


# ── rl ──────────────────────────────────────────────────────────────────────────────────────────


def examine_rl(
    config: RLConfig,
    pairs: Sequence[tuple[Prompt, Prompt | None]],
    *,
    options: GRPOConfig | None,
    found: Findings,
) -> dict[str, Any]:
    """Everything about an RL run but its configuration, its files of text and its rewards.

    Args:
        config: The run.
        pairs: Prompts and references of the training rows; none where they could not be read.
        options: TRL's; None where the file's are wrong.
        found: Gets E044, E050..E065, and notes.

    Returns:
        Tokens, batches, rollouts, parameters and memory, as far as they can be known.
    """
    policy = _rl_policy(config, pairs, found)
    summary: dict[str, Any] = {}
    if options is not None:
        found.add(package_problems(options))
    if options is None or not pairs:
        return summary
    batches, rollouts = rl_batches(
        len(pairs),
        rows_per_process=options.per_device_train_batch_size,
        accumulation=options.gradient_accumulation_steps,
        processes=processes(),
        num_generations=cast("int", options.num_generations),
        steps_per_generation=config.trainer.get("steps_per_generation"),
        generation_batch_size=config.trainer.get("generation_batch_size"),
        num_iterations=options.num_iterations,
        max_steps=options.max_steps,
        epochs=options.num_train_epochs,
    )
    found.add(too_few_prompts(len(pairs), rollouts))
    summary |= {"batches": batches._asdict(), "rollouts": rollouts._asdict()}
    if policy.tokenizer is None:
        return summary
    counts = count_tokens(policy.tokenizer, pairs)
    limit = options.max_completion_length
    cut = counts.cut_answers(limit)
    found.add(nothing_fits(counts, limit=limit, key="trainer.max_completion_length"))
    # The policy writes its own completions: how a reference joins its prompt is nothing to it.
    found.notes += length_notes(
        counts._replace(joined=0),
        cut=cut,
        limit=f"max_completion_length={limit}",
        positions=policy.positions,
    )
    summary = {"tokens": as_summary(counts, max_completion_length=limit, cut=cut), **summary}
    tokens = max(counts.prompts) + (limit or max(counts.answers, default=0))
    at_once = Generation(rollouts.per_generation // batches.processes, tokens)
    return summary | _memory(
        policy,
        options,
        config.trainer,
        tokens=tokens,
        reference=options.beta != 0 and config.policy.lora is None,
        generation=None if options.use_vllm else at_once,
        found=found,
    )


def _rl_policy(
    config: RLConfig, pairs: Sequence[tuple[Prompt, Prompt | None]], found: Findings
) -> Policy:
    prompt, answer = pairs[0] if pairs else (_any_prompt(config), None)
    text = answer[0]["content"] if isinstance(answer, list) else answer
    credit = any(entry.token_weight for entry in config.rewards)
    policy = check_policy(
        config.policy.path, prompt=prompt, text=text if credit else None, found=found
    )
    if policy.model is None:
        return policy
    lora = config.policy.lora
    adapters = None if lora is None else lora.model_dump()
    model = found.attempt(prepare, policy.model, lora=adapters)
    return policy._replace(model=model)


# ── what both need ──────────────────────────────────────────────────────────────────────────────


def processes() -> int:
    """How many processes the launcher started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _memory(
    policy: Policy,
    options: SFTConfig | GRPOConfig,
    block: Mapping[str, Any],
    *,
    tokens: int,
    found: Findings,
    reference: bool = False,
    generation: Generation | None = None,
) -> dict[str, Any]:
    """Parameters and the estimate, as they would be on a GPU."""
    if policy.model is None:
        return {}
    weight = _weight_bytes(options, policy.saved_bytes)
    mixed = block.get("bf16", True) or block.get("fp16", False)  # on this machine it may be off
    optimizer = optimizer_name(options)
    memory = training_memory(
        policy.model,
        rows=options.per_device_train_batch_size,
        tokens=tokens,
        optimizer=optimizer,
        weight_bytes=weight,
        compute_bytes=min(2, weight) if mixed else weight,
        checkpointing=bool(cast("Any", options).activation_checkpointing),
        reference=reference,
        generation=generation,
    )
    sizes = [(one.numel(), one.requires_grad) for one in policy.model.parameters()]
    trained = sum(size for size, learns in sizes if learns)
    found.notes += memory_notes(memory)
    if not is_known(optimizer):
        found.notes.append(f"memory: the states of {optimizer} are counted as AdamW's")
    if weight == LOADED_BYTES["bfloat16"] and optimizer.startswith("adam"):
        found.notes.append(
            "the weights themselves are trained in 16 bits, where a step below a 256th of a weight "
            "is lost in rounding; float32 weights under autocast, TRL's default, lose none"
        )
    parameters = {"total": sum(size for size, _ in sizes), "trained": trained}
    return {"parameters": parameters, "memory_gib": as_gib(memory)}


def _weight_bytes(options: SFTConfig | GRPOConfig, saved: int) -> int:
    """Of a weight as TRL loads it: float32, or what ``model_init_kwargs`` says."""
    loading = cast("dict[str, Any]", options.model_init_kwargs or {})
    dtype = str(loading.get("dtype") or loading.get("torch_dtype") or "float32")
    return saved if dtype == "auto" else LOADED_BYTES.get(dtype.removeprefix("torch."), 4)


def _any_prompt(config: SFTRunConfig | RLConfig) -> Prompt:
    """A prompt in the configured form, where the data has none to give."""
    return [{"role": "user", "content": config.prompt}] if config.chat else config.prompt
