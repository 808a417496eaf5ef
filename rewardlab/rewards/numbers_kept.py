"""Numbers, placeholders and addresses that a translation must keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import regex

from rewardlab.rewards.base import Verdict
from rewardlab.rewards.guards import Guard
from rewardlab.text.numbers import (
    RUN,
    TIME,
    Names,
    Number,
    merged,
    numbers_in,
    time_of,
    unpaired,
)
from rewardlab.types import WMT_MQM, Candidate, ErrorSpan, Side

SPELLED_UP_TO = 12
"""Numbers up to this are often written as words, so losing or adding one is a minor error."""
_SMALL = frozenset(f"{number}." for number in range(SPELLED_UP_TO + 1))


ITEMS = regex.compile(
    rf"""(?V1x)
    (?:https?://|www\.) [!-~--[<>"]]+ (?<![.,;:!?'\)\]\}}])
    | (?<![A-Za-z0-9_.+\-]) [A-Za-z0-9_.+\-]{{1,64}} @ (?:[A-Za-z0-9\-]+\.)+ [A-Za-z]{{2,}}
    | \$? \{{\{{? [^\{{\}}\s]{{1,60}} \}}?\}}
    | (?<![\p{{Nd}}%]) % (?:\([A-Za-z_][A-Za-z0-9_]{{0,60}}\)|[0-9]+\$)? [sdifgxu@] (?!\p{{L}})
    | </? [A-Za-z] [^<>\n]{{0,80}} >
    | __ [A-Za-z0-9]+ (?:_[A-Za-z0-9]+)* __
    | (?P<time> {TIME} )
    | (?P<number> {RUN} )
    """
)
"""An item: URL, e-mail address, placeholder, time of day, run of digits and separators.

Every repetition is bounded, or cannot begin inside an earlier attempt, so the time is linear. A URL
ends at the first character outside ASCII, because in scripts without spaces the text continues
directly.
"""


class Item(NamedTuple):
    """One item that must be kept.

    Attributes:
        names: What makes it the same as another item.
        start: First character.
        end: One past the last.
        small: A number up to `SPELLED_UP_TO`.
        number: The number; None for other items.
    """

    names: Names
    start: int
    end: int
    small: bool = False
    number: Number | None = None


@dataclass(frozen=True, kw_only=True)
class NumbersKept(Guard):
    """Share of numbers, placeholders, URLs and e-mail addresses that both texts have.

    The share is over all items, and an item that both texts have counts once; texts without items
    score 1. A number up to `SPELLED_UP_TO` that only one text has costs a fifth of what other
    items cost, and its span is minor (1 to 5 in WMT's weights), because "2" may correctly become
    "two". Lost items are spans in the source, added items are spans in the hypothesis.

    Numbers are compared by value: digits of all scripts, decimal and
    grouping separators of all locales (1,000.5 = 1.000,5 = 1 000,5 = 1'000.5 = ١٬٠٠٠٫٥,
    1,00,000 = 100,000), without insignificant zeros (05 = 5, 2.50 = 2,5). A lone separator before
    exactly three digits is a grouping separator: 1.000 is a thousand in every language. Words that
    multiply a number count (3.5 million = 3,500,000 = 350万), and times of day are compared by the
    clock (7:30 p.m. = 19:30 = 19.30 Uhr = 19h30). Dates and versions are compared part by part.

    Limits: signs are ignored. Number words are not read, units are not converted, and 10.30 without
    a word such as "Uhr" does not equal 10:30.

    Placeholders are ``{name}``, ``{{name}}``, ``${name}``, ``%s``, ``%1$d``, ``%(name)s``,
    ``<tag>``, ``__NAME__``. Placeholders, URLs and addresses are compared as they are written.
    """

    name: str = "numbers_kept"

    def judge(self, candidate: Candidate) -> Verdict:
        """Compare the items of both texts."""
        ours, theirs = list(items_of(candidate.hypothesis)), list(items_of(candidate.source))
        invented, lost = unpaired(ours, theirs, lambda item: item.names)
        spans = [
            *_spans(invented, "hypothesis", "Accuracy/Addition"),
            *_spans(lost, "source", "Accuracy/Omission"),
        ]
        items = len(theirs) + len(invented)
        worth = WMT_MQM.total(spans) / WMT_MQM.weights["major"]
        return Verdict(1.0 - worth / items if items else 1.0, spans)


def _spans(items: Sequence[Item], side: Side, category: str) -> Iterator[ErrorSpan]:
    for item in items:
        severity = "minor" if item.small else "major"
        yield ErrorSpan(item.start, item.end, severity, category, side=side)


def items_of(text: str) -> list[Item]:
    """The numbers, placeholders, URLs and addresses of a text, in order."""
    found: list[Number | Item] = []
    for match in ITEMS.finditer(text):
        if match["time"] and (time := time_of(match)):
            found.append(time)
        elif match["time"] or match["number"]:
            found += numbers_in(text, *match.span())
        else:
            name = (match.group(),)
            found.append(Item(Names(name, name), *match.span()))
    numbers = {one.start: one for one in merged([n for n in found if isinstance(n, Number)], text)}
    items = [_number_item(one) for one in numbers.values()]
    items += [one for one in found if isinstance(one, Item)]
    return sorted(items, key=lambda item: item.start)


def _number_item(number: Number) -> Item:
    return Item(
        number.names, number.start, number.end, small=number.stated in _SMALL, number=number
    )
