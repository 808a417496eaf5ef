"""What a judge should have answered, from the errors that people marked.

The answer is read by `judges.answers` as any judge's is, and `judges.marking` puts its errors back
where the people marked them. A judge's words cost what people's do, where the form can say them:

* ``critical``, which counts as major in people's files and 25 in a judge's answer, is written
  ``major`` unless it is a non-translation;
* ``neutral``, and whatever else weighs nothing, is left out;
* a category is the one of the form's that theirs begins with, else ``Other``, which costs what its
  severity does. Errors of the source are such, so they are kept, as WMT's table keeps them.

Left is the cap: a judge's errors add up to 25 at most, people's have no end.
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
"""How names in people's files begin, in small letters: the form's own, then other years'."""


class Taught(NamedTuple):
    """The answer to one question.

    Attributes:
        answer: All errors that can be written, those of the translation first, in order.
        neutral: How many weigh nothing and were left out.
        ambiguous: How many are written though no neighbouring words tell their place from others:
            they cost the same and have no span.
        beyond: How many are not written: too long to quote, or more than an answer holds.
    """

    answer: MQMAnswer
    neutral: int = 0
    ambiguous: int = 0
    beyond: int = 0


def answer_for(candidate: Candidate, spans: Sequence[ErrorSpan]) -> Taught:
    """One rater's errors as a judge lists them.

    Args:
        candidate: What was rated.
        spans: The errors, on either side, in any order.

    Raises:
        ValueError: An error reaches beyond its text.
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
    return Taught(
        MQMAnswer(errors=errors), len(spans) - len(weighing), ambiguous, len(weighing) - len(errors)
    )


def written(answer: MQMAnswer) -> str:
    r"""An answer on one line, its texts escaped as the question shows them.

    So no text of an answer holds what a tokenizer takes for a special token.

    >>> error = MQMError.model_validate(
    ...     {"span": "<eos>", "span_with_context": "", "severity": "minor", "category": "Other",
    ...      "in": "translation"})
    >>> print(written(MQMAnswer(errors=[error]))[:38])
    {"errors": [{"span": "\u003ceos\u003e"
    """
    errors = (quoted(error.model_dump(by_alias=True)) for error in answer.errors)
    return f'{{"errors": [{", ".join(errors)}]}}'


def context_of(text: str, start: int, end: int) -> str | None:
    """The fewest neighbouring words that tell a part of a text from others that read the same.

    Args:
        text: The whole.
        start: First character of the part.
        end: One past its last.

    Returns:
        The part with these words, empty where the text has it once; None where none will do.

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
    for n, left in enumerate(lefts):  # what more words before it ask for after it only falls
        while r and _once(text, text[left : rights[r - 1]]):
            r -= 1
        if _once(text, text[left : rights[r]]) and (best is None or n + r < best[0]):
            best = n + r, text[left : rights[r]]
    return best[1] if best else None


def _once(text: str, part: str) -> bool:
    return isinstance(locate(text, part, ""), int)


def _error(span: ErrorSpan, quote: str, context: str) -> MQMError:
    """In the words that cost as much, the nearest first."""
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
    """The form's category for one in people's files.

    >>> category_of("Terminology/Inconsistent use of terminology"), category_of("Source error")
    ('Terminology/Inconsistent use', 'Other')
    >>> category_of("Non-translation!"), category_of("style/bad sentence structure")
    ('Non-translation', 'Style/Awkward')
    """
    for begins, ours in BEGINNINGS:
        if theirs.lower().startswith(begins):
            return ours
    return "Other"
