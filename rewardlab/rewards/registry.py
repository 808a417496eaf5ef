"""Rewards by name, as YAML and the command line build them.

Every reward that `rewardlab.rewards` exports is registered under the default of its ``name``; other
packages add rewards as entry points of the group ``rewardlab.rewards``. A configuration never names
a module to import.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast, get_type_hints

from rewardlab import rewards
from rewardlab.errors import Problem, UserError, shown
from rewardlab.registry import Registry
from rewardlab.types import Reward

GROUP = "rewardlab.rewards"


def reward_names() -> list[str]:
    """The names of all rewards, sorted."""
    return sorted(_registry().names())


def reward_class(name: str, *, where: str = "reward") -> type[Reward]:
    """The class of a reward; of the plug-ins, only the requested one is imported.

    Args:
        name: One of `reward_names`.
        where: The place that an error message names.

    Raises:
        UserError: E101, unknown reward.
    """
    registry = _registry()
    if name in registry.names():
        return registry.load(name)
    fix = _suggestion(name, reward_names())
    raise UserError([Problem("E101", where, f"unknown reward {shown(name)}", fix)])


def rewards_without_options() -> list[Reward]:
    """Every reward that can be built from its name alone, sorted by name: those without a model."""
    classes = [cast("type[Any]", reward_class(name)) for name in reward_names()]
    return [cls() for cls in classes if not any(map(_is_required, dataclasses.fields(cls)))]


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.init and field.default is field.default_factory is dataclasses.MISSING


def build_reward(
    name: str, options: Mapping[str, object] | None = None, *, where: str = "reward"
) -> Reward:
    """Build a reward from its name and options, converting these to the types of its fields.

    Args:
        name: One of `reward_names`.
        options: Field name -> value. Texts are converted: ``"4"`` becomes 4 for a numeric field.
        where: What an error message points at.

    Raises:
        UserError: Every problem found: E101 unknown reward, E102 unknown option, E103 bad value.

    >>> build_reward("no_repetition", {"n": "3"})
    NoRepetition(name='no_repetition', n=3)
    """
    cls = cast("type[Any]", reward_class(name, where=where))
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    hints = get_type_hints(cls)
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for option, value in (options or {}).items():
        place = f"{where}: {name}.{option}"
        if option not in fields:
            fix = _suggestion(option, list(fields))
            problems.append(Problem("E102", place, "no such option", fix))
            continue
        try:
            values[option] = _converted(value, hints[option])
        except ValueError as error:
            problems.append(Problem("E103", place, f"{shown(value)}: {error}"))
    for field in fields.values():
        if _is_required(field) and field.name not in (options or {}):
            place = f"{where}: {name}.{field.name}"
            problems.append(Problem("E103", place, "is required", f"{field.name}: ..."))
    if problems:
        raise UserError(problems)
    try:
        return cls(**values)
    except ValueError as error:
        raise UserError([Problem("E103", f"{where}: {name}", str(error))]) from error


def parse_reward(spec: str, *, where: str = "reward") -> Reward:
    r"""Build a reward from its command-line form, ``name`` or ``name:option=value,option=value``.

    A comma in a value is written ``\,``.

    Args:
        spec: The command-line form.
        where: What an error message points at.

    Raises:
        UserError: E104, ``spec`` is malformed; and the errors of `build_reward`.

    >>> parse_reward("no_repetition:n=3")
    NoRepetition(name='no_repetition', n=3)
    """
    name, colon, rest = spec.partition(":")
    options: dict[str, object] = {}
    for part in re.split(r"(?<!\\),", rest) if colon else []:
        option, equals, value = part.partition("=")
        option = option.strip()
        if not equals or not option or option in options:
            raise _malformed(spec, f"{shown(part)} is not a new option=value", where)
        options[option] = value.replace("\\,", ",")
    if not name.strip():
        raise _malformed(spec, "the name is missing", where)
    return build_reward(name.strip(), options, where=where)


def _malformed(spec: str, why: str, where: str) -> UserError:
    fix = "name:option=value,option=value"
    return UserError([Problem("E104", where, f"{shown(spec)}: {why}", fix)])


def _registry() -> Registry[type[Reward]]:
    """Exported dataclasses with a default name; no other reward can be built from text."""
    built_in: dict[str, str] = {}
    for export in rewards.__all__:
        exported: Any = getattr(rewards, export)
        name = getattr(exported, "name", None)
        if dataclasses.is_dataclass(exported) and isinstance(name, str) and name:
            built_in[name] = f"{exported.__module__}:{export}"
    return Registry(GROUP, built_in)


def _suggestion(name: str, choices: list[str]) -> str:
    near = get_close_matches(name, choices, n=1)
    return near[0] if near else f"one of {', '.join(sorted(choices))}"


def _converted(value: object, hint: Any) -> Any:
    """A value converted to a field's type.

    Raises:
        ValueError: The value cannot be converted; the message says why.
    """
    from pydantic import TypeAdapter, ValidationError

    if isinstance(value, bool) and hint in (int, float):
        raise ValueError("a number is wanted, not true or false")
    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ValueError(first["msg"][:1].lower() + first["msg"][1:]) from None
