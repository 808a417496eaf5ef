"""What is wrong with a configuration, in the words of the person who wrote it.

pydantic says what it found and where in its own terms; here that becomes one `Problem` per place
of the file, with its line, the value, and what to write instead.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rewardlab.config.strict_yaml import Document, Keys, dotted, scalar
from rewardlab.errors import Problem, shown

LISTED_CHOICES = 12
SHORT = 40
KINDS = {
    "bool": "true or false",
    "dict": "a mapping",
    "float": "a number",
    "int": "an integer",
    "list": "a list",
    "mapping": "a mapping",
    "model": "a mapping",
    "none": "nothing",
    "path": "a path",
    "string": "text",
    "tuple": "a list",
}
RANGES = {
    "greater_than": "write a number above {gt}",
    "greater_than_equal": "write a number of at least {ge}",
    "less_than": "write a number below {lt}",
    "less_than_equal": "write a number of at most {le}",
    "too_short": "write at least {min_length} item",
    "string_too_short": "write some text",
}
BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def problems_of(
    error: ValidationError, schema: type[BaseModel], document: Document
) -> list[Problem]:
    """One problem for each place of the document that pydantic refused."""
    first: dict[Keys, ErrorDetails] = {}
    for details in error.errors(include_url=False):
        if details["type"] == "too_short" and details["input"]:
            continue  # pydantic says so of a list whose items it refused, which it has said
        first.setdefault(_place(details["loc"], document.value), details)
    return [_problem(keys, details, schema, document) for keys, details in first.items()]


def kind_of(value: object) -> str:
    """What a value is, for a message.

    >>> [kind_of(value) for value in ("no", 1.5, True, None, [])]
    ["the text 'no'", 'the number 1.5', 'the boolean true', 'nothing', 'a list']
    """
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    nouns = {"bool": "the boolean", "int": "the integer", "float": "the number", "str": "the text"}
    text = str(value).lower() if isinstance(value, bool) else shown(value)
    return f"{nouns.get(type(value).__name__, 'the value')} {text}"


def nearest(word: str, choices: Collection[str]) -> str | None:
    """The choice that ``word`` was probably meant to be, if any comes close."""
    return next(iter(difflib.get_close_matches(word, list(choices), n=1)), None)


def unknown_key(
    keys: Keys, value: object, choices: Collection[str], *, known: str, document: Document
) -> Problem:
    """E023, with the nearest key that exists and the value the user gave the unknown one.

    Args:
        keys: Where the unknown key stands.
        value: What it was given.
        choices: The keys that exist there.
        known: Who has them: ``TRL's GRPOConfig``.
        document: Knows the lines.
    """
    close = nearest(str(keys[-1]), choices)
    if close is not None:
        written = str(value).lower() if isinstance(value, bool) else str(value)
        simple = isinstance(value, (str, int, float)) and len(written) <= SHORT
        fix = f"{close}: {written}" if simple and written.isprintable() else f"{close}:"
        what = f"unknown key. {known} has {close}"
    else:
        what = f"unknown key. {known} has none like it"
        fix = "remove it"
        if len(choices) <= LISTED_CHOICES:
            fix += f", or write one of {', '.join(choices)}"
    return Problem("E023", document.where(keys), what, fix)


def wrong_type(keys: Keys, value: object, expected: str, document: Document) -> Problem:
    """E025, with the value rewritten where it is clear what was meant."""
    what = f"{kind_of(value)} is not {expected}"
    fix = f"write {expected}"
    if isinstance(value, str):
        if "true or false" in expected and value.lower() in (*BOOLEANS, "true", "false"):
            fix = f"{keys[-1]}: {BOOLEANS.get(value.lower(), value.lower())}"
        elif "number" in expected or "integer" in expected:
            meant = value.replace("_", "").replace(",", "").strip()
            if meant and not isinstance(_scalar(meant), (str, bool)):
                fix = f"{keys[-1]}: {meant}"
    elif isinstance(value, float) and value.is_integer() and "integer" in expected:
        fix = f"{keys[-1]}: {int(value)}"
    return Problem("E025", document.where(keys), what, fix)


def not_a_choice(
    keys: Keys, value: str, choices: Collection[str], document: Document, *, what: str = ""
) -> Problem:
    """E026: a name that is not among the ones that exist."""
    close = nearest(value, choices)
    fix = f"{keys[-1]}: {close}" if close is not None else f"one of {', '.join(choices)}"
    return Problem("E026", document.where(keys), f"{shown(value)} is not {what or 'a choice'}", fix)


def _problem(
    keys: Keys, details: ErrorDetails, schema: type[BaseModel], document: Document
) -> Problem:
    kind, value = details["type"], details["input"]
    context = cast("Mapping[str, Any]", details.get("ctx", {}))
    where = document.where(keys)
    if kind == "extra_forbidden":
        known, choices = dotted(keys[:-1]) or "a run", _fields(schema, keys[:-1])
        return unknown_key(keys, value, choices, known=known, document=document)
    if kind in ("missing", "needs"):  # a check over several keys names the one that is missing
        missing = keys if kind == "missing" else (*keys, context["key"])
        what = "is missing" if kind == "missing" else f"is missing: {details['msg']}"
        return Problem("E024", document.where(missing), what, f"add {missing[-1]}: to the file")
    if kind == "exactly_one":
        return Problem("E027", where, details["msg"], "keep one, remove the other")
    if kind == "literal_error" and isinstance(value, str):
        choices = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return not_a_choice(keys, value, choices, document)
    if kind in RANGES or kind == "out_of_range":
        return _out_of_range(keys, details, context, document)
    expected = KINDS.get(kind.removesuffix("_type").removesuffix("_attributes"), "what is needed")
    return wrong_type(keys, value, expected, document)


def _out_of_range(
    keys: Keys, details: ErrorDetails, context: Mapping[str, Any], document: Document
) -> Problem:
    """E026; a check over several keys names the one to change in its context."""
    if details["type"] in RANGES:
        value, fix = details["input"], RANGES[details["type"]].format(**context)
    else:
        keys, value, fix = (*keys, context["key"]), context["value"], details["msg"]
    what = "is empty" if value in ("", []) else f"{kind_of(value)} is out of range"
    return Problem("E026", document.where(keys), what, fix)


def _place(location: tuple[str | int, ...], value: object) -> Keys:
    """The keys of the file for pydantic's location, which also counts steps that no file has."""
    keys: list[str | int] = []
    for part in location:
        if isinstance(value, dict) and isinstance(part, str):
            value = cast("dict[str, object]", value).get(part)
            keys.append(part)
        elif isinstance(value, list) and isinstance(part, int):
            value = cast("list[object]", value)[part]
            keys.append(part)
    return tuple(keys)


def _fields(schema: type[BaseModel], keys: Keys) -> list[str]:
    """The keys that the section at ``keys`` has."""
    for key in keys:
        if isinstance(key, str):
            schema = _model_in(schema.model_fields[key].annotation) or schema
    return [field.alias or name for name, field in schema.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _scalar(text: str) -> object:
    try:
        return scalar(text)
    except ValueError:
        return text
