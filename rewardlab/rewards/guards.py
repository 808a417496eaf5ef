"""Reference-free guards against what rewards are fooled by: scores in [0, 1], 1 is fine.

They are made to be gates: quality metrics give an untranslated copy of the source more than many
translations of it. Their scores are shares and ratios, so a gate can say how much is too much.
All spans are major unless a guard says otherwise: what a guard finds is no matter of taste.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING, ClassVar

from rewardlab.rewards.base import NOT_APPLICABLE, RowReward, Verdict
from rewardlab.text.languages import scripts
from rewardlab.text.sentences import sentences
from rewardlab.text.words import Word, ngram_length, spoken, words
from rewardlab.types import Candidate, ErrorSpan

if TYPE_CHECKING:
    import regex


@dataclass(frozen=True, kw_only=True)
class Guard(RowReward):
    """A reference-free check with scores in [0, 1]."""

    packages: ClassVar[tuple[str, ...]] = ("rewardlab", "regex")
    worst = 0.0


@dataclass(frozen=True, kw_only=True)
class NotEmpty(Guard):
    """1 when the hypothesis has a letter or a digit, else 0.

    Without a character it is an omission of the whole source; with punctuation only, a
    non-translation. Not applicable when the source has no letter or digit either.
    """

    name: str = "not_empty"

    def judge(self, candidate: Candidate) -> Verdict:
        """Look for a letter or a digit."""
        if not _says_something(candidate.source):
            return NOT_APPLICABLE
        if _says_something(candidate.hypothesis):
            return Verdict(1.0, [])
        if candidate.hypothesis:
            return Verdict(0.0, [_whole(candidate.hypothesis, "Non-translation")])
        return Verdict(0.0, [_omitted(candidate.source)])


LENGTH_OF_HAN = 3
"""Letters of an alphabet that say about as much as one Han character."""
LENGTH_OF_SYLLABLE = 2
"""... as one kana or Hangul syllable."""


@dataclass(frozen=True, kw_only=True)
class LengthRatio(Guard):
    """1 while the hypothesis is neither too long nor too short for its source.

    Lengths are in characters. A Han character counts as `LENGTH_OF_HAN`, a kana or Hangul
    syllable as `LENGTH_OF_SYLLABLE`: an English sentence has about three times the characters of
    its Chinese translation, and a plain ratio would call every good one too short. Outside the
    bounds the score falls as the ratio of the length to the nearer bound, towards 0. The default
    bounds are those of LMT's data filter (arXiv 2511.07003); ``slack`` is ours: short texts may
    be a word for a letter ("OK", "Einverstanden").

    The characters too many are an addition; a hypothesis too short is an omission of the whole
    source, since nothing says which part is missing. Not applicable without a source.

    Attributes:
        min_ratio: Shortest hypothesis, as a share of the source.
        max_ratio: Longest hypothesis, as a multiple of the source.
        slack: Characters a hypothesis may have beyond ``max_ratio``.

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
            return Verdict(length / shortest, [_omitted(candidate.source)])
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
    other scripts are spans: major, and minor where the same letters stand in the source, because
    names and brands often keep their script ("iPhone" in Chinese). They still lower the score, so
    gate at a half rather than at 1. Not applicable without a target language, or with one that
    `rewardlab.text.languages` does not know. It cannot tell languages of one script apart.
    """

    name: str = "target_script"

    @property
    def reads(self) -> tuple[str, ...]:
        """Source, hypothesis and target language."""
        return ("source", "hypothesis", "target_lang")

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
"""Largest ``n``; time grows with it."""


@dataclass(frozen=True, kw_only=True)
class NotCopied(Guard):
    """Share of the hypothesis's words that are outside word n-grams of the source.

    Case and punctuation are ignored. A source of fewer than ``n`` words is one n-gram, so that a
    short text is a copy where it contains the source. In scripts without spaces an n-gram has
    twice as many letters as words. Names that stay as they are score like copies when they are all
    there is, so a gate belongs well below 1; between languages with a common script and long shared
    names (Chinese to Japanese) raise ``n``. Not applicable when the source has no letter.

    Attributes:
        n: Shortest copied stretch, in words.

    Raises:
        ValueError: ``n`` is not from 1 to `LONGEST_NGRAM`.
    """

    name: str = "not_copied"
    n: int = 4

    def __post_init__(self) -> None:
        _check_n(self.n)

    def judge(self, candidate: Candidate) -> Verdict:
        """Look for stretches of the source."""
        if not any(character.isalpha() for character in candidate.source):
            return NOT_APPLICABLE
        found = spoken(candidate.hypothesis)
        ours = [word.text.casefold() for word in found]
        theirs = [word.text.casefold() for word in spoken(candidate.source)]
        n = min(ngram_length(found, self.n), len(theirs))
        known = set(_ngrams(theirs, n))
        copied = _covered((p for p, gram in enumerate(_ngrams(ours, n)) if gram in known), n)
        spans = [
            ErrorSpan(start, end, "major", "Accuracy/Untranslated text")
            for start, end in _stretches(found, copied)
        ]
        return Verdict(1.0 - len(copied) / len(ours) if ours else 1.0, spans)


LOOP_TIMES = 10
"""A group of characters repeated this often in a row is a loop."""
LOOP_UNIT = 8
"""Longest group of characters that is looked at."""


@dataclass(frozen=True, kw_only=True)
class NoRepetition(Guard):
    """Share of the hypothesis's characters that are outside repeated stretches.

    A stretch of ``n`` words is repeated from its second occurrence on, or from one more than the
    most frequent stretch of the source has, if the source repeats itself. Occurrences do not
    overlap. Case and punctuation are ignored; in scripts without spaces a stretch has twice as
    many letters as words. A sentence of any length that follows itself is repeated too, unless a
    clause of the source follows itself as often ("No, no." may be two sentences). Besides, up to
    `LOOP_UNIT` characters that follow themselves `LOOP_TIMES` times are a loop, unless the source
    has one as long. Spans cover what comes after the first occurrence.

    Good translations repeat short stretches ("for the first time ... for the first time"): a gate
    wants a large ``n``, and then a threshold close to 1, since one sentence said twice in a long
    text is a small share of it.

    Attributes:
        n: Shortest repeated stretch, in words.

    Raises:
        ValueError: ``n`` is not from 1 to `LONGEST_NGRAM`.
    """

    name: str = "no_repetition"
    n: int = 4

    def __post_init__(self) -> None:
        _check_n(self.n)

    def judge(self, candidate: Candidate) -> Verdict:
        """Look for stretches that come again."""
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
    return any(character.isalnum() for character in text)


def _whole(text: str, category: str) -> ErrorSpan:
    return ErrorSpan(0, len(text), "major", category)


def _omitted(source: str) -> ErrorSpan:
    return ErrorSpan(0, len(source), "major", "Accuracy/Omission", side="source")


def _check_n(n: int) -> None:
    if not 1 <= n <= LONGEST_NGRAM:
        raise ValueError(f"n={n} must be from 1 to {LONGEST_NGRAM}")


def _length(text: str) -> int:
    """Characters, dense ones counted as several."""
    if text.isascii():
        return len(text)
    han, syllables = _dense_patterns()
    return (
        len(text)
        + (LENGTH_OF_HAN - 1) * len(han.findall(text))
        + (LENGTH_OF_SYLLABLE - 1) * len(syllables.findall(text))
    )


def _ngrams(items: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """The n-grams in order.

    >>> list(_ngrams(["a", "b", "c"], 2))
    [('a', 'b'), ('b', 'c')]
    """
    return zip(*(items[start:] for start in range(n)), strict=False)


def _occurrences(found: Sequence[Word], n: int) -> Iterator[tuple[int, int]]:
    """Places of n-grams, each with how often it has come until then without overlap."""
    seen: dict[tuple[str, ...], tuple[int, int]] = {}
    for place, gram in enumerate(_ngrams([word.text.casefold() for word in found], n)):
        count, free = seen.get(gram, (0, 0))
        if place >= free:
            seen[gram] = (count + 1, place + n)
            yield place, count + 1


def _covered(places: Iterable[int], n: int) -> set[int]:
    """The words that n-grams at these places consist of."""
    return {word for place in places for word in range(place, place + n)}


def _stretches(found: Sequence[Word], marked: set[int]) -> Iterator[tuple[int, int]]:
    """Characters from the first to the last word of each run of marked words."""
    places = sorted(marked)
    breaks = [i for i, (a, b) in enumerate(pairwise(places), start=1) if b > a + 1]
    for first, last in pairwise([0, *breaks, len(places)] if places else []):
        yield found[places[first]].start, found[places[last - 1]].end


def _echoes(text: str, allowed: int) -> Iterator[tuple[int, int]]:
    """Sentences that follow themselves, from the one after the ``allowed`` first ones on."""
    said = [(one, key) for one in sentences(text) if (key := _said(spoken(one.text)))]
    for _, run in groupby(said, key=lambda pair: pair[1]):
        for one, _ in [*run][allowed:]:
            yield one.start, one.end


@lru_cache(maxsize=1024)  # a group of translations shares its source
def _longest_run(source: str) -> int:
    """How often a clause follows itself: 1 unless neighbours are equal."""
    clauses = [
        _said([*clause])
        for is_mark, clause in groupby(words(source), key=lambda word: word.kind == "mark")
        if not is_mark
    ]
    return max((sum(1 for _ in run) for _, run in groupby(clauses)), default=1)


def _said(found: Sequence[Word]) -> tuple[str, ...]:
    return tuple(word.text.casefold() for word in found)


def _loops(text: str) -> Iterator[tuple[int, int]]:
    """Characters of each loop after the first time round."""
    for found in _loop_pattern().finditer(text):
        yield found.end(1), found.end()


def _union(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same characters without overlaps, in order.

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
def _loop_pattern() -> regex.Pattern[str]:
    import regex

    return regex.compile(rf"(?s)(.{{1,{LOOP_UNIT}}}?)\1{{{LOOP_TIMES - 1},}}+")


@cache
def _dense_patterns() -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    import regex

    return (
        regex.compile(r"\p{Script=Han}"),
        regex.compile(r"[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]"),
    )


@cache
def _script_patterns(
    wanted: tuple[str, ...],
) -> tuple[regex.Pattern[str], regex.Pattern[str], regex.Pattern[str]]:
    """Runs of letters in the wanted scripts, stretches in others, and their runs of letters.

    A stretch goes from its first foreign letter to its last one before a wanted letter.
    """
    import regex

    right = "".join(rf"\p{{Script={script}}}" for script in wanted)
    foreign = rf"[\p{{L}}--[{right}\p{{Script=Common}}\p{{Script=Inherited}}]]"
    neutral = rf"[^{foreign}[\p{{L}}&&[{right}]]]"
    return (
        regex.compile(rf"(?V1)[\p{{L}}&&[{right}]]+"),
        regex.compile(rf"(?V1){foreign}++(?:{neutral}*+{foreign}++)*+\p{{M}}*"),
        regex.compile(rf"(?V1){foreign}+"),
    )
