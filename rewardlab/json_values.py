"""Values for JSON, where numbers that are not finite become null, and of JSON, for messages."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

from rewardlab.errors import shown


def json_value(value: Any) -> Any:
    """The value as mappings, lists and scalars that ``json.dumps`` accepts; NaN becomes None.

    Args:
        value: Numbers of any library, texts, iterables, mappings and dataclasses, nested.

    >>> json_value({"loss": float("nan"), "scores": (1, 0.5), "name": "chrf"})
    {'loss': None, 'scores': [1, 0.5], 'name': 'chrf'}
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: json_value(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {str(key): json_value(item) for key, item in items}
    known: Any = value
    scalar: Any = known.item() if getattr(known, "ndim", None) == 0 else known
    if isinstance(scalar, int):
        return scalar
    if isinstance(scalar, Iterable):
        return [json_value(item) for item in cast("Iterable[Any]", scalar)]
    return number if math.isfinite(number := float(scalar)) else None


def json_kind(value: object) -> str:
    """A value of a JSON file with its type, for a message.

    >>> [json_kind(value) for value in (5, "a", None, True, [1], {})]
    ['the number 5', "the text 'a'", 'null', 'true', 'a list', 'an object']
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    return f"the {'text' if isinstance(value, str) else 'number'} {shown(value)}"
