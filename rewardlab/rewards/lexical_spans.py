"""Error spans from a word-by-word comparison with the reference.

The words that hypothesis and reference share in the same order (a longest common subsequence, case
ignored) are correct, except perhaps in case. In each gap between these words, the remaining words
of hypothesis and reference are paired; every pair, extra word or missing word is an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar, NamedTuple

from rewardlab.rewards.base import NOT_APPLICABLE, RowReward, Verdict
from rewardlab.text.words import Word, words
from rewardlab.types import WMT_MQM, Candidate, ErrorSpan

NEAR = 0.7
"""Smallest `similarity` of two forms of one word: walk/walks 0.89, Freund/Freunde 0.92, cat/car
0.67. Characters do not show meaning: house/horse is 0.8."""

SPAN_WORDS = 5
"""Maximum number of words in one span. A longer stretch becomes several spans, so that omitting or
replacing a whole clause costs more than a word."""

MAX_REFERENCE_WORDS = 10_000
"""A row whose reference has more words than this is not applicable."""
MAX_HYPOTHESIS_WORDS = 20_000
"""Maximum number of hypothesis words that are compared; the rest is one addition."""
MAX_PAIRINGS = 400
"""In a gap with more possible pairs than this, words are paired in order."""
MAX_COMPARED = 64
"""Maximum number of characters in a word that can be a form of another."""


class _Error(NamedTuple):
    """The error of one word.

    Attributes:
        severity: Severity of the span.
        category: Category of the span.
        wanted: The word of the reference, or an empty text.
    """

    severity: str
    category: str
    wanted: str


@dataclass(frozen=True, kw_only=True)
class LexicalSpans(RowReward):
    """Minus the MQM total (WMT weights) of the differences from the reference, -25 to 0.

    ==================================  ========  ===========================
    a word of the hypothesis that       severity  category
    ==================================  ========  ===========================
    replaces another word               major     Accuracy/Mistranslation
    ... of similar form (`NEAR`)        minor     Fluency/Grammar
    ... and differs in case only        minor     Fluency/Spelling
    is elsewhere in the reference       minor     Fluency/Word order
    replaces none                       major     Accuracy/Addition
    a reference word without a partner  major     Accuracy/Omission, on the source
    punctuation that differs            minor     Fluency/Punctuation
    no words at all                     major     Non-translation
    ==================================  ========  ===========================

    Words with digits are never forms of each other. Adjacent words of equal severity and category
    share a span of at most `SPAN_WORDS`. If the same word as a missing one occurs exactly once in
    the source (numbers, names), it is marked there; otherwise the whole source is marked, because
    there is no word alignment. ``explanation`` has the missing words. The method is this library's
    own; its weights are those of Freitag et al. 2021 (arXiv 2104.14478).

    A correct translation in other words is penalised: the score measures the distance from one
    reference. Not applicable without a source, because omissions would have no place, nor with a
    reference of more than `MAX_REFERENCE_WORDS` words.
    """

    name: str = "lexical_spans"

    packages: ClassVar[tuple[str, ...]] = ("rewardlab", "regex")
    family = "edit_distance"
    worst = -25.0
    bounds = (-25.0, 0.0)
    reads = ("source", "hypothesis", "reference")

    def judge(self, candidate: Candidate) -> Verdict:
        """Compare one hypothesis with its reference."""
        hypothesis, reference = words(candidate.hypothesis), words(candidate.reference or "")
        if not candidate.source or len(reference) > MAX_REFERENCE_WORDS:
            return NOT_APPLICABLE
        if _says_something(reference) and not _says_something(hypothesis):
            spans = [_non_translation(candidate)]
        else:
            errors, missing = compare(hypothesis[:MAX_HYPOTHESIS_WORDS], reference)
            spans = [
                *_hypothesis_spans(hypothesis, errors),
                *_source_spans(candidate.source, reference, missing),
            ]
        error = WMT_MQM.total(spans)
        return Verdict(max(self.worst, 0.0 - error), spans)  # the sign flips here


def _says_something(found: Sequence[Word]) -> bool:
    return any(word.kind != "mark" for word in found)


def _non_translation(candidate: Candidate) -> ErrorSpan:
    """The whole hypothesis, or the whole source if the hypothesis is empty."""
    end = len(candidate.hypothesis or candidate.source)
    side = "hypothesis" if candidate.hypothesis else "source"
    return ErrorSpan(0, end, "major", "Non-translation", side=side)


def compare(
    hypothesis: Sequence[Word], reference: Sequence[Word]
) -> tuple[dict[int, _Error], list[int]]:
    """Hypothesis word -> its error, and the missing reference words.

    Args:
        hypothesis: Words of the hypothesis.
        reference: Words of the reference.
    """
    common = common_subsequence(
        [word.folded for word in hypothesis], [word.folded for word in reference]
    )
    errors = {
        here: _Error("minor", "Fluency/Spelling", reference[there].text)
        for here, there in common
        if hypothesis[here].shown != reference[there].shown
    }
    missing: list[int] = []
    moved_here, moved_there = _moved(hypothesis, reference, common)
    for place in moved_here:
        mark = hypothesis[place].kind == "mark"
        category = "Fluency/Punctuation" if mark else "Fluency/Word order"
        errors[place] = _Error("minor", category, "")
    for here, there in _gaps(common, len(hypothesis), len(reference)):
        here_left = [place for place in here if place not in moved_here]
        there_left = [place for place in there if place not in moved_there]
        for punctuation in (False, True):
            ours = [p for p in here_left if (hypothesis[p].kind == "mark") is punctuation]
            theirs = [p for p in there_left if (reference[p].kind == "mark") is punctuation]
            partners = dict(_pairs(ours, theirs, hypothesis, reference))
            for place in ours:
                partner = reference[partners[place]] if place in partners else None
                errors[place] = _error(hypothesis[place], partner)
            taken = set(partners.values())
            missing += [place for place in theirs if place not in taken]
    return errors, sorted(missing)


def _error(word: Word, partner: Word | None) -> _Error:
    """The error of a word that replaces another word, or of an added word."""
    wanted = partner.text if partner else ""
    if word.kind == "mark":
        return _Error("minor", "Fluency/Punctuation", wanted)
    if partner is None:
        return _Error("major", "Accuracy/Addition", "")
    if similarity(word.text, wanted) >= NEAR and not _has_digit(word.text + wanted):
        return _Error("minor", "Fluency/Grammar", wanted)
    return _Error("major", "Accuracy/Mistranslation", wanted)


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _moved(
    hypothesis: Sequence[Word], reference: Sequence[Word], common: Sequence[tuple[int, int]]
) -> tuple[set[int], set[int]]:
    """Places of words that both texts have, but outside the common subsequence."""
    kept_here, kept_there = {here for here, _ in common}, {there for _, there in common}
    elsewhere: dict[str, list[int]] = defaultdict(list)
    for place in range(len(reference) - 1, -1, -1):
        if place not in kept_there:
            elsewhere[reference[place].folded].append(place)
    moved_here: set[int] = set()
    moved_there: set[int] = set()
    for place, word in enumerate(hypothesis):
        if place not in kept_here and (places := elsewhere.get(word.folded)):
            moved_here.add(place)
            moved_there.add(places.pop())
    return moved_here, moved_there


def _gaps(
    common: Sequence[tuple[int, int]], here: int, there: int
) -> Iterator[tuple[range, range]]:
    """The gaps between common words, as places in both texts."""
    for (a, b), (c, d) in pairwise([(-1, -1), *common, (here, there)]):
        if c > a + 1 or d > b + 1:
            yield range(a + 1, c), range(b + 1, d)


def _pairs(
    ours: Sequence[int],
    theirs: Sequence[int],
    hypothesis: Sequence[Word],
    reference: Sequence[Word],
) -> list[tuple[int, int]]:
    """Pairs of words, in order, with the largest sum of similarities."""
    rows, columns = len(ours), len(theirs)
    if rows * columns <= 1 or rows * columns > MAX_PAIRINGS:
        return list(zip(ours, theirs, strict=False))
    # best[i][j]: the best sum of ours[i:] and theirs[j:]. Any pair beats none, hence the 0.1.
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    gain = [[0.1 + similarity(hypothesis[h].text, reference[r].text) for r in theirs] for h in ours]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            best[i][j] = max(best[i + 1][j + 1] + gain[i][j], best[i + 1][j], best[i][j + 1])
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < rows and j < columns:
        if best[i][j] == best[i + 1][j + 1] + gain[i][j]:
            pairs.append((ours[i], theirs[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def similarity(one: str, other: str) -> float:
    """Twice the common subsequence's length over the sum of lengths, case ignored, in [0, 1].

    Args:
        one: A word.
        other: Another word.

    >>> round(similarity("walk", "walks"), 2), similarity("cat", "dog")
    (0.89, 0.0)
    """
    if len(one) > MAX_COMPARED or len(other) > MAX_COMPARED:
        return float(one == other)
    return _similarity(one.casefold(), other.casefold())


@lru_cache(maxsize=1 << 16)
def _similarity(one: str, other: str) -> float:
    common = len(other) - _subsequence_rows(one, other)[-1].bit_count()
    return 2.0 * common / (len(one) + len(other))


def common_subsequence(one: Sequence[str], other: Sequence[str]) -> list[tuple[int, int]]:
    """Places of a longest common subsequence, as pairs.

    Args:
        one: Any items.
        other: Any items.

    >>> common_subsequence("abcd", "bxd")
    [(1, 0), (3, 2)]
    """
    rows = _subsequence_rows(one, other)
    pairs: list[tuple[int, int]] = []
    i, j = len(one), len(other)
    while i and j:
        if rows[i] >> (j - 1) & 1:
            j -= 1
        elif not rows[i - 1] >> (j - 1) & 1:
            i -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _subsequence_rows(one: Sequence[str], other: Sequence[str]) -> list[int]:
    """The table of the longest common subsequence as differences (Hyyrö 2004, bit-parallel).

    Bit j of row i is 0 where the subsequence of ``one[:i]`` and ``other[:j+1]`` is longer than
    that of ``one[:i]`` and ``other[:j]``. Time is ``len(one)`` operations on integers of
    ``len(other)`` bits; memory is ``len(one)`` such integers.
    """
    places: dict[str, int] = {}
    for place, item in enumerate(other):
        places[item] = places.get(item, 0) | 1 << place
    everything = (1 << len(other)) - 1
    rows = [everything]
    for item in one:
        row = rows[-1]
        hits = row & places.get(item, 0)
        rows.append((row + hits | row - hits) & everything)
    return rows


def _runs(places: Sequence[int], same: Callable[[int, int], bool]) -> Iterator[list[int]]:
    """Runs of at most `SPAN_WORDS` neighbouring places whose neighbours are the same kind."""
    run: list[int] = []
    for place in places:
        if run and (place != run[-1] + 1 or len(run) == SPAN_WORDS or not same(run[-1], place)):
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _hypothesis_spans(hypothesis: Sequence[Word], errors: dict[int, _Error]) -> Iterator[ErrorSpan]:
    for run in _runs(sorted(errors), lambda a, b: errors[a][:2] == errors[b][:2]):
        severity, category, _ = errors[run[0]]
        wanted = " ".join(errors[place].wanted for place in run if errors[place].wanted)
        yield ErrorSpan(
            hypothesis[run[0]].start,
            hypothesis[run[-1]].end,
            severity,
            category,
            explanation=f"reference: {wanted}" if wanted else None,
        )
    if len(hypothesis) > MAX_HYPOTHESIS_WORDS:
        start, end = hypothesis[MAX_HYPOTHESIS_WORDS].start, hypothesis[-1].end
        yield ErrorSpan(start, end, "major", "Accuracy/Addition", explanation="not compared")


def _source_spans(
    source: str, reference: Sequence[Word], missing: Sequence[int]
) -> Iterator[ErrorSpan]:
    """Spans of missing words: the same words in the source, or the whole source."""
    if not missing:
        return
    found: dict[str, list[int]] = defaultdict(list)
    source_words = words(source)
    for place, word in enumerate(source_words):
        found[word.text].append(place)
    once = {text: places[0] for text, places in found.items() if len(places) == 1}

    def same(before: int, place: int) -> bool:
        first, second = once.get(reference[before].text), once.get(reference[place].text)
        together = second is None if first is None else second == first + 1
        return together and reference[before].kind == reference[place].kind

    for run in _runs(missing, same):
        punctuation = reference[run[0]].kind == "mark"
        found_at = [source_words[once[t]] for p in run if (t := reference[p].text) in once]
        yield ErrorSpan(
            found_at[0].start if found_at else 0,
            found_at[-1].end if found_at else len(source),
            "minor" if punctuation else "major",
            "Fluency/Punctuation" if punctuation else "Accuracy/Omission",
            side="source",
            explanation="missing: " + " ".join(reference[place].text for place in run),
        )
