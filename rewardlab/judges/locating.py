"""Finding the words that a judge quotes in the text it quotes.

Judges cannot count characters, so they give the words and some context around them; both are
searched for literally. An ambiguous or missing place is not guessed.
"""

from __future__ import annotations

from enum import Enum


class Lost(Enum):
    """Why the place of quoted words is unknown."""

    AMBIGUOUS = "ambiguous"
    NOWHERE = "nowhere"


def locate(text: str, span: str, context: str) -> int | Lost:
    """Position of the first character of a quoted span, in Unicode code points.

    The place is known if the context occurs exactly once in the text and the span exactly once in
    the context, or if the span occurs exactly once in the text.

    Args:
        text: The text that is quoted.
        span: The quoted words.
        context: The same words with words around them; ignored if it is not a literal quotation.

    >>> locate("the cat and the dog", "the", "the dog")
    12
    >>> locate("the cat and the dog", "the", "the bird")
    <Lost.AMBIGUOUS: 'ambiguous'>
    >>> locate("the cat and the dog", "The dog", "")
    <Lost.NOWHERE: 'nowhere'>
    """
    inside, around = _only(context, span), _only(text, context)
    if isinstance(inside, int) and isinstance(around, int):
        return around + inside
    return _only(text, span)


def _only(text: str, part: str) -> int | Lost:
    """The place of a part that occurs once; occurrences may overlap."""
    place = text.find(part) if part else -1
    if place < 0:
        return Lost.NOWHERE
    return place if text.find(part, place + 1) < 0 else Lost.AMBIGUOUS
