r"""Classes of characters that texts are read by, for regular expressions of the library ``regex``.

Each is the inside of a bracket: ``rf"[{INVISIBLE}]"``. Lists of visible characters are worth little
without their invisible companions: a right-to-left mark behind a full stop, a word joiner in a
number. So every reader of texts takes both from here.
"""

from __future__ import annotations

from rewardlab.text.patterns import compiled

INVISIBLE = r"\p{Cf}\p{Default_Ignorable_Code_Point}"
"""Characters that are not shown: direction marks, zero-width spaces and joiners, soft hyphens,
byte-order marks, variation selectors, fillers."""

FINAL_DENSE = "。！？｡﹖﹗︒︕︖"
"""Marks of scripts without spaces, which always end a sentence."""
FINAL = r"\p{Sentence_Terminal}…⋯᠁།༎༏༐༑༔׃჻"
"""Marks that end a sentence if white space follows: Unicode's, ellipses, Tibetan and Hebrew marks
and the Georgian paragraph separator."""
PAUSE = ":;：；﹕﹔\u037e؛፤፥៖"
"""Marks after which a text may end, as before a quotation or a list."""
PIPES = "|｜¦ǀ∣"
"""What is typed in place of a danda (।)."""
DANDA_SCRIPTS = "".join(
    rf"\p{{Script={script}}}"
    for script in (
        *("Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu"),
        *("Kannada", "Malayalam", "Sinhala", "Ol_Chiki", "Meetei_Mayek"),
    )
)
"""Scripts whose sentences end in a danda."""
CLOSING = r"\"'\p{Pe}\p{Pf}\p{Pi}„‚＂＇`´′″*_״׳"
"""Characters that may close after a final mark: brackets, emphasis, and quotes in all directions,
since an opening quote of one language is a closing quote of another („German“, »Danish«)."""


SPACES = r"\u0020\u00a0\u2002-\u200a\u202f\u205f"
"""Spaces that may group digits: no-break, thin, narrow and figure spaces among them."""
SEPARATORS = ".,٫٬،'’‘ʼ′＇．，"
"""Visible characters between the digits of a number, in any script."""


def visible(text: str) -> str:
    """The text without its invisible characters.

    >>> visible("Hund\u200f\u00ad.")
    'Hund.'
    """
    return text if text.isascii() else compiled(f"[{INVISIBLE}]").sub("", text)
