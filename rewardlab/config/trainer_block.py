"""A ``trainer`` section held against the TRL configuration it will become.

The schema leaves the section open: its keys and types are TRL's. TRL and torch are imported where
they are asked, so that reading a file's form stays quick.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, NoneType, SimpleNamespace
from typing import Any, TypeVar, cast, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from rewardlab.config.problems import KINDS, not_a_choice, unknown_key, wrong_type
from rewardlab.config.strict_yaml import Document, Keys
from rewardlab.errors import Problem, UserError, shown

OWNED: Mapping[str, str] = MappingProxyType(
    {
        "output_dir": "set run: at the top of the file",
        "seed": "set seed: at the top of the file",
        "data_seed": "set seed: at the top of the file",
        "hub_token": "set HF_TOKEN in the environment; the run directory records its configuration",
        "resume_from_checkpoint": "resuming reads the run directory",
        "trust_remote_code": "no code runs from a checkpoint; remove it",
    }
)
"""TRL's options that every run decides elsewhere, and where."""

TRLConfig = TypeVar("TRLConfig")


def option_problems(
    block: Mapping[str, Any],
    config_class: type[Any],
    document: Document,
    *,
    owned: Mapping[str, str] = OWNED,
    at: Keys = ("trainer",),
) -> list[Problem]:
    """Hold keys and types against the fields of TRL's class. E023, E025, E026, E033.

    Nothing is constructed: that would open devices.

    Args:
        block: The section.
        config_class: TRL's class, or transformers'.
        document: Where the section stands.
        owned: Options that are decided elsewhere, and where.
        at: The section's place in the document.
    """
    options = {option.name: option for option in dataclasses.fields(config_class) if option.init}
    problems: list[Problem] = []
    for key, value in block.items():
        keys: Keys = (*at, key)
        if key in owned:
            what = f"{shown(value)} cannot be set here"
            problems.append(Problem("E033", document.where(keys), what, owned[key]))
        elif key not in options:
            known = _owner(config_class)
            problems.append(unknown_key(keys, value, options, known=known, document=document))
        else:
            problems += _value_problems(keys, value, options[key].type, document)
    return problems


def effective(block: Mapping[str, Any], config_class: type[Any]) -> SimpleNamespace:
    """Every option with the value it will have; one that is computed later is None."""
    defaults = {
        option.name: option.default if option.default_factory is dataclasses.MISSING else None
        for option in dataclasses.fields(config_class)
        if option.init
    }
    return SimpleNamespace(**{**defaults, **block})


def trl_config(
    config_class: type[TRLConfig],
    block: Mapping[str, Any],
    *,
    run: Path,
    seed: int,
    where: str = "trainer",
    **defaults: Any,
) -> TRLConfig:
    """TRL's configuration of a run; what the file says wins over ``defaults``.

    Raises:
        UserError: E037, TRL refuses the values, which it does when they meet.
    """
    own: dict[str, Any] = {"output_dir": str(run), "seed": seed}
    try:
        return config_class(**{**defaults, **block, **own})
    except ValueError as error:
        reason = " ".join(str(error).split())
        what = f"{_owner(config_class)} refuses the values: {reason}"
        raise UserError([Problem("E037", where, what.rstrip("."))]) from error


def _owner(config_class: type[Any]) -> str:
    """Whose class it is, for a message."""
    package = "TRL" if config_class.__module__.startswith("trl") else "transformers"
    return f"{package}'s {config_class.__name__}"


def _value_problems(keys: Keys, value: object, kind: Any, document: Document) -> Iterator[Problem]:
    """Hold one value against the type of its dataclass field."""
    for key in _inner_keys(value):
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


def _inner_keys(value: object) -> list[str]:
    """Keys of a mapping, or of the JSON that TRL and transformers take in its place."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return []  # theirs to refuse
    return [*cast("dict[str, object]", value)] if isinstance(value, dict) else []


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _type_name(kind: Any) -> str:
    origin = get_origin(kind) or kind
    name = getattr(origin, "__name__", str(origin))
    return KINDS.get({"str": "string"}.get(name, name), name)
