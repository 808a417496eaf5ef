"""Target answers for training a judge, from errors that people marked.

`judges.answers` parses a target answer like a judge's answer, and `judges.marking` finds its errors
at the places that people marked. An error costs the same in the answer as in the human annotations,
as far as the form allows:

* ``critical``, which counts as major in human annotations and as 25 in a judge's answer, becomes
  ``major`` unless it is a non-translation;
* ``neutral``, and every other error of weight 0, is left out;
* a category becomes the category of the form that it begins with, or else ``Other``, whose cost
  depends on the severity alone. Source errors become ``Other``; they are kept, as in WMT's table.

One difference remains: the sum of a judge's errors is capped at 25, that of human annotations is
not capped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple, get_args

from rewardlab.judges.answers import LONGEST_QUOTE, MOST_ERRORS, Category, MQMAnswer, MQMError
from rewardlab.judges.fences import quoted
from rewardlab.judges.locating import locate
from rewardlab.judges.severities import WMT_JUDGE
from rewardlab.text.words import words
from rewardlab.types import WMT_MQM, Candidate, ErrorSpan

CATEGORIES: tuple[Category, ...] = get_args(Category)
BEGINNINGS: tuple[tuple[str, Category], ...] = (
    *((category.lower(), category) for category in CATEGORIES),
    ("accuracy/source language fragment", "Accuracy/Untranslated text"),
    ("style", "Style/Awkward"),
    ("terminology", "Terminology/Inappropriate for context"),
)
"""Prefixes of category names in human annotations, in lower case: the form's, then other years'."""


class TargetAnswer(NamedTuple):
    """The correct answer to one question.

    Attributes:
        answer: All errors that fit the form, first those of the translation, in order.
        neutral: Number of errors of weight 0, which are left out.
        ambiguous: Number of errors whose place is ambiguous even with all words around them: they
            cost the same but have no span.
        beyond: Number of errors that are left out because they are too long to quote, or exceed
            the number of errors in an answer.
    """

    answer: MQMAnswer
    neutral: int = 0
    ambiguous: int = 0
    beyond: int = 0


def answer_for(candidate: Candidate, spans: Sequence[ErrorSpan]) -> TargetAnswer:
    """The answer that lists one rater's errors.

    Args:
        candidate: The rated translation.
        spans: The errors, on either side, in any order.

    Raises:
        ValueError: An error extends beyond its text.
    """
    weighing = sorted(
        (span for span in spans if WMT_MQM.weight(span) > 0),
        key=lambda span: (span.side == "source", span.start, span.end),
    )
    quotable = [span for span in weighing if span.end - span.start <= LONGEST_QUOTE]
    ambiguous, errors = 0, list[MQMError]()
    for span in quotable[:MOST_ERRORS]:
        text = candidate.source if span.side == "source" else candidate.hypothesis
        if span.end > len(text):
            raise ValueError(
                f"{candidate.id}: error [{span.start}, {span.end}) reaches beyond the "
                f"{len(text)} characters of the {span.side}"
            )
        context = context_of(text, span.start, span.end)
        ambiguous += context is None
        errors.append(_error(span, text[span.start : span.end], context or ""))
    return TargetAnswer(
        MQMAnswer(errors=errors), len(spans) - len(weighing), ambiguous, len(weighing) - len(errors)
    )


def written(answer: MQMAnswer) -> str:
    r"""An answer on one line of JSON, with its texts escaped as in the question.

    The escapes keep a tokenizer from reading special tokens in the texts.

    >>> error = MQMError.model_validate(
    ...     {"span": "<eos>", "span_with_context": "", "severity": "minor", "category": "Other",
    ...      "in": "translation"})
    >>> print(written(MQMAnswer(errors=[error]))[:38])
    {"errors": [{"span": "\u003ceos\u003e"
    """
    errors = (quoted(error.model_dump(by_alias=True)) for error in answer.errors)
    return f'{{"errors": [{", ".join(errors)}]}}'


def context_of(text: str, start: int, end: int) -> str | None:
    """The fewest words around a part of a text that make its place unique.

    Args:
        text: The whole text.
        start: First character of the part.
        end: One past its last.

    Returns:
        The part with these words; empty if the part alone is unique; None if no words make it so.

    >>> context_of("the cat and the dog", 12, 15)
    'the dog'
    >>> context_of("the cat and the dog", 4, 7)
    ''
    >>> context_of("so so so", 3, 5) is None
    True
    """
    part = text[start:end]
    if locate(text, part, "") == start:
        return ""
    before, after = text.rfind(part, 0, end - 1), text.find(part, start + 1)
    found = words(text)
    lefts = [start, *(word.start for word in reversed(found) if before < word.start < start)]
    last = len(text) if after < 0 else after + len(part) - 1
    rights = [end, *(word.end for word in found if end < word.end <= last)]
    best: tuple[int, str] | None = None
    r = len(rights) - 1
    for n, left in enumerate(lefts):  # the more words before, the fewer after
        while r and _once(text, text[left : rights[r - 1]]):
            r -= 1
        if _once(text, text[left : rights[r]]) and (best is None or n + r < best[0]):
            best = n + r, text[left : rights[r]]
    return best[1] if best else None


def _once(text: str, part: str) -> bool:
    return isinstance(locate(text, part, ""), int)


def _error(span: ErrorSpan, quote: str, context: str) -> MQMError:
    """An error of the same cost, with the same severity and category if possible."""
    given, category = span.severity.lower(), category_of(span.category or "")
    milder = "major" if given == "critical" else given
    ways = ((given, category), (milder, category), (milder, "Other"))
    cost = WMT_MQM.weight(span)
    severity, category = next(way for way in ways if WMT_JUDGE.weight_of(*way) == cost)
    return MQMError.model_validate(
        {
            "span": quote,
            "span_with_context": context,
            "severity": severity,
            "category": category,
            "in": "source" if span.side == "source" else "translation",
        }
    )


@cache
def category_of(theirs: str) -> Category:
    """The form's category for a category in human annotations.

    >>> category_of("Terminology/Inconsistent use of terminology"), category_of("Source error")
    ('Terminology/Inconsistent use', 'Other')
    >>> category_of("Non-translation!"), category_of("style/bad sentence structure")
    ('Non-translation', 'Style/Awkward')
    """
    for begins, ours in BEGINNINGS:
        if theirs.lower().startswith(begins):
            return ours
    return "Other"
