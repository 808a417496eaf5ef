"""Checks of ``rewardlab sft`` and ``rewardlab rl``: the policy, batches, lengths and memory.

`sft_plan` and `rl_plan` determine what the trainer would do with the rows; `check_plan` does the
remaining checks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from rewardlab.config import RLConfig, SFTRunConfig
from rewardlab.config.sections import LoraConfig
from rewardlab.dry_run import lengths
from rewardlab.dry_run.batches import Batches, Rollouts, Schedule, too_few_prompts
from rewardlab.dry_run.findings import Findings
from rewardlab.dry_run.memory import (
    Generation,
    Memory,
    as_gib,
    is_known,
    memory_notes,
    on_cpu,
    training_memory,
)
from rewardlab.dry_run.packages import optimizer_name, package_problems
from rewardlab.dry_run.policy import Policy, check_policy, new_policy, prepare
from rewardlab.text.prompts import Prompt

if TYPE_CHECKING:
    from trl import GRPOConfig, SFTConfig

    from rewardlab.trainers.sft import Example

TrainerOptions: TypeAlias = "SFTConfig | GRPOConfig"
LOADED_BYTES: Mapping[str, int] = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Bytes per weight, by the values of ``model_init_kwargs.dtype``."""


class Plan(NamedTuple):
    """What a trainer would do with the rows, as far as it is known.

    Attributes:
        policy: The model and its tokenizer.
        options: TRL's options; None if those of the file are wrong.
        trainer: The ``trainer`` section of the file.
        batches: The batches; None without options or rows.
        rollouts: None except in RL.
        counts: Tokens of the rows; None without a tokenizer.
        limit: Name and value of the option that limits the tokens of a row.
        cut: Rows that the limit cuts.
        longest: Tokens of the longest row of a training pass, prompt and completion.
        reference: True if there is a second, frozen model besides the policy.
        generation: Decoding in this process.
    """

    policy: Policy
    options: TrainerOptions | None
    trainer: Mapping[str, Any]
    batches: Batches | None = None
    rollouts: Rollouts | None = None
    counts: lengths.TokenCounts | None = None
    limit: tuple[str, int | None] = ("", None)
    cut: int = 0
    longest: int = 0
    reference: bool = False
    generation: Generation | None = None


# ── sft ─────────────────────────────────────────────────────────────────────────────────────────


def sft_plan(
    config: SFTRunConfig,
    examples: Sequence[Example],
    validation: Sequence[Example],
    *,
    options: SFTConfig | None,
    found: Findings,
) -> Plan:
    """What a fine-tuning run would do.

    Args:
        config: The run.
        examples: The training rows; empty where the data could not be read.
        validation: The rows that decide when to stop.
        options: TRL's; None where those of the file are wrong.
        found: Gets E044, E045, E050..E061, E064, E065, and notes.
    """
    plan = Plan(_sft_policy(config, examples, found), options, config.trainer)
    found.add(package_problems(options))
    if options is None or not examples:
        return plan
    plan = plan._replace(batches=_schedule(options).sft(len(examples)))
    tokenizer = plan.policy.tokenizer
    if tokenizer is None:
        return plan
    counts, limit = lengths.count_tokens(tokenizer, examples), options.max_length
    for side in (counts, lengths.count_tokens(tokenizer, validation)):
        found.add(lengths.nothing_left(side, limit))
    return plan._replace(
        counts=counts,
        limit=("max_length", limit),
        cut=counts.cut_as_a_whole(limit),
        longest=min(counts.longest(), limit or counts.longest()),
    )


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
    return _prepared(
        policy,
        wanted.lora,
        found,
        freeze_embeddings=wanted.freeze_embeddings,
        untie_embeddings=wanted.untie_embeddings,
    )


# ── rl ──────────────────────────────────────────────────────────────────────────────────────────


def rl_plan(
    config: RLConfig, pairs: Sequence[lengths.Pair], *, options: GRPOConfig | None, found: Findings
) -> Plan:
    """What an RL run would do.

    Args:
        config: The run.
        pairs: Prompts and references of the training rows; empty where they could not be read.
        options: TRL's; None where those of the file are wrong.
        found: Gets E044, E050..E065, and notes.
    """
    plan = Plan(_rl_policy(config, pairs, found), options, config.trainer)
    found.add(package_problems(options))
    if options is None or not pairs:
        return plan
    batches, rollouts = _schedule(options).rl(
        len(pairs),
        num_generations=cast("int", options.num_generations),
        steps_per_generation=config.trainer.get("steps_per_generation"),
        generation_batch_size=config.trainer.get("generation_batch_size"),
        num_iterations=options.num_iterations,
    )
    found.add(too_few_prompts(len(pairs), rollouts))
    plan = plan._replace(batches=batches, rollouts=rollouts)
    tokenizer = plan.policy.tokenizer
    if tokenizer is None:
        return plan
    counts, limit = lengths.count_tokens(tokenizer, pairs), options.max_completion_length
    found.add(lengths.nothing_fits(counts, limit=limit, key="trainer.max_completion_length"))
    longest = max(counts.prompts) + (limit or max(counts.answers, default=0))
    generation = Generation(rollouts.per_generation // batches.processes, longest)
    return plan._replace(
        counts=counts,
        limit=("max_completion_length", limit),
        cut=counts.cut_answers(limit),
        longest=longest,
        reference=options.beta != 0 and config.policy.lora is None,
        generation=None if options.use_vllm else generation,
    )


def _rl_policy(config: RLConfig, pairs: Sequence[lengths.Pair], found: Findings) -> Policy:
    prompt, answer = pairs[0] if pairs else (_any_prompt(config), None)
    text = answer[0]["content"] if isinstance(answer, list) else answer
    credit = any(entry.token_weight for entry in config.rewards)
    policy = check_policy(
        config.policy.path, prompt=prompt, text=text if credit else None, found=found
    )
    return _prepared(policy, config.policy.lora, found)


# ── both ────────────────────────────────────────────────────────────────────────────────────────


def check_plan(plan: Plan, found: Findings) -> dict[str, Any]:
    """Compare the rows with the limits, and estimate the memory.

    Args:
        plan: Plan of an SFT or RL run.
        found: Gets notes.

    Returns:
        Tokens, batches, rollouts, parameters and memory, as far as they are known.
    """
    parts = {"batches": plan.batches, "rollouts": plan.rollouts}
    summary: dict[str, Any] = {name: one._asdict() for name, one in parts.items() if one}
    if plan.counts is None:
        return summary
    key, limit = plan.limit
    positions = plan.policy.positions
    if plan.rollouts is not None:
        found.notes += lengths.completion_notes(
            plan.counts, key=key, limit=limit, positions=positions
        )
    else:
        found.notes += lengths.length_notes(
            plan.counts, cut=plan.cut, limit=f"{key}={limit}", positions=positions
        )
    summary["tokens"] = lengths.as_summary(plan.counts, **{key: limit}, cut=plan.cut)
    return summary | _memory(plan, found)


def _schedule(options: TrainerOptions) -> Schedule:
    return Schedule(
        options.per_device_train_batch_size,
        options.gradient_accumulation_steps,
        int(os.environ.get("WORLD_SIZE", "1")),
        options.max_steps,
        options.num_train_epochs,
    )


def _prepared(
    policy: Policy, lora: LoraConfig | None, found: Findings, **embeddings: bool
) -> Policy:
    """The policy, with the weights marked that will be trained."""
    if policy.model is None:
        return policy
    adapters = None if lora is None else lora.model_dump()
    model = found.attempt(prepare, policy.model, lora=adapters, **embeddings)
    return policy._replace(model=model)


def _memory(plan: Plan, found: Findings) -> dict[str, Any]:
    """Parameters, and the memory that the run takes on a GPU, and on a CPU if it runs on one."""
    model, options = plan.policy.model, plan.options
    if model is None or options is None:
        return {}
    weight = _weight_bytes(options, plan.policy.saved_bytes)
    optimizer = optimizer_name(options)

    def estimate(*, mixed: bool, checkpointing: bool) -> Memory:
        return training_memory(
            model,
            rows=options.per_device_train_batch_size,
            tokens=plan.longest,
            optimizer=optimizer,
            weight_bytes=weight,
            compute_bytes=min(2, weight) if mixed else weight,
            checkpointing=checkpointing,
            reference=plan.reference,
            generation=plan.generation,
        )

    # On a GPU, the file's options and TRL's defaults hold; on a CPU, those of this run.
    asked = plan.trainer
    memory = estimate(
        mixed=asked.get("bf16", True) or asked.get("fp16", False),
        checkpointing=asked.get(
            "activation_checkpointing", asked.get("gradient_checkpointing", True)
        ),
    )
    sizes = {"memory_gib": as_gib(memory)}
    if options.use_cpu:
        here = estimate(
            mixed=bool(options.bf16),
            checkpointing=bool(cast("Any", options).activation_checkpointing),
        )
        sizes["cpu_memory_gib"] = as_gib(on_cpu(here, low_rank=hasattr(model, "peft_config")))
    found.notes += memory_notes(memory)
    if not is_known(optimizer):
        found.notes.append(f"memory: the states of {optimizer} are counted as AdamW's")
    if weight == LOADED_BYTES["bfloat16"] and optimizer.startswith("adam"):
        found.notes.append(
            "the weights themselves are trained in 16 bits, where a step below a 256th of a weight "
            "is lost in rounding; float32 weights under autocast, TRL's default, lose none"
        )
    weights = [(one.numel(), one.requires_grad) for one in model.parameters()]
    trained = sum(size for size, learns in weights if learns)
    parameters = {"total": sum(size for size, _ in weights), "trained": trained}
    return {"parameters": parameters, **sizes}


def _weight_bytes(options: TrainerOptions, saved: int) -> int:
    """Bytes per weight as TRL loads it: float32, or what ``model_init_kwargs`` says."""
    loading = cast("dict[str, Any]", options.model_init_kwargs or {})
    dtype = str(loading.get("dtype") or loading.get("torch_dtype") or "float32")
    return saved if dtype == "auto" else LOADED_BYTES.get(dtype.removeprefix("torch."), 4)


def _any_prompt(config: SFTRunConfig | RLConfig) -> Prompt:
    """A prompt of the configured form, for data that cannot be read."""
    return [{"role": "user", "content": config.prompt}] if config.chat else config.prompt
