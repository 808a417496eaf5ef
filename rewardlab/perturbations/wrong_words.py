"""Synthetic errors in single words of a text, each with its span.

A text gets at least one error and at most one for every `WORDS_PER_ERROR` words, so that longer
texts have more errors, as in real translations. The text is divided into equal parts, with one
error in each part: words are replaced by words of another text or of the source, left out, swapped
or repeated, or the end of the text is cut off. In scripts without spaces two letters count as a
word.

A new kind of error is one function and one entry in `_EDITS`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import NamedTuple

from rewardlab.text.sentences import final_marks
from rewardlab.text.words import Word, ngram_length, spoken
from rewardlab.types import ErrorSpan

MINOR = 1.0
"""MQM points of an error; the effect of a wrong word on the meaning is unknown here."""
WORDS_PER_ERROR = 5
LONGEST_RUN = 3
"""Maximum number of words that one error affects; for two swapped runs, in each run."""
CHOICES = 3
"""Number of other texts from which the words for one text are taken."""


class WrongWords(NamedTuple):
    """A text with errors.

    Attributes:
        text: The text with errors, different from the original.
        points: Total MQM points of the errors.
        spans: Spans of added and wrong words; omitted words have no span.
    """

    text: str
    points: float
    spans: tuple[ErrorSpan, ...]


class Text(NamedTuple):
    """A text and its words, without marks and symbols."""

    text: str
    found: list[Word]

    @classmethod
    def of(cls, text: str) -> Text:
        """The text with its words."""
        return cls(text, spoken(text))

    def run(self, start: int, words: int) -> tuple[int, int]:
        """Start and end, in characters, of a run of words.

        Args:
            start: Index of the first word.
            words: Number of words; the run is shorter at the end of the text.
        """
        last = min(start + words, len(self.found)) - 1
        return self.found[start].start, self.found[last].end

    def together(self, place: int) -> bool:
        """Whether there is only white space between a word and the next."""
        one, following = self.found[place : place + 2]
        return not self.text[one.end : following.start].strip()


def wrong_words(
    text: Text, source: Text, pool: Sequence[Text], rng: random.Random
) -> WrongWords | None:
    """Put errors into a text.

    Each error costs `MINOR`, so a text has as many points as errors. Human ratings have about two
    points per segment, so a scorer that is trained on them afterwards starts near this level.

    Args:
        text: The text.
        source: The source of the text; some source words may be inserted as untranslated words.
        pool: Texts in the language of the text; they may include the text itself.
        rng: Generator of the draws.

    Returns:
        The text with errors; None if nothing could be changed.
    """
    others = [one for one in rng.sample(pool, min(len(pool), CHOICES)) if one.text != text.text]
    count = len(text.found)
    errors = rng.randint(1, max(1, count // ngram_length(text.found, WORDS_PER_ERROR)))
    edits: list[_Edit] = []
    for part in range(errors):
        bounds = (part * count // errors, (part + 1) * count // errors)
        place = _Place(text, *bounds, source, others)
        tries = (kind(place, rng) for kind in rng.sample(_EDITS, len(_EDITS)))
        fits = (edit for edit in tries if edit and edit.changes(text.text))
        edits += itertools.islice(fits, 1)
    return _edited(text.text, edits)


# ── kinds of errors ─────────────────────────────────────────────────────────────────────────────


class _Edit(NamedTuple):
    """Characters of a text to replace, the new characters, and which of the new ones to mark."""

    start: int
    end: int
    text: str
    category: str
    marked: tuple[int, int] | None = None

    def changes(self, text: str) -> bool:
        """Whether more than white space changes."""
        return not same_words(self.text, text[self.start : self.end])


class _Place(NamedTuple):
    """A place for an edit: words ``start`` to ``end`` of a text, and the material for the edit."""

    text: Text
    start: int
    end: int
    source: Text
    others: Sequence[Text]

    def drawn(self, rng: random.Random, runs: int = 1) -> tuple[int, int] | None:
        """The first word, and the words in each of the adjacent runs; None if they do not fit."""
        room = (self.end - self.start) // runs
        length = min(room, ngram_length(self.text.found, rng.randint(1, LONGEST_RUN)))
        if length < 1:
            return None
        return rng.randint(self.start, self.end - runs * length), length


def _replaced(place: _Place, rng: random.Random) -> _Edit | None:
    """Words replaced by those of another text."""
    if not place.others:
        return None
    return _exchanged(place, rng.choice(place.others), rng, "Accuracy/Mistranslation")


def _untranslated_words(place: _Place, rng: random.Random) -> _Edit | None:
    """Words replaced by those of the source."""
    return _exchanged(place, place.source, rng, "Accuracy/Untranslated text")


def _exchanged(place: _Place, other: Text, rng: random.Random, category: str) -> _Edit | None:
    drawn = place.drawn(rng)
    if drawn is None or not other.found:
        return None
    letters = ngram_length(other.found, 1) / ngram_length(place.text.found, 1)
    new = _drawn_words(other, max(1, round(drawn[1] * letters)), rng)
    start, end = place.text.run(*drawn)
    return _Edit(start, end, new, category, (0, len(new)))


def _drawn_words(text: Text, words: int, rng: random.Random) -> str:
    """A drawn run of neighbouring words without a mark between them."""
    first = rng.randint(0, max(0, len(text.found) - words))
    last = first
    while last + 1 < min(first + words, len(text.found)) and text.together(last):
        last += 1
    return text.text[text.found[first].start : text.found[last].end]


def _left_out(place: _Place, rng: random.Random) -> _Edit | None:
    """Words left out, together with the white space before or else after them."""
    drawn = place.drawn(rng)
    if drawn is None or drawn[1] == len(place.text.found):
        return None
    text = place.text.text
    start, end = place.text.run(*drawn)
    before = len(text[:start].rstrip())
    if before in (0, start):
        end += len(text[end:]) - len(text[end:].lstrip())
        before = start
    return _Edit(before, end, "", "Accuracy/Omission")


def _swapped(place: _Place, rng: random.Random) -> _Edit | None:
    """Two adjacent runs of words swapped."""
    drawn = place.drawn(rng, runs=2)
    if drawn is None:
        return None
    first, length = drawn
    if not place.text.together(first + length - 1):
        return None
    (a, b), (c, d) = (place.text.run(first + at, length) for at in (0, length))
    text = place.text.text
    new = text[c:d] + text[b:c] + text[a:b]
    return _Edit(a, d, new, "Fluency/Grammar", (0, len(new)))


def _twice(place: _Place, rng: random.Random) -> _Edit | None:
    """Words repeated."""
    drawn = place.drawn(rng)
    if drawn is None:
        return None
    start, end = place.text.run(*drawn)
    run = place.text.text[start:end]
    space = "" if place.text.found[drawn[0]].kind == "letter" else " "
    new = run + space + run
    return _Edit(start, end, new, "Accuracy/Addition", (len(run + space), len(new)))


def _ending_lost(place: _Place, rng: random.Random) -> _Edit | None:
    """The last words left out, with or without the marks after them."""
    found, text = place.text.found, place.text.text
    drawn = place.drawn(rng)
    if drawn is None or place.end < len(found) or place.end - drawn[1] < 1:
        return None
    final = final_marks(text)
    end = final.start() if final and rng.random() < 0.5 else len(text)  # noqa: PLR2004 - every other
    start = found[place.end - drawn[1] - 1].end
    return _Edit(start, end, "", "Accuracy/Omission")


_EDITS = (_replaced, _left_out, _swapped, _twice, _untranslated_words, _ending_lost)


# ── edits ───────────────────────────────────────────────────────────────────────────────────────


def _edited(text: str, edits: Sequence[_Edit]) -> WrongWords | None:
    """The text with its edits, which are ordered and disjoint; None if the text is unchanged."""
    pieces: list[str] = []
    spans: list[ErrorSpan] = []
    at = length = 0
    for edit in edits:
        pieces += [text[at : edit.start], edit.text]
        length += edit.start - at
        if edit.marked:
            start, end = (length + place for place in edit.marked)
            spans.append(ErrorSpan(start, end, "minor", edit.category))
        length += len(edit.text)
        at = edit.end
    new = "".join([*pieces, text[at:]])
    if same_words(new, text):
        return None
    return WrongWords(new, MINOR * len(edits), tuple(spans))


def same_words(one: str, other: str) -> bool:
    """Whether two texts differ only in white space, or not at all.

    Args:
        one: A text.
        other: Another text.
    """
    return one.split() == other.split()
