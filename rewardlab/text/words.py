r"""Words of any script, with their characters.

A word is a run of letters, marks and digits. Scripts written without spaces have no visible word
boundaries, so each of their letters is a word, together with its combining marks: longer words
would need a dictionary per language. Every other visible character (punctuation, symbols, controls)
is a word by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rewardlab.text.patterns import compiled

SPACELESS_SCRIPTS = ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar")
"""Scripts without spaces between words: every letter is a word."""

LETTERS_PER_WORD = 2
"""Approximate number of letters per word in scripts without spaces, used by `ngram_length`."""

_SPACELESS = "".join(rf"\p{{Script_Extensions={script}}}" for script in SPACELESS_SCRIPTS)
_INNER = r"\p{M}\u200c\u200d"
WORD = rf"""(?V1x)
    (?P<letter> [[{_SPACELESS}]&&\p{{L}}] [{_INNER}]* )
    | (?P<word>
        (?: [[\p{{L}}\p{{N}}_]--[[{_SPACELESS}]&&\p{{L}}]] [{_INNER}]*
          | (?<=\p{{L}}[{_INNER}]?) ['’ʼ\-‐·] (?=\p{{L}})
          | (?<=\p{{Nd}}) [.,٫٬'’:/] (?=\p{{Nd}})
        )+ )
    | (?P<symbol> [\p{{Sc}}\p{{Sm}}\p{{So}}%‰] [{_INNER}\ufe0e\ufe0f]* )
    | (?P<mark> \S [{_INNER}\ufe0e\ufe0f]* )
"""
"""The words, as alternatives in this order: letter, word, symbol, mark.

Script extensions assign the long-vowel mark of Japanese to the kana. A word may contain joiners of
Persian and Indic scripts, apostrophes between letters, and number separators between digits.
"""


class Word(NamedTuple):
    """One word.

    Attributes:
        text: The word as it is written.
        start: Position of its first character in the text.
        end: One past its last character.
        kind: ``word``, ``letter`` (of a script without spaces), ``symbol`` (a character with a
            meaning: currency, percent, mathematics, emoji) or ``mark`` (punctuation and all other
            characters).
    """

    text: str
    start: int
    end: int
    kind: str


def words(text: str) -> list[Word]:
    """Cut a text into words, in order; only white space is left out.

    >>> [word.text for word in words("Don't pay 1,000.50 €!")]
    ["Don't", 'pay', '1,000.50', '€', '!']
    >>> [word.text for word in words("北京 has ดี tea")]
    ['北', '京', 'has', 'ดี', 'tea']
    """
    return [
        Word(match.group(), *match.span(), match.lastgroup or "mark")
        for match in compiled(WORD).finditer(text)
    ]


def spoken(text: str) -> list[Word]:
    """The words of a text without its punctuation and symbols.

    >>> [word.text for word in spoken("Well, yes.")]
    ['Well', 'yes']
    """
    return [word for word in words(text) if word.kind in ("word", "letter")]


def ngram_length(found: Sequence[Word], n: int) -> int:
    """Number of entries of ``found`` that correspond to ``n`` words of a language with spaces.

    Args:
        found: The words of a text.
        n: Number of words in a language with spaces.

    >>> ngram_length(words("one two three"), 4), ngram_length(words("一二三"), 4)
    (4, 8)
    """
    letters = sum(word.kind == "letter" for word in found)
    return n * LETTERS_PER_WORD if 2 * letters > len(found) else n
