"""Numbers of the hypothesis that contradict those of the source."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from rewardlab.rewards.base import Verdict
from rewardlab.rewards.guards import Guard
from rewardlab.rewards.numbers_kept import items_of
from rewardlab.text.number_words import is_scaled, spelled_numbers
from rewardlab.types import Candidate, ErrorSpan

HOURS = 12
LISTED = 5
"""Numbers of the source that an explanation names."""


class _Number(NamedTuple):
    """One number.

    Attributes:
        value: What it says, without the zeros that a word behind it stands for.
        start: Its first character.
        end: One past its last.
        scaled: A word for zeros stands behind it.
    """

    value: str
    start: int
    end: int
    scaled: bool


@dataclass(frozen=True, kw_only=True)
class NumbersAgree(Guard):
    """Share of the hypothesis's numbers that the source does not contradict.

    A number written in digits is contradicted when the source has no such number and the
    hypothesis in turn lacks one of the source's: somewhere a number was changed. A number that is
    only left out, or only put in, contradicts nothing: it may be a word on the other side, which
    is why this guard closes on fewer good translations than `NumbersKept` does.

    Values are compared as `NumbersKept` compares them, and further

    - number words count where `rewardlab.text.number_words` knows the language, Chinese numerals
      in every language: 6 and "sechs", 100,000 and 十万;
    - a number before "million", 万 and the like is compared by its digits without zeros at the
      ends: 2.5 million, 2,500,000 and 250万 are the same, and 25 million is not told from them;
    - 1980 is the same as 80 (decades), 7.30 as 7:30, and 3 as 15 (hours of the afternoon).

    Converted units (200 feet, 60 metres) are a contradiction. Spans mark as many numbers of the
    hypothesis as are contradicted, from the first without a partner on.
    """

    name: str = "numbers_agree"

    @property
    def reads(self) -> tuple[str, ...]:
        """Source, hypothesis and both languages."""
        return ("source", "hypothesis", "source_lang", "target_lang")

    def judge(self, candidate: Candidate) -> Verdict:
        """Pair the numbers of both texts, and look at what is left."""
        ours = list(_digits(candidate.hypothesis))
        if not ours:
            return Verdict(1.0, [])
        theirs = list(_digits(candidate.source))
        words = list(_words(candidate.source, candidate.source_lang))
        said = list(_words(candidate.hypothesis, candidate.target_lang))
        # Words first: the "three" of the hypothesis leaves no 3 in the source for a wrong 3.
        lost, said = _unpaired(theirs, said, EQUAL)
        invented, lost = _unpaired(ours, lost, EQUAL)
        for same in (EQUAL, SAME_DIGITS, SAME_DECADE, SAME_HOUR):
            invented, lost = _unpaired(invented, lost, same)
            invented, words = _unpaired(invented, words, same)
        lost, _ = _unpaired(lost, said, SAME_DIGITS)
        invented, lost = _without_parts(invented, lost)
        lost, invented = _without_parts(lost, invented)
        missing = [*lost, *words]
        changed = invented[: len(missing)]
        spans = [_span(number, candidate.source, missing) for number in changed]
        return Verdict(1.0 - len(changed) / len(ours), spans)


def _span(number: _Number, source: str, missing: Sequence[_Number]) -> ErrorSpan:
    wanted = ", ".join(source[one.start : one.end] for one in missing[:LISTED])
    return ErrorSpan(
        number.start,
        number.end,
        "major",
        "Accuracy/Mistranslation",
        explanation=f"source: {wanted}",
    )


def _digits(text: str) -> Iterator[_Number]:
    for item in items_of(text):
        if item.is_number:
            yield _Number(item.value, item.start, item.end, is_scaled(text, item.end))


def _words(text: str, language: str | None) -> Iterator[_Number]:
    """Number words; without those for one, which are as often articles."""
    for word in spelled_numbers(text, language):
        scaled = is_scaled(text, word.end)
        if word.value != 1 or scaled:
            yield _Number(f"{word.value}.", word.start, word.end, scaled)


class _Sameness(NamedTuple):
    """When two numbers are the same: one of them looks under the names that the other stands under.

    Attributes:
        stands: The names that a number can be found under.
        looks: The names that it looks for a partner under.
    """

    stands: Callable[[_Number], Iterable[str]]
    looks: Callable[[_Number], Iterable[str]]


def _unpaired(
    ones: Sequence[_Number], others: Sequence[_Number], same: _Sameness
) -> tuple[list[_Number], list[_Number]]:
    """What is left of both when every number takes the first free partner that is the same."""
    places: dict[str, deque[int]] = defaultdict(deque)
    for place, other in enumerate(others):
        for name in same.stands(other):
            places[name].append(place)
    taken: set[int] = set()
    alone: list[_Number] = []
    for one in ones:
        free = (place for name in same.looks(one) for place in _free(places[name], taken))
        partner = next(free, None)
        if partner is None:
            alone.append(one)
        else:
            taken.add(partner)
    return alone, [other for place, other in enumerate(others) if place not in taken]


def _free(places: deque[int], taken: set[int], width: int = 1) -> Iterator[int]:
    """The first of the places from which on nobody has taken ``width`` of them."""
    while places and not taken.isdisjoint(range(places[0], places[0] + width)):
        places.popleft()
    yield from places and (places[0],)


def _value(number: _Number) -> Iterable[str]:
    return (number.value,)


def _significant(number: _Number) -> str:
    """Digits without zeros at the ends: ``25`` for 2.5, 25 and 250,000."""
    return number.value.replace(".", "").strip("0")


def _digits_names(number: _Number) -> Iterable[str]:
    yield f"any {_significant(number)}"
    if number.scaled:
        yield f"scaled {_significant(number)}"


def _digits_name(number: _Number) -> Iterable[str]:
    yield f"{'any' if number.scaled else 'scaled'} {_significant(number)}"


def _short_year(number: _Number) -> Iterable[str]:
    """1980 stands under ``19..80.``, 80 under ``..80.``: each looks for the other."""
    if len(number.value) == len("1980."):
        yield f"19..{number.value[2:]}"
    elif len(number.value) == len("80."):
        yield f"..{number.value}"


def _other_year(number: _Number) -> Iterable[str]:
    if len(number.value) == len("1980."):
        yield f"..{number.value[2:]}"
    elif len(number.value) == len("80."):
        yield f"19..{number.value}"


def _half_day_away(number: _Number) -> Iterable[str]:
    whole, fraction = number.value.split(".")
    if len(whole) <= len("24") and int(whole) <= 2 * HOURS:
        other = int(whole) + (HOURS if int(whole) < HOURS else -HOURS)
        yield f"{other}.{fraction}"


EQUAL = _Sameness(_value, _value)
SAME_DIGITS = _Sameness(_digits_names, _digits_name)
SAME_DECADE = _Sameness(_short_year, _other_year)
SAME_HOUR = _Sameness(_value, _half_day_away)


def _without_parts(
    ones: Sequence[_Number], others: Sequence[_Number]
) -> tuple[list[_Number], list[_Number]]:
    """Leave out numbers with a fraction whose parts stand side by side among the others."""
    pairs: dict[tuple[str, str], deque[int]] = defaultdict(deque)
    for place, (first, second) in enumerate(pairwise(other.value for other in others)):
        pairs[first, second].append(place)
    taken: set[int] = set()
    alone: list[_Number] = []
    for one in ones:
        whole, fraction = one.value.split(".")
        # 7.3 is 7:30 written with a fraction, and 7.05 is 7:05.
        seconds = (f"{fraction.lstrip('0')}.", f"{fraction}0.") if fraction else ()
        found = (pairs[f"{whole}.", second] for second in seconds)
        free = next((place for places in found for place in _free(places, taken, width=2)), None)
        if free is None:
            alone.append(one)
        else:
            taken |= {free, free + 1}
    return alone, [other for place, other in enumerate(others) if place not in taken]
