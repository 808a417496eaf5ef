r"""Where sentences end, by their punctuation alone, in any script.

A sentence ends behind ``.``, ``!``, ``?``, their equivalents in other scripts or an ellipsis,
together with the quotes and brackets that close there. In alphabetic scripts a mark ends a sentence
only before white space, so that ``3.5`` stays whole; an abbreviation (``Dr. Weber``) still counts
as an end. There is no model here and no list of abbreviations: callers must tolerate extra cuts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rewardlab.text.patterns import compiled

FINAL = ".!?…؟۔।॥።։။។༎‽⁇⁈⁉"
"""Marks that end a sentence where white space follows."""
FINAL_DENSE = "。！？｡．"
"""Marks that end a sentence anywhere: those of scripts without spaces."""
CLOSING = r"\"'\p{Pe}\p{Pf}\p{Pi}"
"""What may close behind a final mark: brackets, and quotes that point either way, since one that
opens in one language closes in another („German“, »Danish«)."""

_ENDS = (
    rf"[{FINAL_DENSE}][{FINAL}{FINAL_DENSE}{CLOSING}]*"
    rf"|[{FINAL}][{FINAL}{FINAL_DENSE}{CLOSING}]*+(?=\s|$)"
)
_BRACKET = r"[(（\[][^()（）\[\]\n]*+[)）\]](?:[" + FINAL + FINAL_DENSE + "])*+"
SENTENCE = rf"(?s){_BRACKET}|\S.*?(?:{_ENDS}|\n|$)"
FINISHED = rf"(?:[{FINAL}{FINAL_DENSE}:;：；][{CLOSING}\s]*+|\p{{Pe}}\s*+)$"


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
    for match in compiled(SENTENCE).finditer(text):
        if sentence := match.group().rstrip():
            yield Sentence(sentence, match.start(), match.start() + len(sentence))


def is_finished(text: str) -> bool:
    """Whether a text ends where a sentence can: with a final mark, ``:``, ``;``, or a bracket.

    Quotes may close behind the mark. A quote alone does not count: headlines end in one as well.

    >>> [is_finished(text) for text in ('“He left.”', "(Applause)", "and then he", "a 'plan'", "")]
    [True, True, False, False, False]
    """
    return compiled(FINISHED).search(text) is not None
