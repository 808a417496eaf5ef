"""Arguments of the classes that users make: unknown, missing, of the wrong type or out of range.

`Checked` is the metaclass of rewards, `Candidate`, `Term`, `Gate` and the ensemble. Whatever they
refuse is a `BadArgument` with a code, the value, and a call that can be pasted.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from abc import ABCMeta
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, wraps
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from rewardlab.errors import Problem, UserError, kind_of, nearest

T = TypeVar("T")
WANTED: Mapping[Any, str] = MappingProxyType(
    {bool: "true or false", float: "a number", int: "an integer", str: "text", Path: "a path"}
)
"""What a value of a type is called in a message."""
LONGEST = 60
"""Longest value that is repeated in a fix."""


class BadArgument(UserError, ValueError):  # noqa: N818 - names what happened
    """Arguments that make no object: E102 an unknown name; E103 a wrong value, or none."""


class Checked(ABCMeta):
    """Metaclass of dataclasses that refuse wrong arguments with a `BadArgument`.

    Errors that a class raises itself (`UserError`) stay as they are. A class with a true ``typed``
    gets arguments of the types of its fields.
    """

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Checked:
        """Make a class; calls of its objects in the form of TRL's reward functions are refused."""
        if (call := namespace.get("__call__")) is not None:
            namespace["__call__"] = _refusing_trl(call)
        return super().__new__(mcs, name, bases, namespace)

    def __call__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        """Make an object.

        Raises:
            BadArgument: E102 an unknown argument; E103 an argument that is missing, of the wrong
                type or out of range.
        """
        if getattr(cls, "typed", False):
            _raise(list(_type_problems(cls, _given(cls, args, kwargs) or {}, len(args))))
        try:
            return type.__call__(cls, *args, **kwargs)
        except UserError:
            raise
        except (TypeError, ValueError) as error:
            given = _given(cls, args, kwargs)
            if given is None:
                _raise(list(_name_problems(cls, args, kwargs)))
            elif isinstance(error, ValueError):
                raise BadArgument([_range_problem(cls, given, len(args), error)]) from error
            raise

    @property
    def __signature__(cls) -> inspect.Signature:
        """The signature of the constructor; ``inspect`` would show that of the metaclass."""
        whole = inspect.signature(cls.__init__)
        return whole.replace(parameters=[*whole.parameters.values()][1:])


def _refusing_trl(call: Callable[..., Any]) -> Callable[..., Any]:
    """A method that scores candidates, with an error for TRL, which passes prompts and completions.

    Raises:
        UserError: E108, from the call.
    """

    @wraps(call)
    def checked(self: object, *args: Any, **kwargs: Any) -> Any:
        if "completions" in kwargs and "prompts" in kwargs:
            kind = type(self).__name__
            ensemble = "ensemble" if hasattr(self, "terms") else "RewardEnsemble([Term(reward)])"
            what = "TRL passes prompts and completions, and this takes a list of candidates"
            fix = (
                f"reward_funcs, reward_weights = trl_rewards({ensemble}), "
                "with trl_rewards from rewardlab.adapters.trl"
            )
            raise UserError([Problem("E108", kind, what, fix)])
        return call(self, *args, **kwargs)

    return checked


def written(value: object) -> str:
    """A value as it is written in Python, a dataclass with the options that are not the default.

    >>> from rewardlab.rewards import ChrF
    >>> written(ChrF(word_order=2)), written("a"), written(ChrF)
    ('ChrF(word_order=2)', "'a'", 'ChrF')
    """
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        name = getattr(value, "__name__", None)
        return name if isinstance(name, str) and name.isidentifier() else repr(value)
    given = {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if field.init and not _is_default(field, getattr(value, field.name))
    }
    required = sum(_required(field) for field in dataclasses.fields(value))
    texts = {name: written(one) for name, one in given.items()}
    return _call(type(value), texts, in_place=required)


def _is_default(field: dataclasses.Field[Any], value: object) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return bool(field.default_factory() == value)
    return field.default is not dataclasses.MISSING and bool(field.default == value)


# ── the arguments ───────────────────────────────────────────────────────────────────────────────


def _fields(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """The arguments of a class; of one that is no dataclass, none."""
    if not dataclasses.is_dataclass(cls):
        return {}
    return {field.name: field for field in dataclasses.fields(cls) if field.init}


def _given(cls: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The values by name; None if the arguments do not fit the constructor."""
    try:
        bound = inspect.signature(cls).bind(*args, **kwargs)
    except TypeError:
        return None
    return bound.arguments


@cache
def _hints(cls: type) -> dict[str, Any]:
    """The types of the fields; none if one names something that is not imported."""
    with suppress(NameError):
        return get_type_hints(cls)
    return {}


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise BadArgument(problems)


# ── problems ────────────────────────────────────────────────────────────────────────────────────


def _type_problems(cls: type, given: Mapping[str, Any], places: int) -> Iterator[Problem]:
    """E103 for values that do not fit the types of their fields.

    Args:
        cls: The class.
        given: The values by name.
        places: Number of values that were given without a name.
    """
    fields, hints = _fields(cls), _hints(cls)
    wrong = {
        name: value
        for name, value in given.items()
        if name in fields and not _fits(value, hints.get(name))
    }
    better = {name: _example(fields[name], hints[name], given[name]) for name in wrong}
    fix = _call(cls, {**_written(given), **better}, in_place=places)
    for name, value in wrong.items():
        what = f"{kind_of(value)} is not {_wanted(hints[name])}"
        yield Problem("E103", f"{cls.__name__}.{name}", what, fix)


def _name_problems(cls: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Problem]:
    """E102, E103: arguments that do not exist, are missing or too many."""
    fields, hints = _fields(cls), _hints(cls)
    places = [name for name, field in fields.items() if not field.kw_only]
    known = dict(zip(places, args, strict=False))
    known |= {name: value for name, value in kwargs.items() if name in fields}
    unknown = [name for name in kwargs if name not in fields]
    near = {name: nearest(name, fields.keys() - known.keys()) for name in unknown}
    known |= {right: kwargs[wrong] for wrong, right in near.items() if right}
    missing = [name for name, field in fields.items() if _required(field) and name not in known]
    call = {
        **_written(known),
        **{name: _example(fields[name], hints.get(name)) for name in missing},
    }
    fix = _call(cls, call, in_place=len(args))
    for wrong, right in near.items():
        what = f"no such argument; it was given {kind_of(kwargs[wrong])}"
        there = fix if right else f"one of {', '.join(fields)}"
        yield Problem("E102", f"{cls.__name__}.{wrong}", what, there)
    for name in missing:
        yield Problem("E103", f"{cls.__name__}.{name}", "is required", fix)
    if fields and len(args) > len(places):
        first = kind_of(args[len(places)])
        what = f"{first} is given without a name, and "
        what += f"only {', '.join(places)} may be" if places else "every argument needs one"
        options = [name for name, field in fields.items() if field.kw_only and name != "name"]
        example = _example(fields[options[0]], hints.get(options[0])) if options else ""
        fix = _call(cls, {**call, options[0]: example}, in_place=len(places)) if options else fix
        yield Problem("E103", cls.__name__, what, fix)


def _range_problem(cls: type, given: Mapping[str, Any], places: int, error: ValueError) -> Problem:
    """E103: a value that the class refused; the fix has the defaults of the options it names.

    Args:
        cls: The class.
        given: The values by name.
        places: Number of values that were given without a name.
        error: What the class raised.
    """
    fields = _fields(cls)
    named = [
        name
        for name in given
        if name in fields and not _required(fields[name]) and re.search(rf"\b{name}\b", str(error))
    ]
    hints = _hints(cls)
    better = {name: _example(fields[name], hints.get(name)) for name in named}
    fix = _call(cls, {**_written(given), **better}, in_place=places)
    fix = fix if better else f"see help({cls.__name__})"
    return Problem("E103", cls.__name__, str(error), fix)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


# ── types and examples ──────────────────────────────────────────────────────────────────────────


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of a type; true for every type that is not in `WANTED`."""
    if get_origin(hint) is Literal:
        return any(
            value is one or (type(value) is type(one) and value == one) for one in get_args(hint)
        )
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if hint in (int, float):
        kind = Integral if hint is int else Real
        return type(value) is not bool and isinstance(value, kind)
    if hint in (bool, str, NoneType):
        return isinstance(value, (bool, np.bool_) if hint is bool else hint)
    return True


def _wanted(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_wanted(one) for one in get_args(hint) if one is not NoneType)
    return WANTED.get(hint, getattr(hint, "__name__", str(hint)))


def _example(field: dataclasses.Field[Any], hint: Any, given: object = None) -> str:
    """A value for an argument: the nearest choice, its example, its default, or one of its type."""
    if get_origin(hint) is Literal:
        choices = [str(one) for one in get_args(hint)]
        if isinstance(given, str) and (near := nearest(given, choices)):
            return repr(near)
    if "example" in field.metadata:
        return str(field.metadata["example"])
    if field.default is not dataclasses.MISSING:
        return written(field.default)
    if hint in (str, Path):
        return repr(field.name.upper())
    return {int: "1", float: "0.0", bool: "False"}.get(hint, field.name)


def _written(given: Mapping[str, Any]) -> dict[str, str]:
    """Values as they are written, and the name of an argument for a value that is too long."""
    texts = {name: written(value) for name, value in given.items()}
    return {name: text if _is_short(text) else name for name, text in texts.items()}


def _is_short(text: str) -> bool:
    return len(text) <= LONGEST and not text.startswith("<") and "\n" not in text


def _call(cls: type, values: Mapping[str, str], *, in_place: int) -> str:
    """A call of a class, with the arguments in order.

    Args:
        cls: The class.
        values: The arguments as they are written.
        in_place: Number of arguments that are written without a name, where that is possible.
    """
    named = [(name, field.kw_only) for name, field in _fields(cls).items() if name in values]
    parts = [
        values[name] if at < in_place and not kw_only else f"{name}={values[name]}"
        for at, (name, kw_only) in enumerate(named)
    ]
    return f"{cls.__name__}({', '.join(parts)})"
