"""A ``trainer`` section, checked against the TRL or transformers class that it configures.

The schema leaves the section open: its keys and types are those of the class. TRL and torch are
imported only when they are needed, so that reading a file stays fast.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, SimpleNamespace
from typing import Any, TypeVar, cast, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from rewardlab.config.checks import NOWHERE
from rewardlab.config.problems import KINDS, not_a_choice, unknown_key, wrong_type
from rewardlab.config.strict_yaml import Document, Keys
from rewardlab.config.trainer_values import (
    machine_problems,
    package_problem,
    place_in,
    value_problems,
)
from rewardlab.errors import Problem, UserError, one_line, shown

EVALUATIONS = 10
"""Number of evaluations of a run if its configuration does not set it."""
OWNED: Mapping[str, str] = {
    "output_dir": "set run: at the top of the file",
    "seed": "set seed: at the top of the file",
    "data_seed": "set seed: at the top of the file",
    "hub_token": "set HF_TOKEN in the environment; the run directory records its configuration",
    "resume_from_checkpoint": "a run is not resumed; policy.path trains a saved policy further",
    "trust_remote_code": "no code runs from a checkpoint; remove it",
}
"""Options that no ``trainer`` section may set, and what to do instead."""
SUPERVISED_OWNED: Mapping[str, str] = {
    **OWNED,
    **dict.fromkeys(
        ("eval_strategy", "save_strategy", "load_best_model_at_end", "save_total_limit"),
        "a run is measured every eval_steps, and patience: decides what is kept; remove it",
    ),
    **dict.fromkeys(
        ("metric_for_best_model", "greater_is_better"), "the validation loss decides; remove it"
    ),
    **dict.fromkeys(
        ("completion_only_loss", "assistant_only_loss", "dataset_text_field"),
        "the loss is on the answer only; remove it",
    ),
    "chat_template_path": "save the template with the checkpoint's tokenizer",
}
"""`OWNED`, and the options that a run with a validation loss sets itself."""

TRLConfig = TypeVar("TRLConfig")


def option_problems(
    block: Mapping[str, Any],
    config_class: type[Any],
    document: Document,
    *,
    owned: Mapping[str, str] = OWNED,
    at: Keys = ("trainer",),
) -> list[Problem]:
    """Unknown keys, wrong types and values of a ``trainer`` section. E023, E025, E026, E033.

    The class is not constructed: that would open devices.

    Args:
        block: The section.
        config_class: TRL's class, or transformers'.
        document: The file.
        owned: Options that may not be set, and what to do instead.
        at: The section's place in the document.
    """
    options = {option.name: option for option in dataclasses.fields(config_class) if option.init}
    problems: list[Problem] = []
    for key, value in block.items():
        keys: Keys = (*at, key)
        if key in owned:
            what = f"{shown(value)} cannot be set here"
            problems.append(document.problem("E033", keys, what, owned[key]))
        elif key not in options:
            known = _full_name(config_class)
            problems.append(unknown_key(keys, value, options, known=known, document=document))
        else:
            problems += _value_problems(keys, value, options[key], document)
    return problems or [*value_problems(block, config_class, document, at=at)]


def effective(block: Mapping[str, Any], config_class: type[Any]) -> SimpleNamespace:
    """Every option with its effective value; None if the value is computed later.

    Args:
        block: The section.
        config_class: TRL's class, or transformers'.
    """
    defaults = {
        option.name: None if option.default is dataclasses.MISSING else option.default
        for option in dataclasses.fields(config_class)
        if option.init
    }
    return SimpleNamespace(**{**defaults, **block})


def evaluation_steps(max_steps: int) -> float:
    """The ``eval_steps`` of a run that does not set them: it is evaluated `EVALUATIONS` times.

    Args:
        max_steps: The option; negative if epochs decide. The number of steps is then unknown, and
            the result is a share of the steps, which transformers accepts.
    """
    return max(1, max_steps // EVALUATIONS) if max_steps > 0 else 1 / EVALUATIONS


def trl_config(
    config_class: type[TRLConfig],
    block: Mapping[str, Any],
    run: Path,
    seed: int,
    *,
    document: Document = NOWHERE,
    at: Keys = ("trainer",),
    **defaults: Any,
) -> TRLConfig:
    """Construct TRL's or transformers' configuration of a run.

    Args:
        config_class: The class.
        block: The ``trainer`` section; it overrides ``defaults``.
        run: The output directory.
        seed: Seed of all random numbers.
        document: The file, for the places of problems.
        at: The section's place in the file.
        **defaults: Default options.

    Raises:
        UserError: E037, the class, the optimizer or the schedule refuses the values; E064 a package
            is missing; E026 an unknown reporter; exit code 2.
    """
    if (missing := package_problem(block, document, at=at)) is not None:
        raise UserError([missing])
    own: dict[str, Any] = {"output_dir": str(run), "seed": seed}
    try:
        options = config_class(**{**defaults, **block, **own})
    except Exception as error:  # the class reads files, parses JSON and imports packages
        reason = one_line(error) or type(error).__name__
        keys = place_in(reason, document, at=at) or at
        what = f"{_full_name(config_class)} refuses the values: {reason}"
        code, fix = "E037", ""
        if isinstance(error, ImportError):
            code, fix = "E064", "install what it needs, or remove the option"
        raise UserError([document.problem(code, keys, what, fix)]) from error
    if problems := [*machine_problems(options, document, at=at)]:
        raise UserError(problems)
    return options


def _full_name(config_class: type[Any]) -> str:
    package = "TRL" if config_class.__module__.startswith("trl") else "transformers"
    return f"{package}'s {config_class.__name__}"


def _value_problems(
    keys: Keys, value: object, option: dataclasses.Field[Any], document: Document
) -> Iterator[Problem]:
    """Check one value against the type and the choices of its dataclass field."""
    kind: Any = option.type
    for key in _inner_keys(value):
        if key in OWNED:
            what = f"{key} cannot be set here"
            yield document.problem("E033", (*keys, key), what, OWNED[key])
    parts = get_args(kind) or (kind,)
    enums = [part for part in parts if isinstance(part, type) and issubclass(part, enum.Enum)]
    choices = [item.value for part in enums for item in part]
    choices = choices or list(option.metadata.get("choices", ()))
    if isinstance(value, str) and choices:
        if value not in choices:
            yield not_a_choice(keys, value, choices, document)
        return
    strict = ConfigDict(strict=True, arbitrary_types_allowed=True)
    try:
        TypeAdapter(kind, config=strict).validate_python(value)
    except ValidationError:
        names = [_type_name(part) for part in parts if part is not NoneType]
        yield wrong_type(keys, value, " or ".join(dict.fromkeys(names)), document)
    except PydanticUserError:
        return  # pydantic does not know the type: left to the class


def _inner_keys(value: object) -> list[str]:
    """The keys of a mapping, or of the JSON that TRL and transformers accept in its place."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return []  # the class will refuse it
    return [*cast("dict[str, object]", value)] if isinstance(value, dict) else []


def _type_name(kind: Any) -> str:
    name = getattr(get_origin(kind) or kind, "__name__", str(kind))
    return KINDS.get({"str": "string"}.get(name, name), name)
