"""Rewards by name, as YAML and the command line build them.

Every reward that `rewardlab.rewards` exports is registered under the default of its ``name``; other
packages add rewards as entry points of the group ``rewardlab.rewards``. A configuration never names
a module to import.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args, get_origin, get_type_hints

from rewardlab import rewards
from rewardlab.arguments import WANTED, BadArgument
from rewardlab.errors import Problem, UserError, kind_of, nearest, one_line, shown
from rewardlab.registry import Registry
from rewardlab.types import Reward

GROUP = "rewardlab.rewards"
LISTING = "rewardlab rewards"
"""The command that lists the rewards, and shows the options of one."""


def reward_names() -> list[str]:
    """The names of all rewards, sorted."""
    return sorted(_registry().names())


def reward_class(name: str, *, where: str = "reward") -> type[Reward]:
    """The class of a reward; of the plug-ins, only the requested one is imported.

    Args:
        name: One of `reward_names`.
        where: The place that an error message names.

    Raises:
        UserError: E101, unknown reward; E331, the plug-in cannot be imported or is no reward.
    """
    registry = _registry()
    if name not in registry.names():
        near = nearest(name, reward_names())
        fix = f"{near} ({LISTING} lists all)" if near else f"{LISTING} lists all"
        raise UserError([Problem("E101", where, f"unknown reward {shown(name)}", fix)])
    try:
        loaded = registry.load(name)
    except Exception as error:  # what a plug-in raises on import is not ours to know
        raise UserError([_broken_plugin(name, where, error)]) from error
    if not (isinstance(loaded, type) and dataclasses.is_dataclass(loaded)):  # pyright: ignore[reportUnnecessaryIsInstance]
        what = f"the entry point {name} is {shown(loaded)}, not a dataclass"
        raise UserError([Problem("E331", where, what, "see docs/add_a_reward.md")])
    return loaded


def _broken_plugin(name: str, where: str, error: Exception) -> Problem:
    what = f"the package of {name} cannot be imported: {type(error).__name__}: {one_line(error)}"
    fix = f"repair or remove the package with the entry point {name}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        fix = f"pip install the package with the module {error.name.partition('.')[0]}"
    return Problem("E331", where, what, fix)


def rewards_without_options() -> list[Reward]:
    """Every reward that can be built from its name alone, sorted by name: those without a model.

    A plug-in that cannot be imported is left out.
    """
    classes: list[type[Any]] = []
    for name in reward_names():
        with suppress(UserError):
            classes.append(reward_class(name))
    return [cls() for cls in classes if not any(map(is_required, dataclasses.fields(cls)))]


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Whether an option has no default."""
    return field.init and field.default is field.default_factory is dataclasses.MISSING


Form: TypeAlias = Callable[[str, str], str]
"""Writes an option and its value as the user would: in YAML, or on the command line."""


def build_reward(
    name: str, options: Mapping[str, object] | None = None, *, where: str = "reward"
) -> Reward:
    """Build a reward from its name and options, converting these to the types of its fields.

    Args:
        name: One of `reward_names`.
        options: Field name -> value. Texts are converted: ``"4"`` becomes 4 for a numeric field.
        where: What an error message points at.

    Raises:
        UserError: Every problem found: E101 unknown reward, E102 unknown option, E103 bad value,
            E331 a plug-in that cannot be imported. Fixes are in the form of YAML.

    >>> build_reward("no_repetition", {"n": "3"})
    NoRepetition(name='no_repetition', n=3)
    """
    return _built(name, options or {}, where, lambda option, value: f"{option}: {value}")


def _built(name: str, options: Mapping[str, object], where: str, form: Form) -> Reward:
    """The reward; ``form`` writes the fixes."""
    cls = cast("type[Any]", reward_class(name, where=where))
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    hints = get_type_hints(cls)
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for option, value in options.items():
        place = f"{where}: {name}.{option}"
        if option not in fields:
            near = nearest(option, fields)
            others = f"one of {', '.join(sorted(fields))}; see {LISTING} {name}"
            fix = form(near, str(value)) if near else others
            problems.append(Problem("E102", place, "no such option", fix))
            continue
        try:
            values[option] = _converted(value, hints[option])
        except ValueError as error:
            fix = form(option, example(fields[option], hints[option]))
            problems.append(Problem("E103", place, f"{shown(value)} {error}", fix))
    for option, field in fields.items():
        if is_required(field) and option not in options:
            fix = form(option, example(field, hints[option]))
            problems.append(Problem("E103", f"{where}: {name}.{option}", "is required", fix))
    if problems:
        raise UserError(problems)
    try:
        return cls(**values)
    except BadArgument as error:
        fix = f"see {LISTING} {name}"
        told = [Problem("E103", f"{where}: {name}", one.what, fix) for one in error.problems]
        raise UserError(told) from error
    except UserError as error:
        placed = [dataclasses.replace(one, where=f"{where}: {one.where}") for one in error.problems]
        raise UserError(placed, error.exit_code) from error


def example(field: dataclasses.Field[Any], hint: Any) -> str:
    """A value of an option: its default, or its name in capitals if it has none.

    Args:
        field: The option.
        hint: Its type.

    >>> from rewardlab.rewards import MetricX
    >>> {f.name: example(f, str) for f in dataclasses.fields(MetricX)}["version"]
    '24'
    """
    if field.default not in (dataclasses.MISSING, None, ""):
        default = field.default
        return str(default).lower() if isinstance(default, bool) else str(default)
    if get_origin(hint) is Literal:
        return str(get_args(hint)[0])
    placeholders = {int: "1", float: "0.0", bool: "true", Path: "PATH"}
    return placeholders.get(hint, field.name.upper())


def parse_reward(spec: str, *, where: str = "reward") -> Reward:
    r"""Build a reward from its command-line form, ``name`` or ``name:option=value,option=value``.

    A comma in a value is written ``\,``.

    Args:
        spec: The command-line form.
        where: What an error message points at.

    Raises:
        UserError: E104, ``spec`` is malformed; and the errors of `build_reward`, with fixes in the
            form of the command line.

    >>> parse_reward("no_repetition:n=3")
    NoRepetition(name='no_repetition', n=3)
    """
    if not isinstance(spec, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        what = f"{kind_of(spec)} is not text"
        raise UserError([Problem("E104", where, what, "parse_reward('chrf:word_order=2')")])
    name, colon, rest = spec.partition(":")
    name, flag = name.strip(), f"{where} " if where.startswith("--") else ""
    options: dict[str, object] = {}
    for part in re.split(r"(?<!\\),", rest) if colon else []:
        option, equals, value = part.partition("=")
        option = option.strip()
        if not equals or not option or option in options:
            what = f"{shown(spec)}: {shown(part)} is not a new option=value"
            raise UserError([Problem("E104", where, what, flag + _written_example(name))])
        options[option] = value.replace("\\,", ",")
    several = re.split(r"[,;\s]+", name)
    if len(several) > 1 and {*several} <= {*reward_names()}:
        fix = " ".join(flag + one for one in several)
        raise UserError([Problem("E104", where, f"{shown(spec)} is more than one reward", fix)])
    if not name:
        what = f"{shown(spec)}: the name is missing"
        raise UserError([Problem("E104", where, what, flag + _written_example(name))])

    def form(option: str, value: str) -> str:
        return f"{flag}{name}:{option}={value}"

    return _built(name, options, where, form)


def _written_example(name: str) -> str:
    """A specification with an option of this reward, or the general form."""
    if name in reward_names():
        cls = cast("type[Any]", reward_class(name))
        for field in dataclasses.fields(cls):
            if field.init and field.name != "name":
                return f"{name}:{field.name}={example(field, get_type_hints(cls)[field.name])}"
    return "name:option=value,option=value"


def _registry() -> Registry[type[Reward]]:
    """Exported dataclasses with a default name; no other reward can be built from text."""
    built_in: dict[str, str] = {}
    for export in rewards.__all__:
        exported: Any = getattr(rewards, export)
        name = getattr(exported, "name", None)
        if dataclasses.is_dataclass(exported) and isinstance(name, str) and name:
            built_in[name] = f"{exported.__module__}:{export}"
    return Registry(GROUP, built_in)


def _converted(value: object, hint: Any) -> Any:
    """A value converted to a field's type.

    Raises:
        ValueError: The value cannot be converted; the message goes on from the value.
    """
    from pydantic import TypeAdapter, ValidationError

    if isinstance(value, bool) and hint in (int, float):
        raise ValueError("is not a number")
    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if get_origin(hint) is Literal:
            raise ValueError(f"is not one of {', '.join(map(str, get_args(hint)))}") from None
        reason = first["msg"][:1].lower() + first["msg"][1:]
        wanted = WANTED.get(hint)
        raise ValueError(f"is not {wanted}" if wanted else f"is refused: {reason}") from None
