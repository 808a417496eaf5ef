r"""Words of any script, with their characters.

A word is a run of letters, marks and digits. Scripts written without spaces have no visible word
boundaries, so each of their letters is a word, together with its combining marks: longer words
would need a dictionary per language. Every other visible character (punctuation, symbols, controls)
is a word by itself. Invisible characters belong to the word around them, or are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rewardlab.text.characters import INVISIBLE, SEPARATORS
from rewardlab.text.patterns import compiled

SPACELESS_SCRIPTS = (
    *("Han", "Hiragana", "Katakana", "Bopomofo", "Yi", "Thai", "Lao", "Khmer", "Myanmar"),
    *("Tai_Tham", "Tai_Le", "New_Tai_Lue", "Tai_Viet", "Balinese", "Javanese"),
)
"""Scripts without spaces between words: every letter is a word."""
DENSE_SCRIPTS = frozenset({*SPACELESS_SCRIPTS, "Tibetan"})
"""Scripts without spaces, including Tibetan, which separates syllables by a mark of its own."""

LETTERS_PER_WORD = 2
"""Approximate number of letters per word in scripts without spaces, used by `ngram_length`."""

_SPACELESS = "".join(rf"\p{{Script_Extensions={script}}}" for script in SPACELESS_SCRIPTS)
_INNER = r"\p{M}\u200c\u200d"
_SHOWN = r"\u200c\u200d\ufe0e\ufe0f"
"""Invisible characters that change how others look: joiners and the variations of emoji."""
_HIDDEN = rf"[[{INVISIBLE}]--[{_SHOWN}]]"
LETTER = (
    "(?V1)[["
    + "".join(rf"\p{{Script_Extensions={script}}}" for script in sorted(DENSE_SCRIPTS))
    + rf"]&&\p{{L}}][{_INNER}]*"
)
WORD = rf"""(?V1x)
    (?P<letter> [[{_SPACELESS}]&&\p{{L}}] [{_INNER}]* )
    | (?P<word>
        (?: [[\p{{L}}\p{{N}}_]--[[{_SPACELESS}]&&\p{{L}}]] [{_INNER}]*
          | (?<=\p{{L}}[{_INNER}]?) ['’ʼ\-‐·] (?=\p{{L}})
          | (?<=\p{{Nd}}) [{SEPARATORS}:/] (?=\p{{Nd}})
          | (?<=[\p{{L}}\p{{N}}_{_INNER}]) {_HIDDEN}+ (?=[[\p{{L}}\p{{N}}_]--[{_SPACELESS}]])
        )+ )
    | (?P<symbol> [\p{{Sc}}\p{{Sm}}\p{{So}}%‰] [{_INNER}\ufe0e\ufe0f]* )
    | (?P<mark> [\S--{_HIDDEN}] [{_INNER}\ufe0e\ufe0f]* )
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

    @property
    def shown(self) -> str:
        """The word without characters that are not shown."""
        return self.text if self.text.isascii() else compiled(f"(?V1){_HIDDEN}").sub("", self.text)

    @property
    def folded(self) -> str:
        """The word as it is compared: without characters that are not shown, case ignored."""
        return self.shown.casefold()


def words(text: str) -> list[Word]:
    """Cut a text into words, in order; only white space and invisible characters are left out.

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


def spaced_out(text: str) -> str:
    """The text with spaces around each letter of a script without spaces, marks included.

    >>> spaced_out("iPhone很好").split(), spaced_out("ดีมาก").split()
    (['iPhone', '很', '好'], ['ดี', 'ม', 'า', 'ก'])
    """
    return compiled(LETTER).sub(r" \g<0> ", text)


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
