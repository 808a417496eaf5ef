"""Errors in single words of a text, each with its span.

A text gets at least one error and at most one for every `WORDS_PER_ERROR` words, so that longer
texts have more of them, as translations do; one in each of as many equal parts: words exchanged for
those of another text or of the source, left out, swapped or said twice, or the ending lost. In
scripts without spaces two letters pass for a word.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import NamedTuple

from rewardlab.text.sentences import FINAL, FINAL_DENSE
from rewardlab.text.words import Word, ngram_length, spoken
from rewardlab.types import ErrorSpan

MINOR = 1.0
"""MQM points of an error: what a wrong word does to the meaning, nobody knows here."""
WORDS_PER_ERROR = 5
LONGEST_RUN = 3
"""Words that one error touches; of two swapped runs, in each."""
CHOICES = 3
"""Other texts that may lend words to one text."""
FINAL_MARKS = re.compile(rf"[{FINAL}{FINAL_DENSE}]+(?=\W*$)")
"""The marks that end a text, whatever closes behind them."""


class WrongWords(NamedTuple):
    """A text with errors.

    Attributes:
        text: Never the one it was made of.
        points: Sum of what its errors cost.
        spans: What is too much or wrong; what was left out has no span.
    """

    text: str
    points: float
    spans: tuple[ErrorSpan, ...]


class Text(NamedTuple):
    """A text and its words."""

    text: str
    found: list[Word]

    @classmethod
    def of(cls, text: str) -> Text:
        """The text with its words found; marks and symbols are none."""
        return cls(text, spoken(text))

    def run(self, start: int, words: int) -> tuple[int, int]:
        """The characters from a word's start to the end of the last of so many, or of all."""
        last = min(start + words, len(self.found)) - 1
        return self.found[start].start, self.found[last].end

    def together(self, place: int) -> bool:
        """Whether nothing but white space stands between a word and the next."""
        one, following = self.found[place : place + 2]
        return not self.text[one.end : following.start].strip()


def wrong_words(
    text: Text, source: Text, pool: Sequence[Text], rng: random.Random
) -> WrongWords | None:
    """Put errors into a text.

    Each costs `MINOR`, so that a text costs as many points as it has errors: people find about two
    points in a segment, and a scorer that goes on to learn from them begins near there.

    Args:
        text: What to spoil.
        source: What it translates; some of it may be left untranslated.
        pool: Texts in the language of the text, which may be among them.
        rng: Of the draws.

    Returns:
        None where nothing could be changed.
    """
    others = [one for one in rng.sample(pool, min(len(pool), CHOICES)) if one.text != text.text]
    count = len(text.found)
    errors = rng.randint(1, max(1, count // ngram_length(text.found, WORDS_PER_ERROR)))
    edits: list[_Edit] = []
    for part in range(errors):
        bounds = (part * count // errors, (part + 1) * count // errors)
        place = _Place(text, *bounds, source, others)
        tries = (edit(place, rng) for edit in rng.sample(_EDITS, len(_EDITS)))
        edits += filter(None, [next(filter(None, tries), None)])
    return _edited(text.text, edits)


# ── kinds of errors ─────────────────────────────────────────────────────────────────────────────


class _Edit(NamedTuple):
    """Characters of a text that give way to others, and what of those is wrong (if any)."""

    start: int
    end: int
    text: str
    category: str
    marked: tuple[int, int] | None


class _Place(NamedTuple):
    """Where an edit may be made: words ``start`` to ``end`` of a text, and what can be used."""

    text: Text
    start: int
    end: int
    source: Text
    others: Sequence[Text]

    def drawn(self, rng: random.Random, runs: int = 1) -> tuple[int, int] | None:
        """The first word, and the words of each of so many runs; None where they do not fit."""
        room = (self.end - self.start) // runs
        length = min(room, ngram_length(self.text.found, rng.randint(1, LONGEST_RUN)))
        if length < 1:
            return None
        return rng.randint(self.start, self.end - runs * length), length


def _replaced(place: _Place, rng: random.Random) -> _Edit | None:
    """Words of another text instead."""
    if not place.others:
        return None
    return _exchanged(place, rng.choice(place.others), rng, "Accuracy/Mistranslation")


def _untranslated_words(place: _Place, rng: random.Random) -> _Edit | None:
    """Words of the source instead."""
    return _exchanged(place, place.source, rng, "Accuracy/Untranslated text")


def _exchanged(place: _Place, other: Text, rng: random.Random, category: str) -> _Edit | None:
    drawn = place.drawn(rng)
    if drawn is None or not other.found:
        return None
    letters = ngram_length(other.found, 1) / ngram_length(place.text.found, 1)
    new = _drawn_words(other, max(1, round(drawn[1] * letters)), rng)
    start, end = place.text.run(*drawn)
    return _edit(place, start, end, new, category=category, marked=(0, len(new)))


def _drawn_words(text: Text, words: int, rng: random.Random) -> str:
    """Neighbouring words, up to the first mark between them."""
    first = rng.randint(0, max(0, len(text.found) - words))
    last = first
    while last + 1 < min(first + words, len(text.found)) and text.together(last):
        last += 1
    return text.text[text.found[first].start : text.found[last].end]


def _left_out(place: _Place, rng: random.Random) -> _Edit | None:
    """Words left out, with the white space before them or else behind them."""
    drawn = place.drawn(rng)
    if drawn is None or drawn[1] == len(place.text.found):
        return None
    text = place.text.text
    start, end = place.text.run(*drawn)
    before = len(text[:start].rstrip())
    if before in (0, start):
        end += len(text[end:]) - len(text[end:].lstrip())
        before = start
    return _edit(place, before, end, "", category="Accuracy/Omission", marked=None)


def _swapped(place: _Place, rng: random.Random) -> _Edit | None:
    """Two runs of words, each in the other's place."""
    drawn = place.drawn(rng, runs=2)
    if drawn is None:
        return None
    first, length = drawn
    if not place.text.together(first + length - 1):
        return None
    (a, b), (c, d) = (place.text.run(first + at, length) for at in (0, length))
    text = place.text.text
    new = text[c:d] + text[b:c] + text[a:b]
    return _edit(place, a, d, new, category="Fluency/Grammar", marked=(0, len(new)))


def _twice(place: _Place, rng: random.Random) -> _Edit | None:
    """Words said twice."""
    drawn = place.drawn(rng)
    if drawn is None:
        return None
    start, end = place.text.run(*drawn)
    run = place.text.text[start:end]
    space = "" if place.text.found[drawn[0]].kind == "letter" else " "
    new = run + space + run
    marked = (len(run + space), len(new))
    return _edit(place, start, end, new, category="Accuracy/Addition", marked=marked)


def _ending_lost(place: _Place, rng: random.Random) -> _Edit | None:
    """A few words at the end left out, with or without the marks behind them."""
    found, text = place.text.found, place.text.text
    drawn = place.drawn(rng)
    if drawn is None or place.end < len(found) or place.end - drawn[1] < 1:
        return None
    final = FINAL_MARKS.search(text)
    end = final.start() if final and rng.random() < 0.5 else len(text)  # noqa: PLR2004 - every other
    start = found[place.end - drawn[1] - 1].end
    return _edit(place, start, end, "", category="Accuracy/Omission", marked=None)


_EDITS = (_replaced, _left_out, _swapped, _twice, _untranslated_words, _ending_lost)


# ── edits ───────────────────────────────────────────────────────────────────────────────────────


def _edited(text: str, edits: Sequence[_Edit]) -> WrongWords | None:
    """The text with its edits, which stand in order and apart; None where that is the same text."""
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


def _edit(
    place: _Place,
    start: int,
    end: int,
    text: str,
    *,
    category: str,
    marked: tuple[int, int] | None,
) -> _Edit | None:
    """An edit, None where it would change nothing that a reader sees."""
    if same_words(text, place.text.text[start:end]):
        return None
    return _Edit(start, end, text, category, marked)


def same_words(one: str, other: str) -> bool:
    """Whether two texts differ in white space at most, which no reader sees."""
    return one.split() == other.split()
