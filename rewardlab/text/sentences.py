r"""Where sentences end, by their punctuation alone, in any script.

A sentence ends behind ``.``, ``!``, ``?``, their relatives in other scripts or an ellipsis, with
the quotes and brackets that close there. The marks of alphabets end one only before white space, so
that ``3.5`` stays whole; an abbreviation (``Dr. Weber``) counts as an end all the same. Whoever
asks must live with a cut too many: there is no model here and no list of abbreviations.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import regex

FINAL = ".!?…؟۔।॥።։။។༎‽⁇⁈⁉"
"""Marks that end a sentence where white space follows."""
FINAL_DENSE = "。！？｡．"
"""Marks that end one wherever they stand: scripts without spaces go on at once."""
CLOSING = r"\"'\p{Pe}\p{Pf}\p{Pi}"
"""What may close behind a final mark: brackets, and quotes that point either way, since one that
opens in one language closes in another („German“, »Danish«)."""


class Sentence(NamedTuple):
    """One sentence.

    Attributes:
        text: As it is written, without white space around it.
        start: Its first character in the text.
        end: One past its last.
    """

    text: str
    start: int
    end: int


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text in order; only white space is left out.

    A bracket at the start of one is a sentence by itself: ``(Laughter) (Applause)`` are two.

    >>> [one.text for one in sentences('It costs 3.5 euros. "Why?" (Laughter) 好。是吗？')]
    ['It costs 3.5 euros.', '"Why?"', '(Laughter)', '好。', '是吗？']
    """
    for found in _sentence_pattern().finditer(text):
        if sentence := found.group().rstrip():
            yield Sentence(sentence, found.start(), found.start() + len(sentence))


def is_finished(text: str) -> bool:
    """Whether a text ends where a sentence can: with a final mark, ``:``, ``;``, or a bracket.

    Quotes may close behind the mark; a quote alone ends headlines as well and is no such end.

    >>> [is_finished(text) for text in ('“He left.”', "(Applause)", "and then he", "a 'plan'", "")]
    [True, True, False, False, False]
    """
    return _end_pattern().search(text) is not None


@cache
def _sentence_pattern() -> regex.Pattern[str]:
    import regex

    ends = (
        rf"[{FINAL_DENSE}][{FINAL}{FINAL_DENSE}{CLOSING}]*"
        rf"|[{FINAL}][{FINAL}{FINAL_DENSE}{CLOSING}]*+(?=\s|$)"
    )
    bracket = r"[(（\[][^()（）\[\]\n]*+[)）\]](?:[" + FINAL + FINAL_DENSE + "])*+"
    return regex.compile(rf"(?s){bracket}|\S.*?(?:{ends}|\n|$)")


@cache
def _end_pattern() -> regex.Pattern[str]:
    import regex

    return regex.compile(rf"(?:[{FINAL}{FINAL_DENSE}:;：；][{CLOSING}\s]*+|\p{{Pe}}\s*+)$")
