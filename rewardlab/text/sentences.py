r"""Sentence boundaries in any script, found by punctuation alone.

A sentence ends after ``.``, ``!``, ``?``, their equivalents in other scripts or an ellipsis, and
includes the closing quotes and brackets that follow. In alphabetic scripts a mark ends a sentence
only before white space, so that ``3.5`` is not split, but an abbreviation (``Dr. Weber``) is. There
is neither a model nor a list of abbreviations: callers must tolerate extra cuts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rewardlab.text.patterns import compiled

FINAL = ".!?…؟۔।॥።։။។༎‽⁇⁈⁉"
"""Marks that end a sentence if white space follows."""
FINAL_DENSE = "。！？｡．"
"""Marks of scripts without spaces, which always end a sentence."""
CLOSING = r"\"'\p{Pe}\p{Pf}\p{Pi}"
"""Characters that may close after a final mark: brackets, and quotes in both directions, since an
opening quote of one language is a closing quote of another („German“, »Danish«)."""

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
        text: The sentence as written, without surrounding white space.
        start: Position of its first character in the text.
        end: One past its last character.
    """

    text: str
    start: int
    end: int


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text in order; only white space is left out.

    Brackets at the start of a sentence are a sentence by themselves: ``(Laughter) (Applause)`` are
    two sentences.

    >>> [one.text for one in sentences('It costs 3.5 euros. "Why?" (Laughter) 好。是吗？')]
    ['It costs 3.5 euros.', '"Why?"', '(Laughter)', '好。', '是吗？']
    """
    for match in compiled(SENTENCE).finditer(text):
        if sentence := match.group().rstrip():
            yield Sentence(sentence, match.start(), match.start() + len(sentence))


def is_finished(text: str) -> bool:
    """Whether a text ends where a sentence can: with a final mark, ``:``, ``;``, or a bracket.

    Closing quotes may follow the mark. A quote without a mark does not count, since headlines may
    end in a quote too.

    >>> [is_finished(text) for text in ('“He left.”', "(Applause)", "and then he", "a 'plan'", "")]
    [True, True, False, False, False]
    """
    return compiled(FINISHED).search(text) is not None
