"""Numbers, placeholders and addresses that a translation must keep."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import regex

from rewardlab.rewards.base import Verdict
from rewardlab.rewards.guards import Guard
from rewardlab.types import WMT_MQM, Candidate, ErrorSpan, Side

SPELLED_UP_TO = 12
"""Numbers up to this are often written as words, so losing or adding one is a minor error."""
_SMALL = frozenset(f"{number}." for number in range(SPELLED_UP_TO + 1))


ITEMS = regex.compile(
    r"""(?V1x)
    (?:https?://|www\.) [!-~--[<>"]]+ (?<![.,;:!?'\)\]\}])
    | (?<![A-Za-z0-9_.+\-]) [A-Za-z0-9_.+\-]{1,64} @ (?:[A-Za-z0-9\-]+\.)+ [A-Za-z]{2,}
    | \$? \{\{? [^\{\}\s]{1,60} \}?\}
    | (?<![\p{Nd}%]) % (?:\([A-Za-z_][A-Za-z0-9_]{0,60}\)|[0-9]+\$)? [sdifgxu@] (?!\p{L})
    | </? [A-Za-z] [^<>\n]{0,80} >
    | __ [A-Za-z0-9]+ (?:_[A-Za-z0-9]+)* __
    | (?P<number> \p{Nd}+ (?: [.,٫٬'’]\p{Nd}+ | [\x20\u00a0\u2009\u202f]\p{Nd}{3}(?!\p{Nd}) )* )
    """
)
"""An item: URL, e-mail address, placeholder, run of digits and separators.

Every repetition is bounded, or cannot begin inside an earlier attempt, so the time is linear. A URL
ends at the first character outside ASCII, because in scripts without spaces the text continues
directly.
"""
NUMBER = regex.compile(
    r"""(?x)
    (?P<integer>
        [1-9][0-9]{0,2} (?P<group>[.,٬'’\s]) [0-9]{3} (?:(?P=group)[0-9]{3})*
        | [0-9]{1,2} (?:,[0-9]{2})+ ,[0-9]{3}
        | [0-9]+
    )
    (?: (?!(?P=group)) [.,٫] (?P<fraction>[0-9]+) )?
    """
)
"""One number: groups of three, Indian groups, or digits; then possibly a fraction.

A group of three does not follow a lone zero: 0.125 is an eighth.
"""
DIGITS = regex.compile("[0-9]+")


class Item(NamedTuple):
    """One item that must be kept.

    Attributes:
        value: The value to compare: the text, or the number without separators.
        start: First character.
        end: One past the last.
        small: A number up to `SPELLED_UP_TO`.
        is_number: It is a number; ``value`` is of the form ``12.5`` or ``12.``.
    """

    value: str
    start: int
    end: int
    small: bool
    is_number: bool = False


@dataclass(frozen=True, kw_only=True)
class NumbersKept(Guard):
    """Share of numbers, placeholders, URLs and e-mail addresses that both texts have.

    The share is over all items, and an item that both texts have counts once; texts without items
    score 1. A number up to `SPELLED_UP_TO` that only one text has costs a fifth of what other
    items cost, and its span is minor (1 to 5 in WMT's weights), because "2" may correctly become
    "two". Lost items are spans in the source, added items are spans in the hypothesis.

    Numbers are compared by value: digits of all scripts, decimal and grouping separators of all
    locales (1,000.5 = 1.000,5 = 1 000,5 = 1'000.5 = ١٬٠٠٠٫٥, 1,00,000 = 100,000), without
    insignificant zeros (05 = 5, 2.50 = 2,5). A lone separator before exactly three digits is a
    grouping separator: 1.000 is a thousand in every language. Dates, times and versions are
    compared part by part.

    Limits: signs are ignored. Number words are not read, 3.5 million does not equal 3,500,000, 3万
    does not equal 30,000, units are not converted, and 10.30 does not equal 10:30.

    Placeholders are ``{name}``, ``{{name}}``, ``${name}``, ``%s``, ``%1$d``, ``%(name)s``,
    ``<tag>``, ``__NAME__``. Placeholders, URLs and addresses are compared as they are written.
    """

    name: str = "numbers_kept"

    def judge(self, candidate: Candidate) -> Verdict:
        """Compare the items of both texts."""
        ours, theirs = list(items_of(candidate.hypothesis)), list(items_of(candidate.source))
        invented, lost = _surplus(ours, theirs), _surplus(theirs, ours)
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


def _surplus(items: Sequence[Item], others: Sequence[Item]) -> list[Item]:
    """Items that occur more often than in ``others``: the last items of each value."""
    left = Counter(item.value for item in others)
    surplus: list[Item] = []
    for item in items:
        left[item.value] -= 1
        if left[item.value] < 0:
            surplus.append(item)
    return surplus


def items_of(text: str) -> Iterator[Item]:
    """The numbers, placeholders, URLs and addresses of a text, in order."""
    for found in ITEMS.finditer(text):
        if found.lastgroup == "number":
            yield from _numbers(found.group(), found.start())
        else:
            yield Item(found.group(), found.start(), found.end(), small=False)


def _numbers(text: str, start: int) -> Iterator[Item]:
    """The number that a run of digits and separators forms, or else its parts."""
    plain = "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else character
        for character in text
    )
    if whole := NUMBER.fullmatch(plain):
        parts = [(whole["integer"], whole["fraction"] or "", 0, len(text))]
    else:
        parts = [(p.group(), "", p.start(), p.end()) for p in DIGITS.finditer(plain)]
    for integer, fraction, first, end in parts:
        digits = "".join(filter(str.isdecimal, integer)).lstrip("0") or "0"
        value = f"{digits}.{fraction.rstrip('0')}"
        yield Item(value, start + first, start + end, value in _SMALL, is_number=True)
