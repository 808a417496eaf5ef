"""From the errors that a judge lists to error spans, and how many of them have a place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rewardlab.judges.answers import MQMError, UnnaturalSpan
from rewardlab.judges.locating import Lost, locate
from rewardlab.types import ErrorSpan

UNNATURAL = "Style/Unnatural"


class Marks(NamedTuple):
    """Errors in their places.

    Attributes:
        spans: Those whose words stand in the text, where the judge says.
        ambiguous: How many stand there several times.
        dropped: How many stand there nowhere.
    """

    spans: list[ErrorSpan]
    ambiguous: int
    dropped: int


def mark(texts: Mapping[str, str], errors: Iterable[MQMError | UnnaturalSpan]) -> Marks:
    """Find the words of every error in the text that it quotes from.

    Args:
        texts: ``source`` and ``translation``.
        errors: As the judge lists them.
    """
    spans: list[ErrorSpan] = []
    lost: list[Lost] = []
    for error in errors:
        start = locate(texts[error.side], error.span, error.span_with_context)
        if isinstance(start, Lost):
            lost.append(start)
            continue
        side = "source" if error.side == "source" else "hypothesis"
        category = error.category if isinstance(error, MQMError) else UNNATURAL
        end = start + len(error.span)
        spans.append(ErrorSpan(start, end, error.severity, category, side))
    return Marks(spans, lost.count(Lost.AMBIGUOUS), lost.count(Lost.NOWHERE))
