"""The configuration of ``rewardlab rl``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import Field

from rewardlab import composing
from rewardlab.config import checks, trainer_block
from rewardlab.config.sections import (
    EnsembleConfig,
    FileName,
    LoraConfig,
    Options,
    RunConfig,
    Section,
    Text,
    one_of_names,
)
from rewardlab.config.strict_yaml import Document
from rewardlab.errors import Problem
from rewardlab.trainers.algorithms import ALGORITHMS, RLTrainer

if TYPE_CHECKING:
    from trl import GRPOConfig


class PolicyConfig(Section):
    """The model that learns.

    Attributes:
        path: A saved checkpoint directory.
        lora: Train low-rank adapters instead of the whole model.
    """

    path: FileName
    lora: LoraConfig | None = None


class AdvantageConfig(Section):
    """How scores and spans become advantages, by the names in `rewardlab.advantages`.

    Attributes:
        preset: The combination: ``PRESETS``.
        credit: How a span's weight is spread over its tokens: ``CREDIT``.
        omission: Which tokens errors without target text are charged to: ``OMISSION``.
    """

    preset: Text = "gdpo"
    credit: Text = "span"
    omission: Text = "ignore"


class RLConfig(EnsembleConfig, RunConfig):
    """An RL run; its directory must be empty or not exist.

    Attributes:
        prompt: A prompt style's name: `rewardlab.text.prompts.PROMPTS`.
        algorithm: The trainer: a name of `rewardlab.trainers.algorithms.ALGORITHMS`.
        policy: The model that learns.
        advantage: How scores become advantages.
        planted_check: What happens to a reward with a model that does not score a reference above
            gibberish: ``refuse`` the run, or ``warn`` and train.
        trainer: Options of the trainer's configuration class (``GRPOConfig``), by TRL's names.
    """

    prompt: Text
    algorithm: Annotated[Text, one_of_names(ALGORITHMS.names)] = "grpo"
    policy: PolicyConfig
    advantage: AdvantageConfig = AdvantageConfig()
    planted_check: Literal["refuse", "warn"] = "refuse"
    trainer: Options = Field(default_factory=dict[str, Any])


def check_rl(config: RLConfig, document: Document = checks.NOWHERE) -> Iterator[Problem]:
    """Problems between the parts of a configuration that fits its schema; not ``trainer``.

    Args:
        config: The configuration.
        document: Its file.

    Yields:
        E026, E028, E038, E039, and those of `reward_problems`.
    """
    from rewardlab.advantages import combination_problems

    yield from checks.prompt_problems(config.prompt, config.data, document)
    chosen = config.advantage.model_dump()
    for problem in combination_problems(**chosen):
        key, fix = problem.where, problem.fix
        fix = fix if fix.startswith("one of") else f"{key}: {fix}"
        yield document.problem(problem.code, ("advantage", key), problem.what, fix)
    yield from checks.reward_problems(config, config.data, document)
    yield from checks.checkpoint_problems(config.policy.path, ("policy", "path"), document)
    weights = [weight for one in config.rewards for weight in (one.weight, one.token_weight)]
    for problem in composing.nothing_to_learn(weights, "rewards"):
        yield document.problem(problem.code, ("rewards",), problem.what, problem.fix)


def check_rl_options(
    block: Mapping[str, Any], document: Document = checks.NOWHERE, *, algorithm: str | None = None
) -> list[Problem]:
    """Problems of the ``trainer`` section; imports TRL.

    Combinations of values are checked only if all keys and types are right.

    Args:
        block: The section.
        document: Its file.
        algorithm: Replaces the file's.

    Returns:
        E023, E025, E026, E031, E033..E035.
    """
    name = algorithm or cast("dict[str, Any]", document.value).get("algorithm", "grpo")
    # An unknown name is reported by the schema.
    trainer = ALGORITHMS.load(name if name in ALGORITHMS.names() else "grpo")
    if problems := trainer_block.option_problems(block, trainer.config_class, document):
        return problems
    options = trainer_block.effective(block, trainer.config_class)
    return [*_batch_problems(options, block, document), *_refused(trainer, options, document)]


def rl_options(
    config: RLConfig, document: Document = checks.NOWHERE, **defaults: Any
) -> GRPOConfig:
    """TRL's configuration of a run.

    Args:
        config: The run; its ``trainer`` section overrides ``defaults``.
        document: Its file.
        **defaults: Default options of TRL.

    Raises:
        UserError: As `rewardlab.config.trainer_block.trl_config`; exit code 2.
    """
    schema = ALGORITHMS.load(config.algorithm).config_class
    return trainer_block.trl_config(
        schema, config.trainer, config.run, config.seed, document=document, **defaults
    )


def _batch_problems(
    options: SimpleNamespace, block: Mapping[str, Any], document: Document
) -> Iterator[Problem]:
    """Groups must be whole: ``N = P·G``."""
    from rewardlab.advantages import group_problems

    group = options.num_generations or 0
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    steps = options.steps_per_generation or options.gradient_accumulation_steps
    rows = options.generation_batch_size or options.per_device_train_batch_size * ranks * steps
    problem = next(group_problems(rows, group), None)
    if problem is None:
        return
    if problem.code != "E031":
        keys = ("trainer", "num_generations")
        yield document.problem(problem.code, keys, problem.what, "num_generations: 8")
        return
    key, fits = "per_device_train_batch_size", options.per_device_train_batch_size
    while fits * ranks * steps % group:
        fits += 1
    if options.generation_batch_size is not None:
        key, fits = "generation_batch_size", rows + -rows % group
    at = "num_generations" if "num_generations" in block and key not in block else key
    yield document.problem("E031", ("trainer", at), problem.what, f"{key}: {fits}")


def _refused(
    trainer: type[RLTrainer], options: SimpleNamespace, document: Document
) -> Iterator[Problem]:
    """E034: options that the trainer cannot honour."""
    for reason in trainer.refused_options(options):
        key = reason.split()[0].rstrip(":")
        yield document.problem("E034", ("trainer", key), reason, f"remove {key}")
