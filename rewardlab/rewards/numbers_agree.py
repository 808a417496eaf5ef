"""Numbers of the hypothesis that contradict those of the source."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
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
"""Maximum number of source numbers that an explanation lists."""


class _Number(NamedTuple):
    """One number.

    Attributes:
        value: Value of its digits; a scale word ("million") is not applied.
        start: First character.
        end: One past the last.
        scaled: A scale word follows it.
    """

    value: str
    start: int
    end: int
    scaled: bool


@dataclass(frozen=True, kw_only=True)
class NumbersAgree(Guard):
    """Share of the hypothesis's numbers that the source does not contradict.

    A number written in digits is contradicted if it is not in the source, while a number of the
    source is not in the hypothesis: then a number was changed. A number that is only missing or
    only added is not a contradiction, because the other text may express it in words. As a gate,
    this guard therefore closes on fewer good translations than `NumbersKept`.

    Values are compared as in `NumbersKept`, and in addition

    - number words count in the languages of `rewardlab.text.number_words`, Chinese numerals in
      every language: 6 and "sechs", 100,000 and 十万;
    - a number before "million", 万 and the like is compared by its digits without leading and
      trailing zeros: 2.5 million, 2,500,000 and 250万 are the same, but so is 25 million;
    - 1980 equals 80 (decades), 7.30 equals 7:30, and 3 equals 15 (hours of the afternoon).

    Converted units (200 feet, 60 metres) are a contradiction. The contradicted numbers of the
    hypothesis are marked, beginning with the first number without a partner.
    """

    name: str = "numbers_agree"
    reads = ("source", "hypothesis", "source_lang", "target_lang")

    def judge(self, candidate: Candidate) -> Verdict:
        """Pair the numbers of both texts, and compare the unpaired ones."""
        ours = list(_digits(candidate.hypothesis))
        if not ours:
            return Verdict(1.0, [])
        theirs = list(_digits(candidate.source))
        words = list(_words(candidate.source, candidate.source_lang))
        our_words = list(_words(candidate.hypothesis, candidate.target_lang))
        # Words first: the "three" of the hypothesis leaves no 3 in the source for a wrong 3.
        lost, our_words = _unpaired(theirs, our_words, _equal)
        invented, lost = _unpaired(ours, lost, _equal)
        for same in (_equal, _same_digits, _same_decade, _same_hour):
            invented, lost = _unpaired(invented, lost, same)
            invented, words = _unpaired(invented, words, same)
        lost, _ = _unpaired(lost, our_words, _same_digits)
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
    """Number words, except words for 1, which are often articles."""
    for word in spelled_numbers(text, language):
        scaled = is_scaled(text, word.end)
        if word.value != 1 or scaled:
            yield _Number(f"{word.value}.", word.start, word.end, scaled)


class _Names(NamedTuple):
    """The names of a number; two numbers are the same if one looks for a name of the other.

    Attributes:
        has: The names of the number.
        looks_for: The names of its partners.
    """

    has: Sequence[str]
    looks_for: Sequence[str]


def _unpaired(
    ones: Sequence[_Number], others: Sequence[_Number], same: Callable[[_Number], _Names]
) -> tuple[list[_Number], list[_Number]]:
    """The numbers left after each has taken the first free partner that is the same."""
    places: dict[str, deque[int]] = defaultdict(deque)
    for place, other in enumerate(others):
        for name in same(other).has:
            places[name].append(place)
    taken: set[int] = set()
    alone: list[_Number] = []
    for one in ones:
        free = (place for name in same(one).looks_for for place in _free(places[name], taken))
        partner = next(free, None)
        if partner is None:
            alone.append(one)
        else:
            taken.add(partner)
    return alone, [other for place, other in enumerate(others) if place not in taken]


def _free(places: deque[int], taken: set[int], width: int = 1) -> Iterator[int]:
    """The first place from which ``width`` places are free."""
    while places and not taken.isdisjoint(range(places[0], places[0] + width)):
        places.popleft()
    yield from places and (places[0],)


def _equal(number: _Number) -> _Names:
    return _Names([number.value], [number.value])


def _same_digits(number: _Number) -> _Names:
    """Digits without zeros at the ends, if either number is scaled: 2.5 million, 2,500,000."""
    digits = number.value.replace(".", "").strip("0")
    plain, scaled = f"any {digits}", f"scaled {digits}"
    return _Names([plain, scaled], [plain]) if number.scaled else _Names([plain], [scaled])


def _same_decade(number: _Number) -> _Names:
    """1980 and 80."""
    long, short = f"19..{number.value[-3:]}", f"..{number.value[-3:]}"
    if len(number.value) == len("1980."):
        return _Names([long], [short])
    return _Names([short], [long]) if len(number.value) == len("80.") else _Names([], [])


def _same_hour(number: _Number) -> _Names:
    """3 and 15."""
    whole, fraction = number.value.split(".")
    if len(whole) > len("24") or int(whole) > 2 * HOURS:
        return _Names([number.value], [])
    other = int(whole) + (HOURS if int(whole) < HOURS else -HOURS)
    return _Names([number.value], [f"{other}.{fraction}"])


def _without_parts(
    ones: Sequence[_Number], others: Sequence[_Number]
) -> tuple[list[_Number], list[_Number]]:
    """Remove numbers with a fraction whose parts are side by side among the others."""
    pairs: dict[tuple[str, str], deque[int]] = defaultdict(deque)
    for place, (first, second) in enumerate(pairwise(other.value for other in others)):
        pairs[first, second].append(place)
    taken: set[int] = set()
    alone: list[_Number] = []
    for one in ones:
        whole, fraction = one.value.split(".")
        # 7.3 is 7:30 written with a fraction, and 7.05 is 7:05.
        seconds = (f"{fraction.lstrip('0')}.", f"{fraction}0.") if fraction else ()
        both = (pairs[f"{whole}.", second] for second in seconds)
        free = next((place for places in both for place in _free(places, taken, width=2)), None)
        if free is None:
            alone.append(one)
        else:
            taken |= {free, free + 1}
    return alone, [other for place, other in enumerate(others) if place not in taken]
