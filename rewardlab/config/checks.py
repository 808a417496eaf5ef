"""What a configuration means together with TRL, the rewards, the data and the file system.

The schema says whether every value can be right by itself; here they meet. TRL and torch are
imported where they are asked, so that reading a file's form stays quick.
"""

from __future__ import annotations

import dataclasses
import enum
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import NoneType, SimpleNamespace
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from rewardlab.config.problems import KINDS, nearest, not_a_choice, unknown_key, wrong_type
from rewardlab.config.strict_yaml import Document, Keys
from rewardlab.data.prompts import PROMPTS
from rewardlab.errors import Problem, UserError, shown

if TYPE_CHECKING:
    from trl import GRPOConfig

    from rewardlab.config import RLConfig
    from rewardlab.types import Gate, Reward, Term

NOWHERE = Document("the configuration", {}, {})
"""Names problems of a configuration that was built in code."""

OWNED = {
    "output_dir": "set run: at the top of the file",
    "seed": "set seed: at the top of the file",
    "data_seed": "set seed: at the top of the file",
    "hub_token": "set HF_TOKEN in the environment; the run directory records its configuration",
    "resume_from_checkpoint": "resuming reads the run directory",
    "trust_remote_code": "no code runs from a checkpoint; remove it",
}
"""Options of ``GRPOConfig`` that a run decides elsewhere, and where."""


def check(config: RLConfig, document: Document = NOWHERE) -> list[Problem]:
    """What is wrong between the parts of a configuration whose schema holds.

    Rewards are constructed, which is cheap; no model loads. Only ``trainer`` is left out: see
    `check_trainer_block`.
    """
    problems = [*_names(config, document), *_references(config, document)]
    problems += _rewards(config, document)
    path = config.policy.path
    if path is not None and not (path / "config.json").is_file():
        what = f"{shown(str(path))} is no saved checkpoint: it holds no config.json"
        fix = "give the directory that save_pretrained wrote"
        problems.append(Problem("E028", document.where(("policy", "path")), what, fix))
    if not any(entry.weight or entry.token_weight for entry in config.rewards):
        what = "every weight and token_weight is 0, so there is nothing to learn"
        problems.append(Problem("E038", document.where(("rewards",)), what, "give one a weight"))
    return problems


def check_run_directory(run: Path) -> None:
    """Refuse to start a run where something stands already.

    Raises:
        UserError: E030, exit code 2.
    """
    if run.is_dir() and not any(run.iterdir()):
        return
    if run.exists() or run.is_symlink():
        what = "exists and is not an empty directory"
        fix = f"give another one: run={run}-2"
        raise UserError([Problem("E030", f"run {shown(str(run))}", what, fix)])


def build_terms(config: RLConfig) -> list[Term]:
    """The ensemble's terms; models load when they are first used.

    Raises:
        UserError: E101..E104 an unknown reward or option.
    """
    from rewardlab.types import Term

    return [
        Term(
            _reward(entry.reward, entry.options),
            weight=entry.weight,
            token_weight=entry.token_weight,
        )
        for entry in config.rewards
    ]


def build_gates(config: RLConfig) -> list[Gate]:
    """The ensemble's gates.

    Raises:
        UserError: E101..E104 an unknown reward or option.
    """
    from rewardlab.types import Gate

    return [Gate(_reward(entry.reward, entry.options), entry.below) for entry in config.gates]


def grpo_config(config: RLConfig, **defaults: Any) -> GRPOConfig:
    """TRL's configuration of a run; what the file says wins over ``defaults``.

    Raises:
        UserError: E037, TRL refuses the values, which it does when they meet.
    """
    from rewardlab.trainers.grpo import GRPOConfig

    own: dict[str, Any] = {"output_dir": str(config.run), "seed": config.seed}
    try:
        return GRPOConfig(**{**defaults, **config.trainer, **own})
    except ValueError as error:
        what = f"TRL's GRPOConfig refuses the values: {' '.join(str(error).split())}"
        raise UserError([Problem("E037", "trainer", what.rstrip("."))]) from error


def check_trainer_block(block: Mapping[str, Any], document: Document = NOWHERE) -> list[Problem]:
    """What is wrong with a run's ``trainer`` section; imports TRL.

    Keys and types are held against the fields of ``GRPOConfig``, and only when those are right
    are the values held against each other. Nothing is constructed: that would open devices.
    """
    # TRL comes through our trainers, which turn its usage reports off before it is imported.
    from rewardlab.trainers.grpo import GRPOConfig

    options = {option.name: option for option in dataclasses.fields(GRPOConfig) if option.init}
    problems: list[Problem] = []
    for key, value in block.items():
        keys: Keys = ("trainer", key)
        if key in OWNED:
            what = f"{shown(value)} cannot be set here"
            problems.append(Problem("E033", document.where(keys), what, OWNED[key]))
        elif key not in options:
            known = "TRL's GRPOConfig"
            problems.append(unknown_key(keys, value, options, known=known, document=document))
        else:
            problems += _option_problems(keys, value, options[key].type, document)
    if problems:
        return problems
    defaults = {
        name: option.default if option.default_factory is dataclasses.MISSING else None
        for name, option in options.items()
    }
    effective = SimpleNamespace(**{**defaults, **block})
    return [*_batch_problems(effective, block, document), *_refused(effective, document)]


# ── names, rewards ──────────────────────────────────────────────────────────────────────────────


def _names(config: RLConfig, document: Document) -> Iterator[Problem]:
    """Names of functions that the schema leaves to the modules that have them."""
    from rewardlab.advantages import CREDIT, OMISSION, PRESETS

    tables: list[tuple[Keys, str, Mapping[str, Any], str]] = [
        (("prompt",), config.prompt, PROMPTS, "a prompt style"),
        (("advantage", "preset"), config.advantage.preset, PRESETS, "a preset"),
        (("advantage", "credit"), config.advantage.credit, CREDIT, "a token credit"),
        (("advantage", "omission"), config.advantage.omission, OMISSION, "a place for omissions"),
    ]
    for keys, name, table, what in tables:
        if name not in table:
            yield not_a_choice(keys, name, table, document, what=what)
    style = PROMPTS.get(config.prompt)
    if style is None:
        return
    for at, data in enumerate(config.data):
        try:
            style("", source_lang=data.source_lang, target_lang=data.target_lang)
        except ValueError as error:
            what = f"the prompt style {config.prompt} cannot be written: {str(error).rstrip('.?')}"
            fix = "correct the code, or take a style that names no language: prompt: arrow"
            keys = ("data", at) if len(config.data) > 1 else ("data",)
            yield Problem("E039", document.where(keys), what, fix)


def _references(config: RLConfig, document: Document) -> Iterator[Problem]:
    """A policy from scratch has nothing but the references to learn from."""
    without = _without_reference(config)
    if config.policy.from_scratch is not None and without:
        what = f"a policy from scratch learns from references, and {without[0]} has none"
        keys: Keys = ("policy", "from_scratch")
        yield Problem("E032", document.where(keys), what, "add reference: to the data")


def _without_reference(config: RLConfig) -> list[str]:
    lacking = [at for at, data in enumerate(config.data) if data.reference is None]
    return [f"data.{at}" if len(config.data) > 1 else "data" for at in lacking]


def _rewards(config: RLConfig, document: Document) -> Iterator[Problem]:
    """Unknown rewards and options, missing references, names that would merge in the logs."""
    without = _without_reference(config)
    names: dict[str, int] = {}
    for section, entries in (("rewards", config.rewards), ("gates", config.gates)):
        for at, entry in enumerate(entries):
            keys: Keys = (section, at)
            try:
                reward = _reward(entry.reward, entry.options)
            except UserError as error:
                own = type(entry).model_fields.keys() - {"options", "reward"}
                for problem in error.problems:
                    yield _placed(problem, keys, entry.options, own, document)
                continue
            if reward.needs_reference and without:
                what = f"{reward.name} reads references, and {without[0]} has none"
                fix = "add reference: to the data, or remove the reward"
                yield Problem("E032", document.where(keys), what, fix)
            if section == "rewards" and names.setdefault(reward.name, at) != at:
                what = f"{reward.name} stands here and in rewards.{names[reward.name]}"
                fix = f"remove one, or give it a name of its own, name: {reward.name}_2"
                yield Problem("E036", document.where(keys), what, fix)


def _reward(name: str, options: Mapping[str, Any]) -> Reward:
    from rewardlab.rewards.registry import build_reward, parse_reward

    if ":" not in name:
        return build_reward(name, options)
    if options:
        what = f"options stand both in {shown(name)} and beside it: {', '.join(options)}"
        raise UserError([Problem("E029", name, what, "write all of them as keys")])
    return parse_reward(name)


def _placed(
    problem: Problem,
    keys: Keys,
    options: Mapping[str, Any],
    own: Collection[str],
    document: Document,
) -> Problem:
    """Move what the registry says about a reward to the line it stands in.

    The registry knows the reward's options; a misspelt ``weight`` looks like one to it.
    """
    option = problem.where.rpartition(".")[2]
    if option not in options:
        return dataclasses.replace(problem, where=document.where(keys))
    close = nearest(option, own)
    fix = f"{close}: {options[option]}" if close is not None else problem.fix
    return dataclasses.replace(problem, where=document.where((*keys, option)), fix=fix)


# ── TRL's options ───────────────────────────────────────────────────────────────────────────────


def _option_problems(keys: Keys, value: object, kind: Any, document: Document) -> Iterator[Problem]:
    """Hold one value against the type of its dataclass field."""
    if isinstance(value, dict):
        for key in cast("dict[str, object]", value):
            if key in OWNED:
                what = f"{key} cannot be set here"
                yield Problem("E033", document.where((*keys, key)), what, OWNED[key])
    parts = get_args(kind) or (kind,)
    choices = [item.value for part in parts if _is_enum(part) for item in part]
    if isinstance(value, str) and choices:
        if value not in choices:
            yield not_a_choice(keys, value, choices, document)
        return
    try:
        TypeAdapter(
            kind, config=ConfigDict(strict=True, arbitrary_types_allowed=True)
        ).validate_python(value)
    except ValidationError:
        names = [_type_name(part) for part in parts if part is not NoneType]
        expected = " or ".join(dict.fromkeys(names))
        yield wrong_type(keys, value, expected, document)
    except PydanticUserError:
        return  # a type of TRL's or transformers' that pydantic knows nothing of: theirs to judge


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _type_name(kind: Any) -> str:
    origin = get_origin(kind) or kind
    name = getattr(origin, "__name__", str(origin))
    return KINDS.get({"str": "string"}.get(name, name), name)


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
    from rewardlab.trainers.grpo import refused_options

    for reason in refused_options(cast("GRPOConfig", options)):
        key = reason.split()[0].rstrip(":")
        where = document.where(("trainer", key))
        yield Problem("E034", where, reason, f"remove {key}")
