"""Regular expressions with Unicode properties, by the library ``regex``."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex


@cache
def compiled(pattern: str) -> regex.Pattern[str]:
    """The compiled pattern; ``regex`` is imported on first use, since that takes 20 ms."""
    import regex

    return regex.compile(pattern)
