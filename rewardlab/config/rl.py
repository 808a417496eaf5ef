"""The configuration of ``rewardlab rl``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field

from rewardlab.config.checks import (
    NOWHERE,
    checkpoint_problems,
    choice_problems,
    prompt_problems,
    reward_problems,
)
from rewardlab.config.load import load
from rewardlab.config.sections import (
    Data,
    FileName,
    Gates,
    LoraConfig,
    Options,
    Rewards,
    Section,
    Seed,
    Text,
)
from rewardlab.config.strict_yaml import Document
from rewardlab.config.trainer_block import effective, option_problems, trl_config
from rewardlab.errors import Problem

if TYPE_CHECKING:
    from trl import GRPOConfig


class PolicyConfig(Section):
    """The model that learns.

    Attributes:
        path: A saved checkpoint directory.
        lora: Train low-rank adapters and not the whole model.
    """

    path: FileName
    lora: LoraConfig | None = None


class AdvantageConfig(Section):
    """How scores and spans become advantages, by the names in `rewardlab.advantages`.

    Attributes:
        preset: The combination: ``PRESETS``.
        credit: What a span gives its tokens: ``CREDIT``.
        omission: Where errors without target text go: ``OMISSION``.
    """

    preset: Text = "gdpo"
    credit: Text = "span"
    omission: Text = "last_token"


class RLConfig(Section):
    """An RL run.

    Attributes:
        run: The directory it writes; must be empty or not exist.
        seed: Of everything random.
        data: The corpora; the file may give one mapping in place of a list.
        prompt: A prompt style's name: `rewardlab.text.prompts.PROMPTS`.
        chat: The prompt is one user turn of the checkpoint's chat template.
        policy: The model that learns.
        rewards: The ensemble's terms; at least one.
        gates: Its guards.
        advantage: How scores become advantages.
        trainer: Options of TRL's ``GRPOConfig``, by TRL's names.
    """

    run: FileName
    seed: Seed = 0
    data: Data
    prompt: Text
    chat: bool = Field(default=False, strict=True)
    policy: PolicyConfig
    rewards: Rewards
    gates: Gates = ()
    advantage: AdvantageConfig = AdvantageConfig()
    trainer: Options = Field(default_factory=dict[str, Any])


def load_rl_config(path: str | Path, overrides: Sequence[str] = ()) -> RLConfig:
    """Read and check the configuration of an RL run.

    Args:
        path: A YAML file.
        overrides: Arguments ``key=value``.

    Raises:
        UserError: E001..E039, exit code 2.
    """
    return load(RLConfig, path, overrides, check=check_rl, check_trainer=check_grpo_options)


def check_rl(config: RLConfig, document: Document = NOWHERE) -> Iterator[Problem]:
    """What is wrong between the parts of a configuration whose schema holds; not ``trainer``."""
    from rewardlab.advantages import CREDIT, OMISSION, PRESETS

    yield from prompt_problems(config.prompt, config.data, document)
    for key, table, what in (
        ("preset", PRESETS, "a preset"),
        ("credit", CREDIT, "a token credit"),
        ("omission", OMISSION, "a place for omissions"),
    ):
        name = getattr(config.advantage, key)
        yield from choice_problems(("advantage", key), name, table, what, document)
    yield from reward_problems(config.rewards, config.gates, config.data, document)
    yield from checkpoint_problems(config.policy.path, ("policy", "path"), document)
    if not any(entry.weight or entry.token_weight for entry in config.rewards):
        what = "every weight and token_weight is 0, so there is nothing to learn"
        yield Problem("E038", document.where(("rewards",)), what, "give one a weight")


def check_grpo_options(block: Mapping[str, Any], document: Document = NOWHERE) -> list[Problem]:
    """What is wrong with the ``trainer`` section; imports TRL.

    Keys and types first, and only when those are right are the values held against each other.
    """
    # TRL comes through our trainers, which turn its usage reports off before it is imported.
    from rewardlab.trainers.grpo import GRPOConfig

    if problems := option_problems(block, GRPOConfig, document):
        return problems
    options = effective(block, GRPOConfig)
    return [*_batch_problems(options, block, document), *_refused(options, document)]


def grpo_config(config: RLConfig, **defaults: Any) -> GRPOConfig:
    """TRL's configuration of a run; what the file says wins over ``defaults``.

    Raises:
        UserError: E037, TRL refuses the values, which it does when they meet.
    """
    from rewardlab.trainers.grpo import GRPOConfig

    return trl_config(GRPOConfig, config.trainer, run=config.run, seed=config.seed, **defaults)


def _batch_problems(
    options: SimpleNamespace, block: Mapping[str, Any], document: Document
) -> Iterator[Problem]:
    """Groups must be whole: ``N = P·G``."""
    group = options.num_generations or 0
    if group < 2:  # noqa: PLR2004 - one completion has nothing to be compared with
        what = f"num_generations={group}: a group baseline needs at least 2 completions"
        where = document.where(("trainer", "num_generations"))
        yield Problem("E035", where, what, "num_generations: 8")
        return
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    steps = options.steps_per_generation or options.gradient_accumulation_steps
    rows = options.generation_batch_size or options.per_device_train_batch_size * ranks * steps
    if rows % group:
        size = options.per_device_train_batch_size
        key, fits = "per_device_train_batch_size", size
        while fits * ranks * steps % group:
            fits += 1
        if options.generation_batch_size is not None:
            key, fits = "generation_batch_size", rows + -rows % group
        named = [name for name in (key, "num_generations") if name in block]
        where = document.where(("trainer", named[0] if named else key))
        what = (
            f"{rows} rows is not a multiple of num_generations={group}; rows must be prompt-major"
        )
        yield Problem("E031", where, what, f"{key}: {fits}")


def _refused(options: SimpleNamespace, document: Document) -> Iterator[Problem]:
    """Options that would mean something else with token-level advantages, as the trainer says."""
    from rewardlab.trainers.grpo import GRPOTrainer

    for reason in GRPOTrainer.refused_options(cast("GRPOConfig", options)):
        key = reason.split()[0].rstrip(":")
        where = document.where(("trainer", key))
        yield Problem("E034", where, reason, f"remove {key}")
