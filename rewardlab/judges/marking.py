"""The errors that a judge lists: their total, and their places as error spans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rewardlab.judges.answers import MQMError, UnnaturalSpan
from rewardlab.judges.locating import Lost, locate
from rewardlab.judges.severities import WORST_ERROR
from rewardlab.types import ErrorSpan, SeverityTable


class Marks(NamedTuple):
    """The error spans of an answer.

    Attributes:
        spans: The errors whose words have one place in the text.
        ambiguous: Number of errors whose words occur several times.
        dropped: Number of errors whose words do not occur.
    """

    spans: list[ErrorSpan]
    ambiguous: int
    dropped: int


def mark(texts: Mapping[str, str], errors: Iterable[MQMError | UnnaturalSpan]) -> Marks:
    """Find the words of every error in the text that the error quotes.

    Args:
        texts: ``source`` and ``translation``.
        errors: The errors as listed by the judge.
    """
    spans: list[ErrorSpan] = []
    lost: list[Lost] = []
    for error in errors:
        start = locate(texts[error.side], error.span, error.span_with_context)
        if isinstance(start, Lost):
            lost.append(start)
            continue
        side = "source" if error.side == "source" else "hypothesis"
        end = start + len(error.span)
        spans.append(ErrorSpan(start, end, error.severity, error.category, side))
    return Marks(spans, lost.count(Lost.AMBIGUOUS), lost.count(Lost.NOWHERE))


def error_total(errors: Iterable[MQMError | UnnaturalSpan], table: SeverityTable) -> float:
    """The sum of the errors' weights, at most `WORST_ERROR`; lower is better.

    Args:
        errors: The errors in one answer; errors without a place cost the same as others.
        table: The weights.
    """
    return min(WORST_ERROR, sum(table.weight_of(one.severity, one.category) for one in errors))
