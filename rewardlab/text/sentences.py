r"""Sentence boundaries in any script, found by punctuation alone.

A sentence ends after ``.``, ``!``, ``?``, their equivalents in other scripts or an ellipsis, and
includes the closing quotes, brackets and invisible characters that follow. In alphabetic scripts a
mark ends a sentence only before white space, so that ``3.5`` is not split, but an abbreviation
(``Dr. Weber``) is. In texts of Indic scripts ``|`` counts as the danda that it stands for. There is
neither a model nor a list of abbreviations: callers must tolerate extra cuts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from rewardlab.text.characters import (
    CLOSING,
    DANDA_SCRIPTS,
    FINAL,
    FINAL_DENSE,
    INVISIBLE,
    PAUSE,
    PIPES,
)
from rewardlab.text.patterns import compiled

if TYPE_CHECKING:
    import regex

_BRACKET = r"[(（\[][^()（）\[\]\n]*+[)）\]](?:[" + FINAL + FINAL_DENSE + "])*+"


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
    final = _final(text)
    after = rf"[{final}{FINAL_DENSE}{CLOSING}{INVISIBLE}]*"
    # A full-width stop between digits is a decimal point; zero-width spaces separate Khmer words.
    ends = (
        rf"(?:[{FINAL_DENSE}]|[．﹒](?!\p{{Nd}})){after}"
        rf"|(?:[{final}]|፡፡){after}+(?=\s|$|(?<=\u200b))"
    )
    pattern = rf"(?s){_BRACKET}|\S.*?(?:{ends}|\n|$)"
    for match in compiled(pattern).finditer(text):
        if sentence := match.group().rstrip():
            yield Sentence(sentence, match.start(), match.start() + len(sentence))


def is_finished(text: str) -> bool:
    """Whether a text ends where a sentence can: with a final mark, ``:``, ``;``, or a bracket.

    Closing quotes and invisible characters may follow the mark. A quote without a mark does not
    count, since headlines may end in a quote too.

    >>> [is_finished(text) for text in ('“He left.”', "(Applause)", "and then he", "a 'plan'", "")]
    [True, True, False, False, False]
    >>> is_finished("الكلب ينبح.\u200f"), is_finished("कुत्ता भौंकता है |"), is_finished("a |")
    (True, True, False)
    """
    marks = rf"(?:[{_final(text)}{FINAL_DENSE}{PAUSE}]|፡፡)[{CLOSING}{INVISIBLE}\s]*+"
    return compiled(rf"(?:{marks}|\p{{Pe}}[{INVISIBLE}\s]*+)$").search(text) is not None


def without_final_marks(text: str) -> str:
    """The text without the marks, commas and dashes at its end.

    >>> without_final_marks("Why, then,?"), without_final_marks("है ।")
    ('Why, then', 'है')
    """
    marks = rf"[{_final(text)}{FINAL_DENSE}{PAUSE}{INVISIBLE}\s,，、،\-–—]"
    return compiled(rf"(?<!{marks}){marks}++$").sub("", text)


def final_marks(text: str) -> regex.Match[str] | None:
    """The marks that end a text, before its closing quotes and brackets; None if there are none.

    >>> final_marks('"Why?!"').span(), final_marks("Why")
    ((4, 6), None)
    """
    return compiled(rf"[{_final(text)}{FINAL_DENSE}]+(?=\W*$)").search(text)


def _final(text: str) -> str:
    """`FINAL` for this text: with ``|`` if it has letters of a script that uses dandas."""
    if text.isascii() or compiled(f"[{DANDA_SCRIPTS}]").search(text) is None:
        return FINAL
    return FINAL + PIPES
