"""Reference-free guards against outputs that fool rewards: scores in [0, 1], 1 is fine.

They are meant as gates, because quality metrics give an untranslated copy of the source a higher
score than many translations. Scores are shares and ratios, so a gate's threshold sets what is
tolerated. All spans are major unless a guard says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate, groupby, pairwise
from typing import ClassVar

import regex

from rewardlab.rewards.base import NOT_APPLICABLE, RowReward, Verdict
from rewardlab.text.characters import visible
from rewardlab.text.languages import scripts
from rewardlab.text.sentences import sentences
from rewardlab.text.words import Word, ngram_length, spoken, words
from rewardlab.types import Candidate, ErrorSpan


@dataclass(frozen=True, kw_only=True)
class Guard(RowReward):
    """A reference-free check with scores in [0, 1]."""

    packages: ClassVar[tuple[str, ...]] = ("rewardlab", "regex")
    worst = 0.0
    bounds = (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class NotEmpty(Guard):
    """1 if the hypothesis has a letter or a digit, else 0.

    An empty hypothesis is an omission of the whole source; a hypothesis of punctuation only is a
    non-translation. Not applicable if the source has no letter or digit either.
    """

    name: str = "not_empty"

    def judge(self, candidate: Candidate) -> Verdict:
        """Look for a letter or a digit."""
        if not _says_something(candidate.source):
            return NOT_APPLICABLE
        if _says_something(candidate.hypothesis):
            return Verdict(1.0, [])
        if candidate.hypothesis:
            whole = ErrorSpan(0, len(candidate.hypothesis), "major", "Non-translation")
            return Verdict(0.0, [whole])
        return Verdict(0.0, [omission(candidate.source)])


LENGTH_OF_HAN = 3
"""Letters of an alphabet that have about as much content as one Han character."""
LENGTH_OF_SYLLABLE = 2
"""Letters of an alphabet that have about as much content as one kana or Hangul syllable."""
HAN = regex.compile(r"\p{Script=Han}")
SYLLABLES = regex.compile(r"[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]")


@dataclass(frozen=True, kw_only=True)
class LengthRatio(Guard):
    """1 if the hypothesis is neither too long nor too short for its source.

    Lengths are in characters. A Han character counts as `LENGTH_OF_HAN`, a kana or Hangul
    syllable as `LENGTH_OF_SYLLABLE`: an English sentence has about three times the characters of
    its Chinese translation, so by a plain ratio every good translation into Chinese would be too
    short. Outside the bounds the score is the ratio between the length and the nearer bound,
    inverted if the text is too long, so it falls towards 0. The default bounds are those of LMT's
    data filter (arXiv 2511.07003). ``slack`` is ours, because a short text may have a long
    translation ("OK", "Einverstanden").

    The excess characters are an addition. If the hypothesis is too short, the whole source is an
    omission, since the missing part is not known. Not applicable without a source.

    Attributes:
        min_ratio: Shortest hypothesis, as a share of the source's length.
        max_ratio: Longest hypothesis, as a multiple of the source's length.
        slack: Characters that a hypothesis may have beyond ``max_ratio``.

    Raises:
        ValueError: Not ``0 <= min_ratio <= max_ratio``, or a negative slack.
    """

    name: str = "length_ratio"
    min_ratio: float = 1 / 3
    max_ratio: float = 3.0
    slack: int = 20

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_ratio <= self.max_ratio < math.inf or self.slack < 0:
            raise ValueError(
                f"min_ratio={self.min_ratio} and max_ratio={self.max_ratio} must be "
                f"0 <= min_ratio <= max_ratio, slack={self.slack} at least 0"
            )

    def judge(self, candidate: Candidate) -> Verdict:
        """Compare the lengths."""
        length, source = _length(candidate.hypothesis), _length(candidate.source)
        if not source:
            return NOT_APPLICABLE
        shortest, longest = self.min_ratio * source, self.max_ratio * source + self.slack
        if length < shortest:
            return Verdict(length / shortest, [omission(candidate.source)])
        if length > longest:
            widths = accumulate(_length(character) for character in candidate.hypothesis)
            start = sum(width <= longest for width in widths)
            span = ErrorSpan(start, len(candidate.hypothesis), "major", "Accuracy/Addition")
            return Verdict(longest / length, [span])
        return Verdict(1.0, [])


@dataclass(frozen=True, kw_only=True)
class TargetScript(Guard):
    """Share of the hypothesis's letters that are in a script of the target language.

    Letters common to all scripts do not count, and a text without letters scores 1. Stretches in
    other scripts are spans: major, or minor if the same letters are in the source, because names
    and brands often keep their script ("iPhone" in Chinese). Minor spans lower the score too, so
    use a gate threshold of 0.5 rather than 1. Not applicable if the target language is missing or
    not in `rewardlab.text.languages`. Languages with the same script are not distinguished.
    """

    name: str = "target_script"
    reads = ("source", "hypothesis", "target_lang")

    def judge(self, candidate: Candidate) -> Verdict:
        """Count the letters by script."""
        wanted = scripts(candidate.target_lang or "")
        if not wanted:
            return NOT_APPLICABLE
        hypothesis = candidate.hypothesis
        right, stretch, foreign = _script_patterns(wanted)
        good = sum(map(len, right.findall(hypothesis)))
        spans: list[ErrorSpan] = []
        bad = 0
        for found in stretch.finditer(hypothesis):
            bad += sum(map(len, foreign.findall(found.group())))
            severity = "minor" if found.group() in candidate.source else "major"
            spans.append(
                ErrorSpan(found.start(), found.end(), severity, "Accuracy/Untranslated text")
            )
        return Verdict(good / (good + bad) if bad else 1.0, spans)


LONGEST_NGRAM = 100
"""Largest ``n``; the time grows with ``n``."""


@dataclass(frozen=True, kw_only=True)
class _NgramGuard(Guard):
    n: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.n <= LONGEST_NGRAM:
            raise ValueError(f"n={self.n} must be from 1 to {LONGEST_NGRAM}")


@dataclass(frozen=True, kw_only=True)
class NotCopied(_NgramGuard):
    """Share of the hypothesis's words that are not part of a word n-gram of the source.

    Case and punctuation are ignored. A source of fewer than ``n`` words is one n-gram, so a short
    text is a copy if it contains the source. In scripts without spaces an n-gram of ``n`` words is
    ``2 n`` letters. A text that is only a name scores like a copy, so set a gate well below 1.
    Raise ``n`` for languages that share a script and long names (Chinese to Japanese). Not
    applicable if the source has no letter.

    Attributes:
        n: Shortest copied stretch, in words.

    Raises:
        ValueError: ``n`` is not from 1 to `LONGEST_NGRAM`.
    """

    name: str = "not_copied"

    def judge(self, candidate: Candidate) -> Verdict:
        """Look for stretches of the source."""
        if not any(character.isalpha() for character in candidate.source):
            return NOT_APPLICABLE
        found = spoken(candidate.hypothesis)
        ours = [word.folded for word in found]
        theirs = [word.folded for word in spoken(candidate.source)]
        n = min(ngram_length(found, self.n), len(theirs))
        known = set(_ngrams(theirs, n))
        copied = _covered((p for p, gram in enumerate(_ngrams(ours, n)) if gram in known), n)
        spans = [
            ErrorSpan(start, end, "major", "Accuracy/Untranslated text")
            for start, end in _stretches(found, copied)
        ]
        return Verdict(1.0 - len(copied) / len(ours) if ours else 1.0, spans)


LOOP_TIMES = 10
"""A group of characters that is repeated this often in a row is a loop."""
LOOP_UNIT = 8
"""Longest group of characters in a loop."""
LOOP = regex.compile(rf"(?s)(.{{1,{LOOP_UNIT}}}?)\1{{{LOOP_TIMES - 1},}}+")


@dataclass(frozen=True, kw_only=True)
class NoRepetition(_NgramGuard):
    """Share of the hypothesis's characters that are not part of a repetition.

    - An n-gram of ``n`` words is a repetition from its second occurrence on. If the source repeats
      itself, the allowed number of occurrences is that of the source's most frequent n-gram.
      Occurrences do not overlap. Case and punctuation are ignored; in scripts without spaces an
      n-gram of ``n`` words is ``2 n`` letters.
    - A sentence of any length that directly follows an equal sentence is a repetition, unless a
      clause of the source follows itself as often ("No, no." may be two sentences).
    - Up to `LOOP_UNIT` characters, `LOOP_TIMES` times in a row, are a loop, unless the source has
      one as long.

    Spans cover every repetition but not the first occurrence. Good translations repeat short
    stretches ("for the first time ... for the first time"), so a gate needs a large ``n``. Its
    threshold should be close to 1, because one repeated sentence is a small share of a long text.

    Attributes:
        n: Shortest repeated stretch, in words.

    Raises:
        ValueError: ``n`` is not from 1 to `LONGEST_NGRAM`.
    """

    name: str = "no_repetition"

    def judge(self, candidate: Candidate) -> Verdict:
        """Look for repetitions."""
        found, theirs = spoken(candidate.hypothesis), spoken(candidate.source)
        n = ngram_length(found, self.n)
        counts = [count for _, count in _occurrences(theirs, ngram_length(theirs, self.n))]
        allowed = max(counts, default=1)
        again = _covered((p for p, count in _occurrences(found, n) if count > allowed), n)
        looped = max((end - start for start, end in _loops(candidate.source)), default=0)
        stretches = [
            *_stretches(found, again),
            *_echoes(candidate.hypothesis, allowed=_longest_run(candidate.source)),
            *(loop for loop in _loops(candidate.hypothesis) if loop[1] - loop[0] > looped),
        ]
        spans = [ErrorSpan(s, e, "major", "Accuracy/Addition") for s, e in _union(stretches)]
        lost = sum(span.end - span.start for span in spans)
        return Verdict(1.0 - lost / len(candidate.hypothesis) if lost else 1.0, spans)


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in visible(text))


def omission(source: str) -> ErrorSpan:
    """The omission of a whole source."""
    return ErrorSpan(0, len(source), "major", "Accuracy/Omission", side="source")


def _length(text: str) -> int:
    """Length in visible characters; a Han character or a syllable counts as several."""
    if text.isascii():
        return len(text)
    text = visible(text)
    han, syllables = len(HAN.findall(text)), len(SYLLABLES.findall(text))
    return len(text) + (LENGTH_OF_HAN - 1) * han + (LENGTH_OF_SYLLABLE - 1) * syllables


def _ngrams(items: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """The n-grams in order.

    >>> list(_ngrams(["a", "b", "c"], 2))
    [('a', 'b'), ('b', 'c')]
    """
    return zip(*(items[start:] for start in range(n)), strict=False)


def _occurrences(found: Sequence[Word], n: int) -> Iterator[tuple[int, int]]:
    """Places of n-grams, each with the number of its occurrences so far, without overlap."""
    seen: dict[tuple[str, ...], tuple[int, int]] = {}
    for place, gram in enumerate(_ngrams([word.folded for word in found], n)):
        count, free = seen.get(gram, (0, 0))
        if place >= free:
            seen[gram] = (count + 1, place + n)
            yield place, count + 1


def _covered(places: Iterable[int], n: int) -> set[int]:
    """The numbers of the words in n-grams at these places."""
    return {word for place in places for word in range(place, place + n)}


def _stretches(found: Sequence[Word], marked: set[int]) -> Iterator[tuple[int, int]]:
    """Characters from the first to the last word of each run of marked words."""
    places = sorted(marked)
    breaks = [i for i, (a, b) in enumerate(pairwise(places), start=1) if b > a + 1]
    for first, last in pairwise([0, *breaks, len(places)] if places else []):
        yield found[places[first]].start, found[places[last - 1]].end


def _echoes(text: str, allowed: int) -> Iterator[tuple[int, int]]:
    """Sentences that repeat the one before them, after the first ``allowed`` equal sentences."""
    known = [(one, key) for one in sentences(text) if (key := _folded(spoken(one.text)))]
    for _, run in groupby(known, key=lambda pair: pair[1]):
        for one, _ in [*run][allowed:]:
            yield one.start, one.end


@lru_cache(maxsize=1024)  # a group of translations shares its source
def _longest_run(source: str) -> int:
    """The largest number of equal clauses in a row; 1 if no neighbours are equal."""
    clauses = [
        _folded([*clause])
        for is_mark, clause in groupby(words(source), key=lambda word: word.kind == "mark")
        if not is_mark
    ]
    return max((sum(1 for _ in run) for _, run in groupby(clauses)), default=1)


def _folded(found: Sequence[Word]) -> tuple[str, ...]:
    return tuple(word.folded for word in found)


def _loops(text: str) -> Iterator[tuple[int, int]]:
    """The characters of each loop after its first unit."""
    for found in LOOP.finditer(text):
        yield found.end(1), found.end()


def _union(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches merged, so that none overlap, in order.

    >>> _union([(4, 8), (0, 2), (6, 9)])
    [(0, 2), (4, 9)]
    """
    merged: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@cache
def _script_patterns(
    wanted: tuple[str, ...],
) -> tuple[regex.Pattern[str], regex.Pattern[str], regex.Pattern[str]]:
    """Runs of letters in the wanted scripts, stretches in others, and their runs of letters.

    A stretch goes from its first foreign letter to the last one before a wanted letter.
    """
    right = "".join(rf"\p{{Script={script}}}" for script in wanted)
    foreign = rf"[\p{{L}}--[{right}\p{{Script=Common}}\p{{Script=Inherited}}]]"
    neutral = rf"[^{foreign}[\p{{L}}&&[{right}]]]"
    return (
        regex.compile(rf"(?V1)[\p{{L}}&&[{right}]]+"),
        regex.compile(rf"(?V1){foreign}++(?:{neutral}*+{foreign}++)*+\p{{M}}*"),
        regex.compile(rf"(?V1){foreign}+"),
    )
