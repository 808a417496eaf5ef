"""Problems of a configuration, in terms of the file that the user wrote.

pydantic reports errors in its own terms; here each becomes one `Problem` with the place in the
file, the value, and what to write instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rewardlab.config.sections import FieldsOf, Section
from rewardlab.config.strict_yaml import Document, Keys, dotted, scalar_type
from rewardlab.errors import Problem, kind_of, nearest, shown

LISTED_CHOICES = 12
SHORT = 40
KINDS = {
    "bool": "true or false",
    "dict": "a mapping",
    "float": "a number",
    "int": "an integer",
    "list": "a list",
    "model": "a mapping",
    "path": "a path",
    "string": "text",
    "tuple": "a list",
}
FIXES = {
    "greater_than": "write a number above {gt}",
    "greater_than_equal": "write a number of at least {ge}",
    "less_than": "write a number below {lt}",
    "less_than_equal": "write a number of at most {le}",
    "too_short": "write at least {min_length} item",
    "string_too_short": "write some text",
    "value_error": "{error}",
    "out_of_range": "{fix}",
}
SAID = {
    "exactly_one": ("E027", "keep one, remove the other"),
    "unknown_language": ("E260", "{fix}"),
}
"""Our own checks whose message is complete, with code and fix."""
YES, NO = ("yes", "on", "y", "true"), ("no", "off", "n", "false")


def problems_of(error: ValidationError, schema: type[Section], document: Document) -> list[Problem]:
    """One problem for each place of the document that pydantic refused.

    Args:
        error: What pydantic raised.
        schema: The schema that the document does not fit.
        document: The file.
    """
    first: dict[Keys, ErrorDetails] = {}
    for details in error.errors(include_url=False):
        if details["type"] == "too_short" and details["input"]:
            continue  # pydantic adds this to the errors of a list's items
        first.setdefault(_place(details["loc"], document.value), details)
    return [_problem(keys, details, schema, document) for keys, details in first.items()]


def unknown_key(
    keys: Keys, value: object, choices: Collection[str], *, known: str, document: Document
) -> Problem:
    """E023, with the nearest key that exists and the value of the unknown one.

    Args:
        keys: The place of the unknown key.
        value: Its value.
        choices: The keys that exist there.
        known: What has these keys: ``TRL's GRPOConfig``.
        document: The file.
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
    return document.problem("E023", keys, what, fix)


def missing_key(keys: Keys, document: Document, *, why: str = "") -> Problem:
    """E024: a missing key.

    Args:
        keys: The place of the missing key.
        document: The file.
        why: What the key is needed for.
    """
    what = f"is missing: {why}" if why else "is missing"
    return document.problem("E024", keys, what, f"add {keys[-1]}: to the file")


def wrong_type(keys: Keys, value: object, expected: str, document: Document) -> Problem:
    """E025: a wrong type, with the corrected value if the intention is clear.

    Args:
        keys: The place of the value.
        value: The value.
        expected: What it should be: ``a number``.
        document: The file.
    """
    what = f"{kind_of(value)} is not {expected}"
    fix = f"write {expected}"
    if isinstance(value, str):
        meant = value.replace("_", "").replace(",", "").strip()
        if "true or false" in expected and value.lower() in (*YES, *NO):
            fix = f"{keys[-1]}: {'true' if value.lower() in YES else 'false'}"
        elif any(kind in expected for kind in ("number", "integer")) and scalar_type(meant) in (
            int,
            float,
        ):
            fix = f"{keys[-1]}: {meant}"
        elif expected == "a list" and value.isprintable() and len(value) <= SHORT:
            fix = f"{keys[-1]}: [{value}]"
    elif isinstance(value, float) and value.is_integer() and "integer" in expected:
        fix = f"{keys[-1]}: {int(value)}"
    return document.problem("E025", keys, what, fix)


def not_a_choice(
    keys: Keys, value: str, choices: Collection[str], document: Document, *, what: str = "a choice"
) -> Problem:
    """E026: a name that does not exist.

    Args:
        keys: The place of the name.
        value: The name.
        choices: The names that exist.
        document: The file.
        what: What the name should be: ``a prompt style``.
    """
    close = nearest(value, choices)
    fix = f"{keys[-1]}: {close}" if close is not None else f"one of {', '.join(choices)}"
    return document.problem("E026", keys, f"{shown(value)} is not {what}", fix)


def _problem(
    keys: Keys, details: ErrorDetails, schema: type[Section], document: Document
) -> Problem:
    kind = details["type"]
    context = cast("Mapping[str, Any]", details.get("ctx", {}))
    keys = (*keys, *context.get("key", ()))  # a check of a whole section names the key to change
    value = context.get("value", details["input"])
    if kind == "extra_forbidden":
        known, choices = dotted(keys[:-1]) or "a run", _fields(schema, keys[:-1])
        return unknown_key(keys, value, choices, known=known, document=document)
    if kind in ("missing", "needs"):
        return missing_key(keys, document, why=context.get("why", ""))
    if kind in SAID:
        code, fix = SAID[kind]
        return document.problem(code, keys, details["msg"], fix.format(**context))
    if kind == "literal_error" and isinstance(value, str):
        choices = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return not_a_choice(keys, value, choices, document)
    if kind in FIXES:
        what = "is empty" if value in ("", []) else f"{kind_of(value)} is out of range"
        return document.problem("E026", keys, what, FIXES[kind].format(**context))
    expected = KINDS.get(kind.removesuffix("_type").removesuffix("_attributes"), "what is needed")
    return wrong_type(keys, value, expected, document)


def _place(location: tuple[str | int, ...], value: object) -> Keys:
    """The keys in the file for pydantic's location, which also has steps within its types."""
    keys: list[str | int] = []
    for part in location:
        if isinstance(value, dict) and isinstance(part, str):
            value = cast("dict[str, object]", value).get(part)
            keys.append(part)
        elif isinstance(value, list) and isinstance(part, int):
            value = cast("list[object]", value)[part]
            keys.append(part)
    return tuple(keys)


def _fields(schema: type[Section], keys: Keys) -> list[str]:
    """The keys that exist in the section at ``keys``."""
    for key in keys:
        if isinstance(key, str):
            field = schema.model_fields[key]
            schema = _section_in((field.annotation, *field.metadata)) or schema
    return [field.alias or name for name, field in schema.model_fields.items()]


def _section_in(parts: Collection[object]) -> type[Section] | None:
    """The first section among annotations and what they are made of."""
    for part in parts:
        if isinstance(part, FieldsOf):
            return part.section
        if isinstance(part, type) and issubclass(part, Section):
            return part
        if (inner := _section_in(get_args(part))) is not None:
            return inner
    return None
