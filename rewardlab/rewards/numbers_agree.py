"""Numbers of the hypothesis that contradict those of the source."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rewardlab.rewards.base import Verdict
from rewardlab.rewards.guards import Guard
from rewardlab.rewards.numbers_kept import items_of
from rewardlab.text.number_words import spelled_numbers
from rewardlab.text.numbers import LAST_HOUR, NOON, Names, Number, free, number_of, unpaired
from rewardlab.types import Candidate, ErrorSpan

LISTED = 5
"""Maximum number of source numbers that an explanation lists."""


@dataclass(frozen=True, kw_only=True)
class NumbersAgree(Guard):
    """Share of the hypothesis's numbers that the source does not contradict.

    A number written in digits is contradicted if it is not in the source, while a number of the
    source is not in the hypothesis: then a number was changed. A number that is only missing or
    only added is not a contradiction, because the other text may express it in words. As a gate,
    this guard therefore closes on fewer good translations than `NumbersKept`.

    Numbers are the same as in `NumbersKept`, and in addition

    - number words count in the languages of `rewardlab.text.number_words`, Chinese numerals in
      every language: 6 and "sechs", 100,000 and 十万;
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
        lost, our_words = unpaired(theirs, our_words, _same_value)
        invented, lost = unpaired(ours, lost, _same_value)
        for same in (_same_value, _same_decade, _same_hour):
            invented, lost = unpaired(invented, lost, same)
            invented, words = unpaired(invented, words, same)
        invented, lost = _without_parts(invented, lost)
        lost, invented = _without_parts(lost, invented)
        missing = [*lost, *words]
        changed = invented[: len(missing)]
        spans = [_span(number, candidate.source, missing) for number in changed]
        return Verdict(1.0 - len(changed) / len(ours), spans)


def _span(number: Number, source: str, missing: Sequence[Number]) -> ErrorSpan:
    wanted = ", ".join(source[one.start : one.end] for one in missing[:LISTED])
    return ErrorSpan(
        number.start,
        number.end,
        "major",
        "Accuracy/Mistranslation",
        explanation=f"source: {wanted}",
    )


def _digits(text: str) -> Iterator[Number]:
    yield from (item.number for item in items_of(text) if item.number is not None)


def _words(text: str, language: str | None) -> Iterator[Number]:
    """Number words, except words for 1, which are often articles."""
    for word in spelled_numbers(text, language):
        number = number_of(word.value, word.start, word.end, text)
        if word.value != 1 or number.marked:
            yield number


def _same_value(number: Number) -> Names:
    return number.names


def _same_decade(number: Number) -> Names:
    """1980 and 80."""
    long, short = f"19..{number.stated[-3:]}", f"..{number.stated[-3:]}"
    if number.marked or not number.stated.endswith("."):
        return Names([], [])
    if len(number.stated) == len("1980."):
        return Names([long], [short])
    return Names([short], [long]) if len(number.stated) == len("80.") else Names([], [])


def _same_hour(number: Number) -> Names:
    """3 and 15, 7.30 and 19:30, but not 3 a.m. and 3 p.m."""
    shown = number.values[0]
    whole, fraction = shown.replace(":", ".").split(".")
    if len(whole) > len("24") or int(whole) > LAST_HOUR:
        return Names([], [])
    time = f"{int(whole) % NOON}:{fraction if ':' in shown else fraction.ljust(2, '0')}"
    if number.marked:
        return Names([f"{time}~"], [f"{time}!"])
    return Names([time, f"{time}!"], [time, f"{time}~"])


def _without_parts(
    ones: Sequence[Number], others: Sequence[Number]
) -> tuple[list[Number], list[Number]]:
    """Remove numbers with a fraction whose parts are side by side among the others."""
    pairs: dict[tuple[str, str], deque[int]] = defaultdict(deque)
    for place, (first, second) in enumerate(pairwise(other.stated for other in others)):
        pairs[first, second].append(place)
    taken: set[int] = set()
    alone: list[Number] = []
    for one in ones:
        whole, fraction = one.stated.replace(":", ".").split(".")
        # 7.3 is 7:30 written with a fraction, and 7.05 is 7:05.
        seconds = (f"{fraction.lstrip('0')}.", f"{fraction}0.") if fraction else ()
        both = (pairs[f"{whole}.", second] for second in seconds)
        place = next((p for places in both for p in free(places, taken, width=2)), None)
        if place is None:
            alone.append(one)
        else:
            taken |= {place, place + 1}
    return alone, [other for place, other in enumerate(others) if place not in taken]
