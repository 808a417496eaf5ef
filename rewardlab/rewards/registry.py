"""Rewards by name, as YAML and the command line build them.

Every reward that `rewardlab.rewards` exports is registered under the default of its ``name``; other
packages add rewards as entry points of the group ``rewardlab.rewards``. A configuration never names
a module to import.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from itertools import count
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
PUBLISHED = {
    "chrf++": "chrf:word_order=2",
    "chrf2++": "chrf:word_order=2",
    "chrfpp": "chrf:word_order=2",
    "spbleu": "bleu:tokenize=flores200",
    "exact-match": "exact_match",
    "sacrebleu": "bleu",
}
"""Published names of a reward with certain options, and other usual names, in lower case."""


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
        raise UserError([_unknown_reward(name, where)])
    try:
        loaded = registry.load(name)
    except Exception as error:  # what a plug-in raises on import is not ours to know
        raise UserError([_broken_plugin(name, where, error)]) from error
    if not (isinstance(loaded, type) and dataclasses.is_dataclass(loaded)):  # pyright: ignore[reportUnnecessaryIsInstance]
        what = f"the entry point {name} is {shown(loaded)}, not a dataclass"
        raise UserError([Problem("E331", where, what, "see docs/add_a_reward.md")])
    return loaded


def _unknown_reward(name: str, where: str, options: str = "") -> Problem:
    """E101, with the reward that was probably meant.

    Args:
        name: The unknown name.
        where: The place that the message names.
        options: The options as they were given on the command line.
    """
    near = _near_reward(name)
    if near and options:
        near += ("," if ":" in near else ":") + options
    elif near in reward_names():
        near = _written_example(near, required_only=True)
    fix = f"{near} ({LISTING} lists all)" if near else f"{LISTING} lists all"
    return Problem("E101", where, f"unknown reward {shown(name)}", fix)


def _near_reward(name: str) -> str | None:
    """What an unknown name was probably meant to be.

    A published model is named by its family and more: ``xcomet-xl``, ``wmt22-cometkiwi-da``.
    """
    plain = name.lower()
    if near := PUBLISHED.get(plain) or nearest(name, reward_names()):
        return near
    families = {one.replace("_", ""): one for one in reward_names()}
    words = re.split(r"[^a-z]+", plain.replace("comet-kiwi", "cometkiwi"))
    return next((families[word] for word in words if word in families), None)


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


Form: TypeAlias = Callable[[str, str, str], str]
"""Writes an option and its value as the user would: in YAML, or on the command line.

The third argument is the option that is replaced by it; the command line keeps all others.
"""


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
    return _built(name, options or {}, where, lambda option, value, _: f"{option}: {value}")


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
            fix = form(near, str(value), option) if near else others
            problems.append(Problem("E102", place, "no such option", fix))
            continue
        try:
            values[option] = _converted(value, hints[option])
        except ValueError as error:
            fix = form(option, example(fields[option], hints[option]), option)
            problems.append(Problem("E103", place, f"{shown(value)} {error}", fix))
    for option, field in fields.items():
        if is_required(field) and option not in options:
            fix = form(option, example(field, hints[option]), option)
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

    if name not in reward_names():
        raise UserError([_unknown_reward(name, where, rest)])

    def form(option: str, value: str, instead: str) -> str:
        kept = {option if key == instead else key: each for key, each in options.items()}
        return flag + _written(name, {**kept, option: value})

    return _built(name, options, where, form)


def with_another_name(spec: str, name: str, taken: Container[str]) -> tuple[str, str]:
    """A name that is free, and the specification with this name and the same options.

    Args:
        spec: The command-line form of a reward that can be built.
        name: The name of that reward.
        taken: Names that it must not have.

    >>> with_another_name("chrf:word_order=2", "chrf", {"chrf", "chrf_2"})
    ('chrf_3', 'chrf:word_order=2,name=chrf_3')
    """
    free = next(new for at in count(2) if (new := f"{name}_{at}") not in taken)
    kept, colon, options = spec.partition(":")
    parts = re.split(r"(?<!\\),", options) if colon else []
    others = [part for part in parts if part.partition("=")[0].strip() != "name"]
    return free, f"{kept}:{','.join([*others, f'name={free}'])}"


def _written(name: str, options: Mapping[str, object]) -> str:
    """The command-line form of a reward."""
    parts = (f"{key}={str(value).replace(',', chr(92) + ',')}" for key, value in options.items())
    return f"{name}:{','.join(parts)}"


def _written_example(name: str, *, required_only: bool = False) -> str:
    """A specification with an option of this reward, or the general form.

    Args:
        name: A name, perhaps that of a reward.
        required_only: Without an option, if the reward requires none.
    """
    if name in reward_names():
        cls = cast("type[Any]", reward_class(name))
        if required_only and not any(map(is_required, dataclasses.fields(cls))):
            return name
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
