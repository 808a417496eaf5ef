"""What a reward reads, gives and can be told, from its class and docstring; nothing is listed here.

`rewardlab rewards` prints these descriptions. A new reward, built in or from another package,
appears in them without an edit.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from rewardlab.errors import UserError
from rewardlab.rewards.base import FIELDS, reads_of
from rewardlab.rewards.registry import example, is_required, reward_class, reward_names
from rewardlab.types import Reward, family_of

_ENTRY = re.compile(r"^(\w+): (.*(?:\n(?: +.*|$))*)", re.MULTILINE)
_PLACEHOLDERS: Mapping[Any, object] = {
    bool: False,
    float: -1.0,
    int: 1,
    str: "http://localhost",  # an address passes the checks of every option that is text
    Path: Path("PATH"),
}


@dataclass(frozen=True)
class Option:
    """One option of a reward.

    Attributes:
        name: Its name in YAML, on the command line and in Python.
        type: Its type, such as ``integer`` or ``qe|reference``.
        default: Its default as text; None if the option is required.
        about: What it does.
    """

    name: str
    type: str
    default: str | None
    about: str


@dataclass(frozen=True)
class Description:
    """A reward, as `rewardlab rewards` shows it.

    Attributes:
        name: Its registered name.
        summary: One line about it.
        about: The rest of its docstring, without options and errors.
        reads: Fields of a candidate that it always reads, the hypothesis among them.
        may_read: Further fields, each with the option that makes it read them.
        low: The lowest score; None if there is none, or if the reward does not state it.
        high: The highest score; None likewise.
        worst: The score of a gated row; None if it is a required option.
        spans: Whether it marks error spans; None if the reward does not say.
        family: Rewards of one family are not independent checks of each other.
        options: Its options, the required ones first.
        yaml: How a YAML file names it.
        command_line: How the command line names it.
        missing: How to install what it needs; empty if nothing is missing.
    """

    name: str
    summary: str
    about: str = ""
    reads: tuple[str, ...] = ()
    may_read: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    low: float | None = None
    high: float | None = None
    worst: float | None = None
    spans: bool | None = None
    family: str = ""
    options: tuple[Option, ...] = ()
    yaml: str = ""
    command_line: str = ""
    missing: str = ""

    def as_json(self) -> dict[str, Any]:
        """The description as plain values."""
        return dataclasses.asdict(self)


def descriptions() -> list[Description]:
    """All rewards, sorted by name; a plug-in that cannot be imported has only `missing`."""
    return [describe(name) for name in reward_names()]


def describe(name: str, *, where: str = "reward") -> Description:
    """One reward.

    Args:
        name: One of `rewardlab.rewards.registry.reward_names`.
        where: The place that an error message names.

    Raises:
        UserError: E101, unknown reward; exit code 2.

    >>> describe("metricx").command_line
    'metricx:model=PATH'
    """
    try:
        cls = cast("type[Any]", reward_class(name, where=where))
    except UserError as error:
        if error.problems[0].code == "E101":
            raise
        problem = error.problems[0]
        return Description(name, problem.what, missing=problem.fix)
    summary, about, documented = _docstring(cls)
    options = tuple(_options(cls, documented))
    required = [one.name for one in options if one.default is None]
    examples = {one: _example(cls, one) for one in required}
    reads, may_read = _reads(cls)
    default = _instance(cls, {})
    low, high = (None, None) if default is None else range_of(default)
    colon = ":" if required else ""
    return Description(
        name=name,
        summary=summary,
        about=about,
        reads=reads,
        may_read=may_read,
        low=low,
        high=high,
        worst=None if default is None or "worst" in required else float(default.worst),
        spans=getattr(cls, "finds_spans", None),
        family=name if default is None else family_of(default),
        options=options,
        yaml="{"
        + ", ".join([f"reward: {name}", *(f"{k}: {v}" for k, v in examples.items())])
        + "}",
        command_line=f"{name}{colon}" + ",".join(f"{k}={v}" for k, v in examples.items()),
        missing=_missing(cls),
    )


def range_of(reward: Reward) -> tuple[float | None, float | None]:
    """The lowest and the highest score, from the attribute ``bounds``; None where there is none."""
    low, high = getattr(reward, "bounds", (None, None))
    return _bound(low), _bound(high)


def _bound(end: float | None) -> float | None:
    return end if end is not None and math.isfinite(end) else None


# ── docstrings ──────────────────────────────────────────────────────────────────────────────────


def _docstring(cls: type[Any]) -> tuple[str, str, dict[str, str]]:
    """Summary, the paragraphs after it, and option -> text; base classes document theirs."""
    documented: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        text = inspect.cleandoc(base.__doc__ or "") if dataclasses.is_dataclass(base) else ""
        documented |= {name: " ".join(about.split()) for name, about in _entries(text)}
    text = inspect.cleandoc(cls.__doc__ or "")
    text = re.split(r"^(?:Attributes|Raises):$|^>>> ", text, maxsplit=1, flags=re.MULTILINE)[0]
    summary, _, about = text.strip().partition("\n\n")
    return _plain(" ".join(summary.split())), _plain(about.strip()), documented


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Name and text of each entry in the section ``Attributes`` of a docstring."""
    section = re.search(r"^Attributes:\n((?:    .*\n?|\n)*)", text, re.MULTILINE)
    for entry in _ENTRY.finditer(inspect.cleandoc(section[1]) if section else ""):
        yield entry[1], _plain(entry[2])


def _plain(text: str) -> str:
    """The text without the marks of code."""
    return text.replace("``", "").replace("`", "")


def _options(cls: type[Any], documented: Mapping[str, str]) -> list[Option]:
    hints = get_type_hints(cls)
    fields = [field for field in dataclasses.fields(cls) if field.init]
    found = [
        Option(
            name=field.name,
            type=_type(hints[field.name]),
            default=None if is_required(field) else _default(field),
            about=documented.get(field.name, ""),
        )
        for field in fields
    ]
    return sorted(found, key=lambda option: option.default is not None)


def _type(hint: Any) -> str:
    """A type as a user writes its values."""
    if get_origin(hint) is Literal:
        return "|".join(map(str, get_args(hint)))
    words = {int: "integer", float: "number", bool: "true|false", str: "text", Path: "path"}
    parts = [part for part in get_args(hint) if part is not type(None)] or [hint]
    return " or ".join(words.get(part, getattr(part, "__name__", str(part))) for part in parts)


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if value is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _example(cls: type[Any], option: str) -> str:
    [field] = [field for field in dataclasses.fields(cls) if field.name == option]
    return example(field, get_type_hints(cls)[option])


# ── what the class does not say by itself ───────────────────────────────────────────────────────


def _instance(cls: type[Any], options: Mapping[str, object]) -> Any | None:
    """A reward with these options and placeholders for the required ones; never called.

    None if the class refuses the values.
    """
    hints = get_type_hints(cls)
    required = {
        field.name: _PLACEHOLDERS.get(hints[field.name], "")
        for field in dataclasses.fields(cls)
        if is_required(field)
    }
    try:
        return cls(**{**required, **options})
    except (TypeError, ValueError):
        return None


def _reads(cls: type[Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The fields that are read whatever the options say, and the others with their option."""
    variants = {"": {}} | {
        f"{field.name}={str(value).lower() if isinstance(value, bool) else value}": {
            field.name: value
        }
        for field in dataclasses.fields(cls)
        for value in _choices(get_type_hints(cls)[field.name])
    }
    read = {
        option: set(reads_of(reward))
        for option, values in variants.items()
        if (reward := _instance(cls, values)) is not None
    }
    always = set.intersection(*read.values()) if read else set[str]()
    may = {
        one: next((option for option, fields in read.items() if option and one in fields), "")
        for one in FIELDS
        if one not in always and any(one in fields for fields in read.values())
    }
    return tuple(one for one in FIELDS if one in always), may


def _choices(hint: Any) -> tuple[Any, ...]:
    """The values of an option that has few."""
    return (True, False) if hint is bool else get_args(hint) if get_origin(hint) is Literal else ()


def _missing(cls: type[Any]) -> str:
    """How to install the libraries in ``cls.libraries``; empty if none is missing."""
    absent = [one for one in getattr(cls, "libraries", ()) if not importlib.util.find_spec(one)]
    return f"pip install 'rewardlab[server]' ({', '.join(absent)})" if absent else ""
