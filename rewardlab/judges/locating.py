"""Where the words that a judge quotes stand in the text it quotes them from.

Judges cannot count characters, so they are asked for the words and for some words around them, and
both are searched for literally. What stands there several times, or nowhere, is not guessed.
"""

from __future__ import annotations

from enum import Enum


class Lost(Enum):
    """Why quoted words have no place."""

    AMBIGUOUS = "ambiguous"
    NOWHERE = "nowhere"


def locate(text: str, span: str, context: str) -> int | Lost:
    """First character of a quoted span, in Unicode code points.

    The place is certain where the context stands in the text once and the span in the context
    once; else where the span stands in the text once.

    Args:
        text: What is quoted from.
        span: The quoted words.
        context: The same words with their neighbours; of no use where it is no literal quotation.

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
    """The one place of a part; places may overlap."""
    place = text.find(part) if part else -1
    if place < 0:
        return Lost.NOWHERE
    return place if text.find(part, place + 1) < 0 else Lost.AMBIGUOUS
